import type { BanEvent } from '../../src/core/event.ts';
import type { BanReasons } from '../../src/ledger/bans.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { describeBan } from '../../src/pipeline/describe.ts';
import { net } from './recorder-harness.ts';

const COUNTRIES = ['NL', 'US', 'CN', 'RU', 'BR', 'DE', 'VN'];
const SERVICES = ['smtp', 'smtp', 'smtp', 'imap', 'sogo'];
const END_REASONS = ['expired', 'expired', 'expired', 'lifted'] as const;

/** Fills a ledger with `count` bans, and the events that tell of them, evenly over [from, to). */
export function fillLedger(path: string, { count, from, to }: { count: number; from: number; to: number }): void {
  const ledger = openLedger(path, () => to);
  ledger.transaction(() => {
    ledger.setMeta('first_started_at', String(from));
    for (let index = 0; index < count; index++) {
      // Some networks come again and again.
      const host = index % 10 === 0 ? index % 700 : index;
      const ip = `45.${10 + (host >> 16)}.${(host >> 8) & 255}.${host & 255}`;
      const startedAt = Math.floor(from + ((to - from) * index) / count);
      const isOver = startedAt + 1_800_000 < to;
      const ban = ledger.bans.add({
        jail: index % 50 === 0 ? 'sshd' : 'netfilter',
        network: net(`${ip}/32`),
        // Only one ban of a network stands at a time.
        state: isOver || index % 10 === 0 ? 'ended' : 'open',
        startedAt,
        seenAt: startedAt,
        confirmed: true,
        until: startedAt + 1_800_000,
        ...((isOver || index % 10 === 0) && {
          endedAt: startedAt + 1_800_000,
          endReason: END_REASONS[index % END_REASONS.length],
        }),
        sources: ['netfilter', 'redis'],
        reasons: reasonsOf(ip, index),
      });
      const at = new Date(startedAt).toISOString();
      const described = describeBan(ban, {
        host: 'mail.example.org',
        history: { bans: 1, firstSeenAt: startedAt },
        historyDays: 7,
        knownUsers: index % 1_000 === 0 ? [{ name: 'anna@example.org', logins: 3, lastAt: startedAt - 60_000 }] : [],
      });
      const event: BanEvent = { id: `e${index}`, at, host: 'mail.example.org', type: 'ban.started', ban: described };
      ledger.deliveries.publish(event, []);
    }
  });
  ledger.close();
}

function reasonsOf(ip: string, index: number): BanReasons {
  const line = `warning: unknown[${ip}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=info@example.org`;
  const offender = {
    ip,
    attempts: 5,
    country: COUNTRIES[(index * 7) % 11] ?? 'FR',
    asn: 64_496,
    as_name: 'Example Net',
  };
  return {
    attempts: 5 + (index % 7),
    services: [SERVICES[index % SERVICES.length] ?? 'smtp'],
    rules: ['3'],
    offenders: [offender],
    accounts: [{ name: 'info@example.org', attempts: 5 }],
    evidence: [line, line.replace('info', 'sales'), line.replace('info', 'anna')],
  };
}

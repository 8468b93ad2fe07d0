import { toRfc3339 } from '../src/core/clock.ts';
import type { BanEvent } from '../src/core/event.ts';
import type { Ip, Network } from '../src/core/network.ts';
import type { Ledger } from '../src/ledger/ledger.ts';
import { openLedger } from '../src/ledger/ledger.ts';
import { startStack } from '../test/support/netfilter-stack.ts';
import { scrape } from '../test/support/scrape.ts';
import { residentMib } from './process-figures.ts';
import { percentile, type Row } from './row.ts';

const OFFENDERS = 100_000;
const COUNTRIES = 250;
/** Each of these claims a jail of its own. */
const FORGED_JAILS = 1_000;
const STANDING = 10_000;
const SCRAPES = 40;

/** Scrapes of a cowbell whose ledger knows a hundred thousand offenders from everywhere, every tenth of them banned now. */
export async function benchMetrics(program: string[]): Promise<Row> {
  const stack = await startStack({ program, withEngine: false, withRedis: false });
  try {
    const ledger = openLedger(stack.state, Date.now);
    fill(ledger);
    ledger.close();
    const cowbell = await stack.startCowbell('watchers: [{type: netfilter}]');
    const first = await scrape(cowbell);
    const times: number[] = [];
    for (let n = 0; n < SCRAPES; n++) {
      const startedAt = performance.now();
      await scrape(cowbell, n % 2 === 0 ? { accept: 'application/openmetrics-text;version=1.0.0' } : {});
      times.push(performance.now() - startedAt);
    }
    const mib = residentMib(cowbell.pid);
    const slowest = percentile(times, 1);
    const series = first.series.length;
    if (first.sum('fail2ban_bans_total') !== OFFENDERS) throw new Error(`not counted: ${first.text}`);
    return {
      what: `metrics of ${OFFENDERS / 1_000}k offenders from ${COUNTRIES} countries, one in a hundred with a jail of its own making`,
      goal: 'fewer than 1 000 series, a scrape ≤ 50 ms, ≤ 150 MB resident',
      figure: `${series} series, ${percentile(times, 0.5).toFixed(0)} ms, ${slowest.toFixed(0)} ms at most, ${mib.toFixed(0)} MB`,
      isMet: series < 1_000 && slowest <= 50 && mib <= 150,
    };
  } finally {
    await stack.close();
  }
}

function fill(ledger: Ledger): void {
  const now = Date.now();
  for (let first = 0; first < OFFENDERS; first += 1_000) {
    ledger.transaction(() => {
      for (let n = first; n < first + 1_000; n++) addOffender(ledger, n, now - n * 1_000);
    });
  }
}

function addOffender(ledger: Ledger, n: number, at: number): void {
  const ip = `45.${n >> 16}.${(n >> 8) & 255}.${n & 255}` as Ip;
  const country = String.fromCharCode(65 + (n % COUNTRIES) / 26, 65 + ((n % COUNTRIES) % 26));
  const jail = n % (OFFENDERS / FORGED_JAILS) === 0 ? `forged-${n}` : n % 3 === 0 ? 'sshd' : 'netfilter';
  const service = n % 3 === 0 ? [] : [n % 2 === 0 ? 'smtp' : 'imap'];
  const reasons = {
    ...{ attempts: 3, services: service, rules: ['3'], accounts: [{ name: `u${n}`, attempts: 3 }], evidence: [] },
    offenders: [{ ip, attempts: 3, country }],
  };
  const ban = ledger.bans.add({ jail, network: `${ip}/32` as Network, state: 'suspected', startedAt: at, seenAt: at });
  const isStanding = n < STANDING;
  ledger.bans.save({
    ...ban,
    ...{ reasons, logged: true, sources: ['netfilter'] },
    ...(isStanding ? { state: 'open' } : { state: 'ended', endedAt: at + 1_000, endReason: 'expired' }),
  });
  ledger.evidence.add({ at, ip, service: 'smtp', account: `u${n}` }, 'netfilter');
  ledger.deliveries.publish(
    {
      ...{ id: ban.id, at: toRfc3339(at), host: 'mail.example.org', type: 'ban.started' },
      ban: {
        ...{ id: ban.id, network: ban.network, jail, host: 'mail.example.org', started_at: toRfc3339(at), repeats: 0 },
        ...{ confirmed: true, known_users: [], sources: ['netfilter'], ...reasons },
      },
    } as BanEvent,
    [],
  );
}

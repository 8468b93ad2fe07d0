import { expect, it } from 'vitest';
import { METRICS, type MetricName } from '../../src/core/metrics.ts';
import type { BanRecord } from '../../src/ledger/bans.ts';
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts';
import { net, T0 } from '../support/recorder-harness.ts';

const LIMITS = {
  bansMs: 1_000,
  eventsMs: 1e9,
  evidenceMs: 1e9,
  evidenceRows: 1e6,
  knownUsersMs: 1e9,
  knownUsersRows: 1e6,
};

function ban(ledger: Ledger, network: string, more: Partial<BanRecord> = {}): BanRecord {
  const record = ledger.bans.add({
    ...{ jail: 'netfilter', network: net(network), state: 'suspected', startedAt: T0, seenAt: T0 },
    ...more,
  });
  record.state = 'open';
  ledger.bans.save(record);
  return record;
}

function end(ledger: Ledger, record: BanRecord, at = T0): void {
  ledger.bans.save({ ...record, state: 'ended', endedAt: at, endReason: 'expired' });
}

const of = (ledger: Ledger, metric: MetricName) =>
  ledger
    .figures()
    .filter((each) => each.metric === metric)
    .map(({ labels, value }) => `${Object.values(labels).join(' ')} ${value}`.trim());

it('the networks that were banned most are the first, with where they are from', () => {
  const ledger = openLedger(':memory:', () => T0);
  for (let n = 0; n < 60; n++) {
    const offenders = [{ ip: `45.8.0.${n}`, attempts: 1, country: 'DE' }];
    const reasons = { attempts: 1, services: [], rules: [], offenders, accounts: [], evidence: [] };
    for (let times = 0; times <= n % 30; times++)
      end(ledger, ban(ledger, `45.8.0.${n}/32`, n === 29 ? { reasons } : {}));
  }
  // Found standing, and never told: it did not begin.
  ban(ledger, '45.9.0.0/24', { adopted: true });
  const top = of(ledger, 'fail2ban_top_offender_bans');
  expect(top).toHaveLength(METRICS.fail2ban_top_offender_bans.most);
  expect(top.slice(0, 3)).toEqual(['45.8.0.29/32 DE 30', '45.8.0.59/32 unknown 30', '45.8.0.28/32 unknown 29']);
});

it('what is pruned is no longer among them', () => {
  const ledger = openLedger(':memory:', () => T0);
  end(ledger, ban(ledger, '45.8.0.1/32'), T0 - 5_000);
  end(ledger, ban(ledger, '45.8.0.1/32'));
  end(ledger, ban(ledger, '45.8.0.2/32'), T0 - 5_000);
  ban(ledger, '45.8.0.3/32', { adopted: true, startedAt: T0 - 9_000 });
  ledger.bans.remove(
    ledger.bans.add({ jail: 'x', network: net('45.8.0.4/32'), state: 'suspected', startedAt: T0, seenAt: T0 }).id,
  );
  expect(of(ledger, 'fail2ban_top_offender_bans')).toEqual(['45.8.0.1/32 unknown 2', '45.8.0.2/32 unknown 1']);
  expect(ledger.prune(LIMITS, T0)).toBe(2);
  expect(of(ledger, 'fail2ban_top_offender_bans')).toEqual(['45.8.0.1/32 unknown 1']);
});

it('bans that stand are counted by jail, in many jails those of most by name', () => {
  const ledger = openLedger(':memory:', () => T0);
  end(ledger, ban(ledger, '45.8.0.1/32'));
  ban(ledger, '45.8.0.2/32');
  ban(ledger, '45.8.0.3/32');
  expect(of(ledger, 'fail2ban_active_bans')).toEqual(['netfilter 2']);
  for (let n = 0; n < 100; n++) ban(ledger, '45.8.0.2/32', { jail: `jail-${n}` });
  const active = of(ledger, 'fail2ban_active_bans');
  expect(active).toHaveLength(METRICS.fail2ban_active_bans.most);
  expect([active[0], active.at(-1)]).toEqual(['netfilter 2', 'other 72']);
});

it('the denylist is counted as far as it is known', () => {
  const ledger = openLedger(':memory:', () => T0);
  expect(of(ledger, 'fail2ban_denylist_entries')).toEqual(['0']);
  ledger.denylist.add('45.9.0.0/24', T0);
  ledger.allowlist.add('10.0.0.0/8', T0);
  expect(of(ledger, 'fail2ban_denylist_entries')).toEqual(['1']);
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Ip } from '../../src/core/network.ts';
import type { NewBan } from '../../src/ledger/bans.ts';
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts';
import { backtest } from '../../src/reputation/backtest.ts';
import type { PolicySettings } from '../../src/reputation/policy.ts';
import { net } from '../support/recorder-harness.ts';
import { SETTINGS } from './auto-unban-rig.ts';

const T0 = Date.parse('2026-11-23T12:00:00Z');
const MINUTE_MS = 60_000;
const SOURCES = ['abuseipdb', 'dnsbl'];

let ledger: Ledger;
beforeEach(() => {
  ledger = openLedger(':memory:', () => T0);
});
afterEach(() => ledger.close());

function ban(network: string, minutes: number, change: Partial<NewBan> & { offenders?: string[] } = {}): void {
  const { offenders = [], ...rest } = change;
  const startedAt = T0 + minutes * MINUTE_MS;
  ledger.bans.add({
    jail: 'netfilter',
    network: net(network),
    state: 'ended',
    startedAt,
    seenAt: startedAt,
    endedAt: startedAt + 1_000,
    confirmed: true,
    reasons: {
      attempts: 10,
      services: ['imap'],
      rules: [],
      offenders: offenders.map((ip) => ({ ip, attempts: 1 })),
      accounts: [],
      evidence: [],
    },
    ...rest,
  });
}
const score = (subject: string, value: number, source = 'abuseipdb') =>
  ledger.opinions.put(source, subject, { opinion: { source, score: value, checkedAt: T0 }, checkedAt: T0 });

/** `45.8.0.7/32 lift again`, in the order of the bans, whichever way they are handed over. */
function run(settings: Partial<PolicySettings> = {}): string[] {
  const bans = ledger.bans.recent(1_000).sort(() => -1);
  return backtest(ledger, bans, { ...SETTINGS, ...settings }, 7, SOURCES).map(
    ({ ban: { network }, verdict, failedAgain }) => `${network} ${verdict.action}${failedAgain ? ' again' : ''}`,
  );
}

describe('looking back', () => {
  it('lifts by the scores that are kept, of which the worst source counts', () => {
    for (const last of [1, 2, 3, 4]) ban(`45.8.0.${last}/32`, last);
    score('45.8.0.1', 0);
    score('45.8.0.2', 90);
    score('45.8.0.3', 0);
    score('45.8.0.3', 100, 'dnsbl');
    expect(run()).toEqual(['45.8.0.1/32 lift', '45.8.0.2/32 keep', '45.8.0.3/32 keep', '45.8.0.4/32 keep']);
  });

  it('asks of a network what is kept on all of its offenders', () => {
    ban('45.8.1.0/24', 1, { offenders: ['45.8.1.1', '45.8.1.2'] });
    ban('45.8.2.0/24', 2, { offenders: ['45.8.2.1', '45.8.2.2'] });
    ban('45.8.3.0/24', 3, { offenders: ['45.8.3.1', '45.8.3.2'] });
    for (const ip of ['45.8.1.1', '45.8.1.2', '45.8.2.1', '45.8.3.1']) score(ip, 0);
    score('45.8.2.2', 90);
    expect(run()).toEqual(['45.8.1.0/24 lift', '45.8.2.0/24 keep', '45.8.3.0/24 keep']);
  });

  it('counts what came again after a lift, and would not have been lifted then', () => {
    score('45.8.0.1', 0);
    score('45.8.0.2', 0);
    ban('45.8.0.1/32', 0);
    ban('45.8.0.1/32', 60);
    ban('45.8.0.2/32', 0);
    // Long after.
    ban('45.8.0.2/32', 3 * 24 * 60);
    expect(run().sort()).toEqual([
      '45.8.0.1/32 keep',
      '45.8.0.1/32 lift again',
      '45.8.0.2/32 lift',
      '45.8.0.2/32 lift',
    ]);
    expect(run({ lift_window_hours: 1, max_previous_bans: 0 }).filter((line) => line.includes('lift'))).toHaveLength(2);
  });

  it('holds to the caps, the networks and what the server confirmed', () => {
    for (let last = 1; last <= 6; last++) {
      ban(`45.8.0.${last}/32`, last, { confirmed: last !== 1 });
      score(`45.8.0.${last}`, 0);
    }
    const lifted = (settings: Partial<PolicySettings>) =>
      run(settings).flatMap((line) => (line.includes('lift') ? [line.slice(0, 8)] : []));
    expect(lifted({})).toEqual(['45.8.0.2', '45.8.0.3', '45.8.0.4', '45.8.0.5', '45.8.0.6']);
    expect(lifted({ max_lifts_per_hour: 2 })).toEqual(['45.8.0.2', '45.8.0.3']);
    expect(lifted({ never: [net('45.8.0.0/30')] })).toEqual(['45.8.0.4', '45.8.0.5', '45.8.0.6']);
    expect(lifted({ services: ['smtp'] })).toEqual([]);
  });

  it('knows own users as they are known today', () => {
    ban('45.8.0.1/32', 0);
    ledger.transaction(() => {
      for (let login = 0; login < 3; login++) ledger.knownUsers.add('45.8.0.1' as Ip, 'anna', T0 - MINUTE_MS);
    });
    expect(run({ require: 'any', min_known_logins: 3 })).toEqual(['45.8.0.1/32 lift']);
    expect(run({ require: 'any', min_known_logins: 4 })).toEqual(['45.8.0.1/32 keep']);
  });

  it('at 10,000 bans takes no time to speak of', () => {
    ledger.transaction(() => {
      for (let index = 0; index < 10_000; index++)
        ban(`45.${index >> 12}.${(index >> 4) & 255}.${index & 15}/32`, index / 60);
    });
    const startedAt = performance.now();
    expect(run()).toHaveLength(1_000);
    const all = backtest(ledger, ledger.bans.recent(10_000), { ...SETTINGS, require: 'any' }, 7, SOURCES);
    expect(all).toHaveLength(10_000);
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });
});

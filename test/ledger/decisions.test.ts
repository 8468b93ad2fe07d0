import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Network } from '../../src/core/network.ts';
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts';

const NOW = Date.parse('2026-11-23T12:00:00Z');
const HOUR_MS = 3_600_000;
const ban = (id: string, network: string) => ({ id, jail: 'netfilter', network: network as Network });

let ledger: Ledger;
beforeEach(() => {
  ledger = openLedger(':memory:', () => NOW);
});
afterEach(() => ledger.close());

/** A ban that was lifted. */
function lift(id: string, network: string, at: number): void {
  ledger.decisions.expect(ban(id, network), at);
  ledger.decisions.move(id, 'due', 'lifting', at);
  ledger.decisions.sent(id, at);
  ledger.decisions.move(id, 'lifting', 'lifted', at);
}

describe('decisions', () => {
  it('are made once a ban, when they are due', () => {
    ledger.decisions.expect(ban('a', '198.51.100.1/32'), NOW);
    ledger.decisions.expect(ban('a', '198.51.100.1/32'), NOW + 5_000);
    ledger.decisions.expect(ban('b', '198.51.100.2/32'), NOW + 1_000);
    expect(ledger.decisions.nextDueAt()).toBe(NOW);
    expect(ledger.decisions.open(NOW, NOW + HOUR_MS, 10)).toMatchObject([{ banId: 'a', state: 'due', dueAt: NOW }]);
    expect(ledger.decisions.move('a', 'due', 'kept', NOW)).toBe(true);
    expect(ledger.decisions.move('a', 'due', 'lifting', NOW)).toBe(false);
    expect(ledger.decisions.of('a')).toMatchObject({ state: 'kept', decidedAt: NOW });
    ledger.decisions.postpone('b', NOW + 9_000);
    expect(ledger.decisions.nextDueAt()).toBe(NOW + 9_000);
  });

  it('are due at once where the clock was set back behind them', () => {
    ledger.decisions.expect(ban('a', '198.51.100.1/32'), NOW + 24 * HOUR_MS);
    expect(ledger.decisions.open(NOW, NOW + 48 * HOUR_MS, 10)).toEqual([]);
    expect(ledger.decisions.open(NOW, NOW + HOUR_MS, 10)).toMatchObject([{ banId: 'a' }]);
  });

  it('stay open until the lift is finished, and say whose a lift was', () => {
    ledger.decisions.expect(ban('a', '198.51.100.1/32'), NOW);
    expect(ledger.decisions.isLifted('a')).toBe(false);
    ledger.decisions.move('a', 'due', 'lifting', NOW);
    // The end of the ban may show before the order was answered.
    expect(ledger.decisions.isLifted('a')).toBe(true);
    ledger.decisions.sent('a', NOW);
    expect(ledger.decisions.open(NOW, NOW, 10)).toMatchObject([{ banId: 'a', state: 'lifting', sentAt: NOW }]);
    ledger.decisions.move('a', 'lifting', 'lifted', NOW + 1);
    expect(ledger.decisions.open(NOW, NOW, 10)).toEqual([]);
    expect(ledger.decisions.isLifted('a')).toBe(true);
  });

  it('that failed before the order was given lifted nothing', () => {
    ledger.decisions.expect(ban('a', '198.51.100.1/32'), NOW);
    ledger.decisions.move('a', 'due', 'lifting', NOW);
    ledger.decisions.move('a', 'lifting', 'failed', NOW);
    expect(ledger.decisions.isLifted('a')).toBe(false);
  });

  it('count the lifts of whatever overlaps a network', () => {
    lift('host', '198.51.100.7/32', NOW - 1_000);
    lift('net', '198.51.100.0/24', NOW - 2_000);
    lift('old', '198.51.100.7/32', NOW - 30 * HOUR_MS);
    lift('other', '203.0.113.7/32', NOW - 3_000);
    const since = NOW - 24 * HOUR_MS;
    const ofNetwork = (network: string) =>
      ledger.decisions.liftsOf(network as Network, since, false).map((each) => [each.at - NOW, each.network]);
    expect(ofNetwork('198.51.100.7/32')).toEqual([
      [-2_000, '198.51.100.0/24'],
      [-1_000, '198.51.100.7/32'],
    ]);
    expect(ofNetwork('198.51.100.0/24')).toHaveLength(2);
    expect(ofNetwork('198.51.100.8/32')).toEqual([[-2_000, '198.51.100.0/24']]);
    expect(ofNetwork('2001:db8::/64')).toEqual([]);
  });

  it('count what would have been lifted where only that is done', () => {
    ledger.decisions.expect(ban('a', '198.51.100.1/32'), NOW);
    ledger.decisions.move('a', 'due', 'suggested', NOW);
    expect(ledger.decisions.liftsOf('198.51.100.0/24' as Network, NOW - 1, false)).toEqual([]);
    expect(ledger.decisions.liftsOf('198.51.100.0/24' as Network, NOW - 1, true)).toMatchObject([{ at: NOW }]);
  });

  it('are of one ban, and no other', () => {
    ledger.decisions.expect(ban('a', '198.51.100.1/32'), NOW);
    const lift = { until: NOW + HOUR_MS, allowMs: 60_000 };
    expect(ledger.transaction(() => ledger.decisions.lift('a', lift, NOW))).toBe(true);
    expect(ledger.figures()).toContainEqual({
      metric: 'cowbell_unban_decisions_total',
      labels: { action: 'lift' },
      value: 1,
    });
    expect(ledger.decisions.lift('a', { until: undefined, allowMs: 0 }, NOW)).toBe(false);
    expect(ledger.decisions.of('a')).toMatchObject({ state: 'lifting', decidedAt: NOW, ...lift });
    ledger.decisions.sent('a', NOW);
    ledger.decisions.sent('a', undefined);
    expect(ledger.decisions.of('a')?.sentAt).toBeUndefined();
  });

  it('of a person take the place of the policy’s, and are not its business', () => {
    ledger.decisions.expect(ban('a', '198.51.100.1/32'), NOW);
    ledger.decisions.liftByHand(ban('a', '198.51.100.1/32'), NOW);
    expect(ledger.decisions.of('a')).toMatchObject({ state: 'lifting', by: 'person', decidedAt: NOW });
    expect(ledger.decisions.open(NOW, NOW, 10)).toEqual([]);
    // What fails again after it is not lifted by the policy either.
    expect(ledger.decisions.liftsOf('198.51.100.1/32' as Network, NOW - 1, false)).toHaveLength(1);
  });

  it('are kept as long as bans are', () => {
    lift('old', '198.51.100.7/32', NOW - 90 * 24 * HOUR_MS);
    lift('new', '198.51.100.7/32', NOW - HOUR_MS);
    const day = 24 * HOUR_MS;
    const rows = { evidenceRows: 1_000, knownUsersRows: 1_000 };
    ledger.prune({ bansMs: 30 * day, eventsMs: day, evidenceMs: day, knownUsersMs: day, ...rows }, NOW);
    expect(ledger.decisions.of('old')).toBeUndefined();
    expect(ledger.decisions.of('new')).toBeDefined();
  });
});

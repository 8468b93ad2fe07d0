import { expect, it } from 'vitest';
import type { Ip } from '../../src/core/network.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { net } from '../support/recorder-harness.ts';

const DAY_MS = 86_400_000;
const LIMITS = {
  bansMs: 90 * DAY_MS,
  eventsMs: DAY_MS,
  evidenceMs: DAY_MS,
  evidenceRows: 1_000,
  knownUsersMs: DAY_MS,
  knownUsersRows: 100,
};
const open = () => openLedger(':memory:', () => 0);

it('what was decided and done is listed, the newest first', () => {
  const ledger = open();
  const { audit } = ledger;
  audit.add({
    at: 1_000,
    by: 'policy',
    action: 'lift',
    network: '192.0.2.1/32',
    jail: 'netfilter',
    banId: 'b1',
    details: { reasons: ['score 3'] },
  });
  audit.add({ at: 2_000, by: 'person', action: 'deny', network: '192.0.2.2/32', details: {} });
  expect(audit.list({ limit: 10 })).toEqual([
    { at: 2_000, by: 'person', action: 'deny', network: '192.0.2.2/32', details: {} },
    {
      at: 1_000,
      by: 'policy',
      action: 'lift',
      network: '192.0.2.1/32',
      jail: 'netfilter',
      banId: 'b1',
      details: { reasons: ['score 3'] },
    },
  ]);
  expect(audit.list({ since: 1_001, limit: 10 }).map(({ action }) => action)).toEqual(['deny']);
  expect(audit.list({ network: '192.0.2.1/32', limit: 10 }).map(({ action }) => action)).toEqual(['lift']);
  expect(audit.list({ limit: 1 }).map(({ action }) => action)).toEqual(['deny']);
  ledger.close();
});

it('what was done about one ban is found, in its order, and what the policy lifted is counted', () => {
  const ledger = open();
  const { audit } = ledger;
  const add = (at: number, by: 'policy' | 'person', action: string, banId: string) =>
    audit.add({ at, by, action, network: '192.0.2.1/32', banId, details: {} });
  add(1_000, 'policy', 'lift', 'b1');
  add(1_500, 'policy', 'keep', 'b2');
  add(2_000, 'policy', 'would-lift', 'b3');
  add(3_000, 'policy', 'failed', 'b1');
  add(4_000, 'person', 'lift', 'b1');
  expect(audit.of('b1').map(({ by, action }) => `${by} ${action}`)).toEqual([
    'policy lift',
    'policy failed',
    'person lift',
  ]);
  expect(audit.of('b9')).toEqual([]);
  expect([audit.liftsSince(999, false), audit.liftsSince(999, true), audit.liftsSince(1_000, true)]).toEqual([1, 2, 1]);
  ledger.close();
});

it('audit entries are kept as long as bans', () => {
  const ledger = open();
  ledger.audit.add({ at: 1_000, by: 'person', action: 'deny', network: '192.0.2.2/32', details: {} });
  expect(ledger.prune(LIMITS, 1_000 + 90 * DAY_MS)).toBe(0);
  expect(ledger.prune(LIMITS, 1_001 + 90 * DAY_MS)).toBe(1);
  expect(ledger.audit.list({ limit: 10 })).toEqual([]);
  ledger.close();
});

it('allowances are kept until they are taken off', () => {
  const ledger = open();
  const office = { jail: 'netfilter', network: net('192.0.2.0/24'), until: 5_000, by: 'person' as const };
  const phone = { jail: 'sshd', network: net('192.0.2.7/32'), until: 3_000, by: 'policy' as const };
  ledger.allowances.add(office);
  ledger.allowances.add(phone);
  expect(ledger.allowances.standing()).toEqual([phone, office]);
  expect(ledger.allowances.due(3_000)).toEqual([phone]);
  ledger.allowances.add({ ...phone, until: 9_000 });
  expect(ledger.allowances.of('sshd', phone.network)).toMatchObject({ until: 9_000 });
  // It has another end by now.
  expect(ledger.allowances.remove(phone)).toBe(false);
  expect(ledger.prune(LIMITS, 1_000 * DAY_MS)).toBe(0);
  expect(ledger.allowances.remove(office)).toBe(true);
  expect(ledger.allowances.standing()).toHaveLength(1);
  ledger.close();
});

it('what was reported of a ban is known as long as its event, and when an address was last reported', () => {
  const ledger = open();
  const ip = '192.0.2.7' as Ip;
  const log = ledger.abuseReports;
  log.add({ banId: 'one', subject: ip, at: 1_000, isReported: true });
  log.add({ banId: 'two', subject: ip, at: 2_000, isReported: false });
  log.add({ banId: 'two', subject: net('192.0.2.0/24'), at: 2_000, isReported: false });
  expect([log.has('one', ip), log.has('two', net('192.0.2.0/24')), log.has('one', net('192.0.2.0/24'))]).toEqual([
    true,
    true,
    false,
  ]);
  expect([log.lastAt(ip), log.lastAt('192.0.2.8' as Ip)]).toEqual([1_000, undefined]);
  expect(ledger.prune(LIMITS, 1_001 + LIMITS.eventsMs)).toBe(1);
  expect([log.has('one', ip), log.has('two', ip), log.lastAt(ip)]).toEqual([false, true, undefined]);
  ledger.close();
});

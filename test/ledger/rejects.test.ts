import { describe, expect, it } from 'vitest';
import type { Ip, Network } from '../../src/core/network.ts';
import type { Rejected } from '../../src/core/observation.ts';
import { openDatabase } from '../../src/ledger/database.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { Rejects } from '../../src/ledger/rejects.ts';
import { Tallies } from '../../src/ledger/tallies.ts';

const reject = (ip: string, at: number, more: Partial<Rejected> = {}): Rejected => ({
  kind: 'rejected',
  ip: ip as Ip,
  at,
  service: 'postscreen',
  reason: 'PREGREET',
  line: `PREGREET from [${ip}] at ${at}`,
  ...more,
});

describe('rejects', () => {
  it('of more addresses than a window keeps are counted all the same, and those that are known go on by themselves', () => {
    const db = openDatabase(':memory:');
    const rejects = new Rejects(db, new Tallies(db), { mostRows: 10 });
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 50; n++) rejects.add(reject(`45.0.0.${n}`, n), 0);
      rejects.flush();
    }
    const totals = rejects.totals(0);
    expect([totals.total, totals.addresses]).toEqual([150, 10]);
    expect(totals.networks).toEqual([{ network: '45.0.0.0/24', count: 30, addresses: 10 }]);
    expect(rejects.inside('45.0.0.3/32' as Network, 0)).toEqual({ count: 3, lines: ['PREGREET from [45.0.0.3] at 3'] });
    rejects.add(reject('45.0.0.60', 1), 1_000);
    rejects.flush();
    expect(rejects.totals(1_000).addresses).toBe(1);
  });

  it('one address again and again does not fill a window', () => {
    const db = openDatabase(':memory:');
    const rejects = new Rejects(db, new Tallies(db), { mostRows: 10 });
    for (let n = 0; n < 40; n++) {
      rejects.add(reject('45.0.0.1', n), 0);
      rejects.flush();
    }
    rejects.add(reject('45.0.0.2', 50), 0);
    rejects.flush();
    expect(rejects.totals(0)).toMatchObject({ total: 41, addresses: 2 });
  });

  it('that were told are pruned where they are too many, those still to be told are not', () => {
    const ledger = openLedger(':memory:', () => 0);
    for (const windowAt of [0, 1_000]) {
      ledger.transaction(() => {
        for (let n = 0; n < 20; n++) ledger.rejects.add(reject(`45.0.0.${n}`, windowAt), windowAt);
      });
    }
    const limits = {
      bansMs: 1e9,
      eventsMs: 1e9,
      evidenceMs: 1e9,
      evidenceRows: 5,
      knownUsersMs: 1e9,
      knownUsersRows: 9,
    };
    expect(ledger.prune(limits, 2_000)).toBe(0);
    ledger.setMeta('rejects_told', '0');
    expect(ledger.prune(limits, 2_000)).toBe(20);
    expect(ledger.rejects.totals(1_000).total).toBe(20);
  });

  it('of a transaction that failed are not counted', () => {
    const ledger = openLedger(':memory:', () => 0);
    const fail = () => {
      ledger.rejects.add(reject('45.0.0.1', 1), 0);
      throw new Error('no');
    };
    expect(() => ledger.transaction(fail)).toThrow('no');
    ledger.transaction(() => ledger.rejects.add(reject('45.0.0.2', 1), 0));
    expect(ledger.rejects.totals(0)).toMatchObject({ total: 1, networks: [{ network: '45.0.0.2/32' }] });
  });
});

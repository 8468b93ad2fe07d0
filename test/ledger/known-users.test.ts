import { describe, expect, it } from 'vitest';
import type { Ip, Network } from '../../src/core/network.ts';
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts';

const open = () => openLedger(':memory:', () => 0);

function login(ledger: Ledger, ip: string, account: string, at: number): void {
  ledger.transaction(() => ledger.knownUsers.add(ip as Ip, account, at));
}

function names(ledger: Ledger, network: string, since = 0): string[] {
  return ledger.knownUsers.inside(network as Network, since).map(({ name }) => name);
}

describe('known users', () => {
  it('are those who have logged in from inside a network: how often, and when last', () => {
    const ledger = open();
    login(ledger, '5.188.206.14', 'anna@example.org', 1_000);
    login(ledger, '5.188.206.14', 'anna@example.org', 3_000);
    login(ledger, '5.188.206.99', 'anna@example.org', 2_000);
    login(ledger, '5.188.206.99', 'ben@example.org', 4_000);
    login(ledger, '5.188.207.1', 'carl@example.org', 5_000);
    expect(ledger.knownUsers.inside('5.188.206.0/24' as Network, 0)).toEqual([
      { name: 'ben@example.org', logins: 1, lastAt: 4_000 },
      { name: 'anna@example.org', logins: 3, lastAt: 3_000 },
    ]);
    expect(names(ledger, '5.188.206.14/32')).toEqual(['anna@example.org']);
    expect(names(ledger, '5.188.206.0/24', 3_500)).toEqual(['ben@example.org']);
  });

  it('have the logins of the days that are asked for, and not those before', () => {
    const ledger = open();
    const DAY_MS = 86_400_000;
    for (const day of [0, 0, 0, 1, 20, 21, 21]) login(ledger, '5.188.206.14', 'anna@example.org', day * DAY_MS + 5_000);
    const loginsSince = (day: number) =>
      ledger.knownUsers.inside('5.188.206.14/32' as Network, day * DAY_MS).map(({ logins }) => logins);
    expect([loginsSince(0), loginsSince(7), loginsSince(21), loginsSince(22)]).toEqual([[7], [3], [2], []]);
  });

  it('on IPv6 are known by their /64, whichever of its addresses is banned', () => {
    const ledger = open();
    login(ledger, '2a01:4f8:c17:b8f:1:2:3:4', 'anna@example.org', 1);
    expect(names(ledger, '2a01:4f8:c17:b8f::9/128')).toEqual(['anna@example.org']);
    expect(names(ledger, '2a01:4f8:c17:b8f::/64')).toEqual(['anna@example.org']);
    expect(names(ledger, '2a01:4f8:c17::/48')).toEqual(['anna@example.org']);
    expect(names(ledger, '2a01:4f8:c17:b90::9/128')).toEqual([]);
  });

  it('are bounded for each network, and forgotten when they are old or too many', () => {
    const ledger = open();
    for (let n = 0; n < 80; n++) login(ledger, '5.188.206.14', `user${n}@example.org`, n);
    const db = ledger.knownUsers;
    expect(db.inside('5.188.206.14/32' as Network, 0)).toHaveLength(10);
    const limits = { bansMs: 1, eventsMs: 1, evidenceMs: 1, evidenceRows: 1, knownUsersMs: 1e9, knownUsersRows: 20 };
    // Somebody of the fifty, on another day, is nobody new.
    login(ledger, '5.188.206.14', 'user79@example.org', 86_400_000);
    expect(ledger.prune({ ...limits, knownUsersRows: 50 }, 100)).toBe(0);
    expect(ledger.prune(limits, 100)).toBe(30);
    expect(ledger.prune({ ...limits, knownUsersMs: 25 }, 100)).toBe(15);
    expect(names(ledger, '5.188.206.14/32')[0]).toBe('user79@example.org');
  });

  it('are kept as hashes where that is wanted, the earlier ones too', () => {
    const ledger = open();
    login(ledger, '5.188.206.14', 'anna@example.org', 1);
    ledger.knownUsers.setHashed(true);
    login(ledger, '5.188.206.14', 'Anna@example.org', 2);
    login(ledger, '5.188.206.14', 'ben@example.org', 3);
    const known = ledger.knownUsers.inside('5.188.206.14/32' as Network, 0);
    expect(known.map(({ name, logins }) => [/^user-[0-9a-f]{12}$/.test(name), logins])).toEqual([
      [true, 1],
      [true, 2],
    ]);
    ledger.knownUsers.setHashed(true);
    expect(ledger.knownUsers.inside('5.188.206.14/32' as Network, 0)).toEqual(known);
  });

  it('of a transaction that failed are not counted', () => {
    const ledger = open();
    expect(() =>
      ledger.transaction(() => {
        ledger.knownUsers.add('5.188.206.14' as Ip, 'anna@example.org', 1);
        throw new Error('no');
      }),
    ).toThrow('no');
    login(ledger, '5.188.206.14', 'ben@example.org', 2);
    expect(names(ledger, '5.188.206.14/32')).toEqual(['ben@example.org']);
  });
});

import { describe, expect, it } from 'vitest';
import type { BanEvent } from '../../src/core/event.ts';
import type { Ip } from '../../src/core/network.ts';
import type { Authenticated, RateLimited, Rejected } from '../../src/core/observation.ts';
import { createHarness, net, T0 } from '../support/recorder-harness.ts';
import { tempDir } from '../support/temp-dir.ts';

/** Windows are an hour, counted from the epoch. */
const WINDOW_S = 3_600 - ((T0 / 1_000) % 3_600);

const reject = (ip: string, seconds: number, more: Partial<Rejected> = {}): Rejected => ({
  kind: 'rejected',
  ip: ip as Ip,
  at: T0 + seconds * 1_000,
  service: 'postscreen',
  reason: 'PREGREET',
  line: `postfix/postscreen[1]: PREGREET from [${ip}] ${seconds}`,
  ...more,
});

const summaries = (events: readonly BanEvent[]) =>
  events.flatMap((event) => (event.type === 'reject.summary' ? [event.rejects] : []));

describe('rejects', () => {
  it('are told as one count when their window is over: how many, from whom, why', () => {
    const h = createHarness();
    h.log(
      ...[1, 2, 3].map((n) => reject('45.142.120.9', n)),
      reject('45.142.120.77', 4, { reason: 'Service unavailable', code: '550 5.7.1', dnsbl: 'zen.spamhaus.org' }),
      reject('2a02:c207::7', 5, { service: 'smtp', reason: 'Greylisted', code: '450 4.7.1' }),
    );
    h.log(reject('45.142.120.9', 9));
    expect(h.recorder.nextDueAt()).toBe(T0 + WINDOW_S * 1_000 + 2_000);
    h.at(WINDOW_S);
    h.tick();
    expect(h.events).toEqual([]);
    h.at(WINDOW_S + 2);
    h.tick();
    h.tick();
    expect(summaries(h.events)).toEqual([
      {
        since: new Date(T0 + 1_000).toISOString(),
        until: new Date(T0 + 9_000).toISOString(),
        total: 6,
        temporary: 1,
        addresses: 3,
        services: [
          { name: 'postscreen', count: 5 },
          { name: 'smtp', count: 1 },
        ],
        reasons: [
          { name: 'PREGREET', count: 4 },
          { name: 'Greylisted', count: 1 },
          { name: 'Service unavailable', count: 1 },
        ],
        dnsbls: [{ name: 'zen.spamhaus.org', count: 1 }],
        networks: [
          { network: '45.142.120.0/24', count: 5, addresses: 2 },
          { network: '2a02:c207::7/128', count: 1, addresses: 1 },
        ],
      },
    ]);
    expect(h.recorder.nextDueAt()).toBeUndefined();
  });

  it('that are read late count where they are read; nothing is counted twice, over a restart too', () => {
    const path = `${tempDir()}/ledger.db`;
    const first = createHarness({ path });
    first.log(reject('45.142.120.9', 1));
    first.at(WINDOW_S + 3);
    first.tick();
    first.log(reject('45.142.120.9', 2));
    first.ledger.close();
    const second = createHarness({ path, startedAt: T0 + (WINDOW_S + 10) * 1_000 });
    second.log(reject('45.142.120.9', -500));
    second.at(3_600);
    second.tick();
    expect([...summaries(first.events), ...summaries(second.events)].map(({ total }) => total)).toEqual([1, 2]);
    second.ledger.close();
  });

  it('of one window are told of at most so many reasons, whatever a client makes up', () => {
    const h = createHarness();
    for (let n = 0; n < 500; n++) h.log(reject('45.142.120.9', n / 100, { reason: `made up ${n}` }));
    h.recorder.finish();
    const [told] = summaries(h.events);
    expect([told?.total, told?.reasons.length, told?.reasons[0]]).toEqual([500, 10, { name: 'other', count: 400 }]);
  });

  it('from inside a banned network are shown with the ban, and are no failed attempts', () => {
    const h = createHarness({ withRedis: false });
    h.log(reject('45.142.120.9', 1), reject('45.142.120.9', 2), reject('9.9.9.9', 2));
    h.log(h.banned('45.142.120.0/24', 5));
    expect(h.bans()[0]).toMatchObject({
      attempts: 0,
      rejects: 2,
      evidence: ['postfix/postscreen[1]: PREGREET from [45.142.120.9] 2'],
    });
  });
});

describe('rate limits', () => {
  const limited = (account: string, seconds: number): RateLimited => ({
    kind: 'rate-limited',
    account,
    at: T0 + seconds * 1_000,
    limit: 'limit_mailbox',
    recipients: 2,
    ip: '5.188.206.14' as Ip,
  });
  const told = (events: readonly BanEvent[]) =>
    events.flatMap((event) => (event.type === 'ratelimit.applied' ? [event.ratelimit] : []));

  it('are told at once for each account, and then as one count as long as it goes on', () => {
    const h = createHarness();
    h.log(limited('a@example.org', 0), limited('a@example.org', 1), limited('b@example.org', 2));
    expect(told(h.events).map(({ account, count }) => [account, count])).toEqual([
      ['a@example.org', 1],
      ['b@example.org', 1],
    ]);
    h.log(limited('a@example.org', 3));
    h.at(600);
    h.tick();
    expect(told(h.events).slice(2)).toEqual([
      {
        account: 'a@example.org',
        limit: 'limit_mailbox',
        count: 2,
        recipients: 4,
        since: new Date(T0 + 1_000).toISOString(),
        until: new Date(T0 + 3_000).toISOString(),
        addresses: ['5.188.206.14'],
      },
    ]);
    h.at(1_200);
    h.tick();
    expect(h.recorder.nextDueAt()).toBeUndefined();
    h.log(limited('a@example.org', 1_300));
    expect(told(h.events).map(({ count }) => count)).toEqual([1, 1, 2, 1]);
  });
});

describe('known users', () => {
  const login = (ip: string, account: string, seconds: number): Authenticated => ({
    kind: 'authenticated',
    ip: ip as Ip,
    account,
    at: T0 + seconds * 1_000,
  });

  it('stand in every event of a ban of their network', () => {
    const h = createHarness({ withRedis: false });
    h.log(login('5.188.206.14', 'anna@example.org', 1), login('5.188.206.14', 'anna@example.org', 2));
    h.log(h.banned('5.188.206.14/32', 10), h.unbanned('5.188.206.14/32', 100));
    const users = [{ name: 'anna@example.org', logins: 2, last_seen_at: new Date(T0 + 2_000).toISOString() }];
    expect(h.bans().map((ban) => ban.known_users)).toEqual([users, users]);
  });

  it('are no longer known after the time that is set', () => {
    const h = createHarness({ withRedis: false });
    h.log(login('5.188.206.14', 'anna@example.org', -31 * 86_400), h.banned('5.188.206.14/32', 10));
    expect(h.bans()[0]?.known_users).toEqual([]);
  });
});

describe('the lists that an admin keeps', () => {
  it('are told when they change, not what they held at first, nor what a restart applies again', () => {
    const h = createHarness();
    h.snapshot({}, { denylist: ['45.9.20.0/24'], allowlist: ['8.8.8.8/32'] });
    h.snapshot({}, { denylist: ['45.9.20.0/24', 'mail.example.net'], allowlist: ['8.8.8.8/32', 'mx.example.net'] });
    h.snapshot({}, { denylist: [], allowlist: ['mx.example.net'] });
    h.snapshot({}, { denylist: ['45.9.20.0/24', 'mail.example.net'], allowlist: ['mx.example.net'] });
    expect(h.told()).toEqual([
      'bans.adopted 0+1',
      'denylist.added mail.example.net',
      'allowlist.added mx.example.net',
      'allowlist.removed 8.8.8.8/32',
    ]);
  });

  it('say when cowbell takes an entry of the allowlist off again, where it put it there', () => {
    const h = createHarness();
    h.snapshot({}, { allowlist: [] });
    const until = h.until(3_600);
    h.ledger.allowances.add({ jail: 'netfilter', network: net('8.8.8.8/32'), until, by: 'policy' });
    h.snapshot({}, { allowlist: ['8.8.8.8', '8.8.4.4/32'] });
    expect(h.events.map((event) => 'allowlist' in event && event.allowlist)).toEqual([
      { network: '8.8.8.8', source: 'redis', until: new Date(until).toISOString() },
      { network: '8.8.4.4/32', source: 'redis' },
    ]);
  });
});

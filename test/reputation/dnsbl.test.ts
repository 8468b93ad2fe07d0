import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TransientError } from '../../src/core/errors.ts';
import type { Ip } from '../../src/core/network.ts';
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts';
import { Asker } from '../../src/reputation/ask.ts';
import { reversedName } from '../../src/reputation/dns-list.ts';
import { dnsblSource } from '../../src/reputation/dnsbl.ts';
import { type DnsServer, startDns, startOddDns } from '../support/dns-server.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/redis-server.ts';

const never = new AbortController().signal;
const T0 = Date.parse('2026-11-23T12:00:00Z');
const HOUR_MS = 3_600_000;
const ip = (text: string) => text as Ip;
const KEY = 'k3yOfTh3L1st';

/** A list that is alive has 127.0.0.2 on it. */
const alive = (zone: string) => ({ [`2.0.0.127.${zone}`]: ['127.0.0.2'] });
const on = (zone: string, address: string, ...answers: string[]) => ({
  [`${reversedName(ip(address))}.${zone}`]: answers,
});

let dns: DnsServer;
let ledger: Ledger;
let now: number;
beforeAll(async () => {
  dns = await startDns(['bl.test', 'zen.test', 'refusing.test', 'misspelt.test', 'all.test', 'parked.test'], {
    ...alive('bl.test'),
    ...on('bl.test', '45.8.0.7', '127.0.0.2'),
    ...on('bl.test', '2a01:4f8::7', '127.0.0.2'),
    ...alive('zen.test'),
    ...on('zen.test', '45.8.0.7', '127.0.0.4', '127.0.0.10'),
    ...on('zen.test', '45.8.0.8', '127.0.0.10'),
    ...on('zen.test', '45.8.0.9', '127.255.255.254'),
    ...on('zen.test', '45.8.0.10', '127.0.0.1'),
    ...alive(`${KEY}.zen.test`),
    ...on(`${KEY}.zen.test`, '45.8.0.9', '127.0.0.4'),
    '2.0.0.127.refusing.test': ['127.255.255.255'],
    ...alive('all.test'),
    '1.0.0.127.all.test': ['127.0.0.2'],
    '2.0.0.127.parked.test': ['198.51.100.80'],
  });
});
afterAll(() => dns.close());
beforeEach(() => {
  now = T0;
  ledger = openLedger(':memory:', () => now);
  return () => ledger.close();
});

const clock = { now: () => now, sleep: async () => {} };
const http = { send: () => expect.unreachable('it is asked by DNS') };

type Options = Parameters<typeof dnsblSource.options.parse>[0];
function sourceOf(zones: unknown[], options: object = {}) {
  const parsed = dnsblSource.options.parse({ zones, servers: [dns.address], ...options } as Options);
  return dnsblSource.create(parsed, { http, clock, budget: ledger.budgets.of('dnsbl') });
}
const zen = { zone: 'zen.test', codes: { '127.0.0.10': 0 } };
const askedSince = (before: number) =>
  dns
    .asked()
    .slice(before)
    .filter((name) => !name.startsWith('2.0.0.127') && !name.startsWith('1.0.0.127'));

describe('the name that is asked for', () => {
  it.each([
    ['192.0.2.99', '99.2.0.192'],
    ['2001:db8:1:2:3:4:567:89ab', 'b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2'],
    ['2a01:4f8::1', '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.f.4.0.1.0.a.2'],
  ])('has %s backwards', (address, expected) => {
    expect(reversedName(ip(address))).toBe(expected);
  });
});

describe('block lists', () => {
  it('say what being on them is worth, the worst of them deciding', async () => {
    const source = sourceOf([{ zone: 'bl.test', score: 60 }, zen]);
    expect(await source.lookUp(ip('45.8.0.7'), never)).toEqual({
      source: 'dnsbl',
      score: 100,
      reports: 2,
      note: 'bl.test 127.0.0.2, zen.test 127.0.0.4 127.0.0.10',
      checkedAt: T0,
    });
    expect(await source.lookUp(ip('2a01:4f8::7'), never)).toMatchObject({ score: 60, note: 'bl.test 127.0.0.2' });
  });

  it('say nothing against who is on none, or on one for what is worth nothing', async () => {
    const source = sourceOf([zen]);
    expect(await source.lookUp(ip('45.8.0.8'), never)).toMatchObject({ score: 0, reports: 1 });
    expect(await source.lookUp(ip('45.8.0.80'), never)).toEqual({
      source: 'dnsbl',
      score: 0,
      reports: 0,
      checkedAt: T0,
    });
  });

  it.each([
    ['45.8.0.9', 'zen.test: it answers 127.255.255.254: it is not asked by way of a public DNS server'],
    ['45.8.0.10', 'zen.test: it answers 127.0.0.1: it refuses to say'],
  ])('that do not say of %s, say why', async (address, reason) => {
    await expect(sourceOf([{ zone: 'bl.test' }, zen]).lookUp(ip(address), never)).rejects.toThrow(reason);
    await expect(sourceOf([zen]).lookUp(ip(address), never)).rejects.toBeInstanceOf(TransientError);
  });

  it.each([
    ['misspelt.test', 'it is no block list, or it is dead: 127.0.0.2 is not on it'],
    ['all.test', 'it is dead: 127.0.0.1 is on it, as everybody may be'],
    ['refusing.test', 'it answers 127.255.255.255: it was asked too often'],
    ['parked.test', 'it answers 198.51.100.80: that is no block list, or a DNS server that makes up answers'],
    ['elsewhere.example', 'the DNS server refuses to find out'],
  ])('are worth nothing where they are none: %s', async (zone, reason) => {
    await expect(sourceOf([{ zone: 'bl.test' }, { zone }]).lookUp(ip('45.8.0.80'), never)).rejects.toThrow(
      `${zone}: ${reason}`,
    );
    await expect(sourceOf([{ zone }]).probe(never)).rejects.toThrow(reason);
  });

  it('are seen to be alive once an hour, and say so when they are tried', async () => {
    const source = sourceOf([{ zone: 'bl.test' }]);
    const before = dns.asked().length;
    const alivenessAsked = () =>
      dns
        .asked()
        .slice(before)
        .filter((name) => name === '2.0.0.127.bl.test').length;
    for (const address of ['45.8.0.1', '45.8.0.2']) await source.lookUp(ip(address), never);
    expect(alivenessAsked()).toBe(1);
    now += HOUR_MS;
    await source.lookUp(ip('45.8.0.3'), never);
    expect(alivenessAsked()).toBe(2);
    expect(await source.probe(never)).toBe("1 list answers; 3 of 10,000 of today's lookups are used");
  });

  it('are not waited for longer than is configured, nor where nobody waits any more', async () => {
    const silent = await startOddDns('silent');
    try {
      const source = sourceOf([{ zone: 'bl.test' }], { servers: [silent.address], timeout_seconds: 0.4 });
      await expect(source.lookUp(ip('45.8.0.7'), never)).rejects.toThrow('bl.test: no answer within 0.4 s');
      const patient = sourceOf([{ zone: 'bl.test' }], { servers: [silent.address], timeout_seconds: 20 });
      const before = silent.asked().length;
      const stop = new AbortController();
      const asked = patient.lookUp(ip('45.8.0.7'), stop.signal).catch((error: unknown) => error);
      await eventually(() => expect(silent.asked().length).toBeGreaterThan(before));
      const startedAt = performance.now();
      stop.abort();
      expect(await asked).toBeInstanceOf(TransientError);
      expect(await patient.lookUp(ip('45.8.0.8'), stop.signal).catch((error: unknown) => error)).toBeInstanceOf(
        TransientError,
      );
      expect(performance.now() - startedAt).toBeLessThan(5_000);
    } finally {
      await silent.close();
    }
  });

  it.each([
    [2, 'the DNS server cannot find out'],
    [5, 'the DNS server refuses to find out'],
  ])('behind a DNS server that answers with code %i', async (code, reason) => {
    const odd = await startOddDns(code);
    try {
      const source = sourceOf([{ zone: 'bl.test' }], { servers: [odd.address] });
      await expect(source.lookUp(ip('45.8.0.7'), never)).rejects.toThrow(`bl.test: ${reason}`);
    } finally {
      await odd.close();
    }
  });

  it('behind no DNS server at all', async () => {
    const source = sourceOf([{ zone: 'bl.test' }], { servers: [`127.0.0.1:${await freePort()}`], timeout_seconds: 1 });
    await expect(source.lookUp(ip('45.8.0.7'), never)).rejects.toThrow(/^bl\.test: (there is no DNS server|no answer)/);
  });

  it('that give their customers keys are asked with them, and never show them', async () => {
    const source = sourceOf([{ zone: 'zen.test', key: KEY }]);
    expect(await source.lookUp(ip('45.8.0.9'), never)).toMatchObject({ score: 100, note: 'zen.test 127.0.0.4' });
    const odd = await startOddDns(2);
    try {
      const failing = sourceOf([{ zone: 'zen.test', key: KEY }], { servers: [odd.address] });
      const error = await failing.lookUp(ip('45.8.0.9'), never).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(TransientError);
      expect(
        inspect([error, failing, dnsblSource.options.parse({ zones: [{ zone: 'zen.test', key: KEY }] })], {
          depth: 9,
          showHidden: true,
        }),
      ).not.toContain(KEY);
    } finally {
      await odd.close();
    }
  });
});

describe('asking block lists', () => {
  it('about many bans of few addresses asks once for each, and stays within the budget across a restart', async () => {
    const before = dns.asked().length;
    const asker = () =>
      new Asker({
        sources: [sourceOf([{ zone: 'bl.test' }], { daily_lookups: 40 })],
        opinions: ledger.opinions,
        clock,
      });
    const first = asker();
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => first.ask(ip(`45.8.1.${index % 30}`), never)),
    );
    expect(answers.every(({ opinions }) => opinions.length === 1)).toBe(true);
    expect(askedSince(before).length).toBe(30);
    const second = asker();
    await second.ask(ip('45.8.1.1'), never);
    const more = await Promise.all(Array.from({ length: 30 }, (_, index) => second.ask(ip(`45.8.2.${index}`), never)));
    expect(askedSince(before).length).toBe(40);
    expect(more.filter(({ problems }) => problems[0]?.reason === 'the daily budget of lookups is spent')).toHaveLength(
      20,
    );
  });
});

describe('the options', () => {
  it.each([
    ['localhost'],
    ['bl..test'],
    ['-bl.test'],
    ['bl.test/x'],
    ['bl test.example'],
    [`${'a'.repeat(64)}.test`],
    [`${'a.'.repeat(70)}test`],
  ])('take no list named %s', (zone) => {
    expect(dnsblSource.options.safeParse({ zones: [{ zone }] }).success).toBe(false);
  });

  it.each(['192.0.2.53', '192.0.2.53:5353', '[2001:db8::53]', '[2001:db8::53]:53', '2001:db8::53'])(
    'take the DNS server %s',
    (server) => {
      expect(() => sourceOf([{ zone: 'bl.test' }], { servers: [server] })).not.toThrow();
    },
  );

  it.each(['dns.example', '192.0.2.999', '192.0.2.53:0', '192.0.2.53:70000', '[2001:db8::53', '::1:99999'])(
    'do not take the DNS server %s',
    (server) => {
      expect(() => sourceOf([{ zone: 'bl.test' }], { servers: [server] })).toThrow(/expected 192.0.2.53/);
    },
  );

  it('take answers of block lists alone, and scores that are some', () => {
    const parse = (zone: object) => dnsblSource.options.safeParse({ zones: [{ zone: 'bl.test', ...zone }] }).success;
    expect(parse({ codes: { '127.0.0.4': 20 } })).toBe(true);
    expect([
      parse({ codes: { '10.0.0.4': 20 } }),
      parse({ score: 101 }),
      parse({ codes: { '127.0.0.4': -1 } }),
    ]).toEqual([false, false, false]);
    expect(dnsblSource.options.safeParse({ zones: [] }).success).toBe(false);
  });
});

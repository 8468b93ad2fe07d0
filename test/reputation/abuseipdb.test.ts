import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import type { Ip } from '../../src/core/network.ts';
import { type ClosableHttpClient, createHttpClient } from '../../src/http/client.ts';
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts';
import { abuseipdbSource } from '../../src/reputation/abuseipdb.ts';
import { Asker } from '../../src/reputation/ask.ts';
import { ABUSEIPDB_KEY, type AbuseipdbServer, type FixedAnswer, startAbuseipdb } from '../support/abuseipdb-server.ts';
import { net } from '../support/recorder-harness.ts';
import { tempDir } from '../support/temp-dir.ts';

const never = new AbortController().signal;
const T0 = Date.parse('2026-11-23T12:00:00Z');
const HOUR_MS = 3_600_000;
const ip = (text: string) => text as Ip;

let server: AbuseipdbServer;
let http: ClosableHttpClient;
let ledger: Ledger;
let now: number;
beforeEach(async () => {
  now = T0;
  server = await startAbuseipdb({ now: () => now });
  http = createHttpClient({ userAgent: 'cowbell/test' });
  ledger = openLedger(':memory:', () => now);
});
afterEach(async () => {
  await http.close();
  await server.close();
  ledger.close();
});

const clock = { now: () => now, sleep: async () => {} };

function sourceOf(options: Record<string, unknown> = {}) {
  const parsed = abuseipdbSource.options.parse({ key: ABUSEIPDB_KEY, url: server.url, ...options });
  return abuseipdbSource.create(parsed, { http, clock, budget: ledger.budgets.of('abuseipdb') });
}
const askerOf = (options?: Record<string, unknown>) =>
  new Asker({ sources: [sourceOf(options)], opinions: ledger.opinions, clock });

describe('AbuseIPDB', () => {
  it('says what others report of an address', async () => {
    server.scores.set('45.8.0.7', 83);
    expect(await sourceOf().lookUp(ip('45.8.0.7'), never)).toEqual({
      source: 'abuseipdb',
      score: 83,
      reports: 7,
      country: 'DE',
      checkedAt: T0,
    });
    expect(await sourceOf().lookUp(ip('2a01:4f8::1'), never)).toMatchObject({ score: 0, reports: 0 });
  });

  it('says the worst of a network, where it may be asked about one so wide', async () => {
    server.scores.set('45.8.0.7', 12).set('45.8.0.9', 55).set('45.9.0.1', 99);
    const source = sourceOf();
    expect(await source.lookUpNetwork?.(net('45.8.0.0/24'), never)).toMatchObject({ score: 55, reports: 2 });
    expect(await source.lookUpNetwork?.(net('45.8.0.0/20'), never)).toBeUndefined();
    expect(await source.lookUpNetwork?.(net('2a01:4f8::/64'), never)).toBeUndefined();
    expect(await source.lookUpNetwork?.(net('10.0.0.0/24'), never)).toBeUndefined();
    expect(server.requests).toEqual(['check-block 45.8.0.0/24']);
    const paid = sourceOf({ widest_block: 20 });
    expect(await paid.lookUpNetwork?.(net('45.8.0.0/20'), never)).toMatchObject({ score: 55 });
    expect(await paid.lookUpNetwork?.(net('45.8.0.0/19'), never)).toBeUndefined();
    expect(await sourceOf({ daily_blocks: 0 }).lookUpNetwork?.(net('45.8.0.0/24'), never)).toBeUndefined();
    expect(() => sourceOf({ widest_block: 15 })).toThrow(/widest_block/);
  });

  it('is tried with an address that harms nobody, and says that this counts', async () => {
    await sourceOf().lookUp(ip('45.8.0.7'), never);
    const found = await sourceOf().probe(never);
    expect(found).toBe("answers, and takes the key; this was one of today's checks, 2 of 1,000 are used");
    expect(server.requests).toEqual(['check 45.8.0.7', 'check 127.0.0.1']);
  });

  it.each<[string, FixedAnswer, typeof TransientError | typeof PermanentError, RegExp]>([
    ['a wrong key', failing(401, 'Your API key is wrong'), PermanentError, /refuses the key: HTTP 401: Your API key/],
    ['an account that may not', failing(403, 'verify your mail'), PermanentError, /refuses the key: HTTP 403/],
    ['a plan that is too small', failing(402, 'upgrade'), PermanentError, /wants another plan for check: HTTP 402/],
    ['a question that it does not take', { status: 422 }, PermanentError, /does not take what was asked: HTTP 422/],
    ['trouble of its own', { status: 503, body: '<html>' }, TransientError, /^HTTP 503$/],
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }, TransientError, /^HTTP 302$/],
    ['silence', 'hang', TransientError, /^no answer within 500 ms$/],
    ['an end in the middle', 'cut', TransientError, /^no connection: /],
    ['no JSON', { status: 200, body: '<html>' }, TransientError, /not AbuseIPDB's/],
    ['nothing', { status: 200 }, TransientError, /not AbuseIPDB's/],
    ['a list', { status: 200, body: '[]' }, TransientError, /not AbuseIPDB's/],
    ['an error with 200', { ...failing(401, 'no'), status: 200 }, TransientError, /not AbuseIPDB's/],
    ['no score', saying({ abuseConfidenceScore: undefined }), TransientError, /not AbuseIPDB's/],
    ['null for a score', saying({ abuseConfidenceScore: null }), TransientError, /not AbuseIPDB's/],
    ['a score that is text', saying({ abuseConfidenceScore: '0' }), TransientError, /not AbuseIPDB's/],
    ['a score below all', saying({ abuseConfidenceScore: -1 }), TransientError, /not AbuseIPDB's/],
    ['a score above all', saying({ abuseConfidenceScore: 101 }), TransientError, /not AbuseIPDB's/],
    ['what it knows of another address', saying({ ipAddress: '45.8.0.8' }), TransientError, /about another address/],
    ['more than is read', saying({ isp: 'x'.repeat(5_000_000) }), TransientError, /not AbuseIPDB's/],
  ])('answers with %s', async (_, answer, kind, message) => {
    server.answerWith(answer);
    const failure = await sourceOf(answer === 'hang' ? { timeout_seconds: 0.5 } : {})
      .lookUp(ip('45.8.0.7'), never)
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(kind);
    expect((failure as Error).message).toMatch(message);
  });

  it('is taken at its word where only that is odd which is not needed', async () => {
    server.answerWith(saying({ totalReports: undefined, countryCode: null, usageType: 7, isWhitelisted: true }));
    expect(await sourceOf().lookUp(ip('45.8.0.7'), never)).toEqual({ source: 'abuseipdb', score: 0, checkedAt: T0 });
  });
});

/** As https://docs.abuseipdb.com/#errors has it. */
function failing(status: number, detail: string): Exclude<FixedAnswer, string> {
  return { status, body: JSON.stringify({ errors: [{ detail, status }] }) };
}

function saying(more: Record<string, unknown>): FixedAnswer {
  const data = { ipAddress: '45.8.0.7', abuseConfidenceScore: 0, totalReports: 0, countryCode: 'DE', ...more };
  return { status: 200, body: JSON.stringify({ data }) };
}

const problemsOf = async (asker: Asker, subject: string) =>
  (await asker.ask(subject.includes('/') ? net(subject) : ip(subject), never)).problems.map(({ reason }) => reason);

describe('the budget', () => {
  it('is kept when the clock is set back, and is full again on the next day', async () => {
    const asked = (address: string) => problemsOf(askerOf({ daily_checks: 2 }), address);
    expect([await asked('45.8.0.1'), await asked('45.8.0.2')]).toEqual([[], []]);
    expect(await asked('45.8.0.3')).toEqual(['the daily budget of check is spent']);
    now -= 30 * HOUR_MS;
    expect(await asked('45.8.0.4')).toHaveLength(1);
    now = T0 + 13 * HOUR_MS;
    expect(await asked('45.8.0.5')).toEqual([]);
    expect(server.requests).toHaveLength(3);
  });

  it('is spent when AbuseIPDB says so, until it says', async () => {
    server.answerWith({ ...failing(429, 'Daily rate limit'), headers: { 'retry-after': '7200' } });
    expect(await problemsOf(askerOf(), '45.8.0.1')).toEqual(['HTTP 429: Daily rate limit']);
    server.answerWith(undefined);
    now += HOUR_MS;
    expect(await problemsOf(askerOf(), '45.8.0.2')).toEqual(['the daily budget of check is spent']);
    now += HOUR_MS + 1;
    expect(await problemsOf(askerOf(), '45.8.0.3')).toEqual([]);
    expect(server.requests).toHaveLength(2);
  });

  it('of the plan is kept to where it is less than ours: the last call says that it is the last', async () => {
    await server.close();
    server = await startAbuseipdb({ daily: 2, now: () => now });
    for (const last of [1, 2]) expect(await problemsOf(askerOf(), `45.8.0.${last}`)).toEqual([]);
    for (const last of [3, 4]) expect(await problemsOf(askerOf(), `45.8.0.${last}`)).toHaveLength(1);
    // Midnight is in twelve hours, as X-RateLimit-Reset says.
    now += 12 * HOUR_MS - 1;
    expect(await problemsOf(askerOf(), '45.8.0.5')).toHaveLength(1);
    expect(server.requests).toHaveLength(2);
  });

  it.each([
    ['retry-after', '29241', 29_241_000],
    ['x-ratelimit-reset', String(T0 / 1000 + 600), 600_000],
    ['x-ratelimit-reset', String(T0 / 1000 - 600), 60_000],
    ['x-ratelimit-reset', 'soon', 60_000],
    ['retry-after', '999999999', 24 * HOUR_MS],
  ])('with %s: %s is spent so long', async (name, value, expected) => {
    server.answerWith({ ...failing(429, 'x'), headers: { [name]: value } });
    await problemsOf(askerOf(), '45.8.0.1');
    expect(spentForMs()).toBe(expected);
  });

  it('of networks being spent, addresses are asked about all the same', async () => {
    const asker = askerOf({ daily_blocks: 1 });
    expect(await problemsOf(asker, '45.8.0.0/24')).toEqual([]);
    expect(await problemsOf(asker, '45.8.1.0/24')).toEqual(['the daily budget of check-block is spent']);
    expect(await problemsOf(asker, '45.8.0.1')).toEqual([]);
    server.answerWith(failing(402, 'upgrade'));
    now += 24 * HOUR_MS;
    expect(await problemsOf(asker, '45.8.1.0/24')).toEqual([expect.stringContaining('wants another plan')]);
    server.answerWith(undefined);
    expect(await problemsOf(asker, '45.8.0.2')).toEqual([]);
  });

  /** From now until there is a call again. */
  function spentForMs(): number {
    const budget = ledger.budgets.of('abuseipdb');
    let [low, high] = [T0, T0 + 48 * HOUR_MS];
    while (high - low > 1) {
      now = Math.floor((low + high) / 2);
      if (budget.take('check', Number.POSITIVE_INFINITY)) high = now;
      else low = now;
    }
    return high - T0;
  }
});

describe('asking', () => {
  it('about 10 000 bans of 300 addresses makes 300 calls at most', async () => {
    const answers = await askAbout10000(askerOf({ timeout_seconds: 20 }));
    expect(server.requests).toHaveLength(300);
    expect(new Set(server.requests).size).toBe(300);
    expect(answers.filter(({ opinions }) => opinions.length === 1)).toHaveLength(10_000);
  });

  it('about 10 000 bans of 300 addresses makes none past the budget, and says of the rest why it knows nothing', async () => {
    const answers = await askAbout10000(askerOf({ daily_checks: 250, timeout_seconds: 20 }));
    expect(server.requests).toHaveLength(250);
    const known = answers.filter(({ opinions }) => opinions.length > 0);
    expect(known.length).toBeGreaterThan(7_000);
    const unknown = answers.filter(({ opinions }) => opinions.length === 0);
    expect(new Set(unknown.map(({ problems }) => problems[0]?.reason))).toEqual(
      new Set(['the daily budget of check is spent']),
    );
  });

  function askAbout10000(asker: Asker) {
    const subject = (index: number) => ip(`45.${8 + ((index % 300) >> 8)}.0.${(index % 300) & 255}`);
    return Promise.all(Array.from({ length: 10_000 }, (_, index) => asker.ask(subject(index), never)));
  }

  it('is answered from what was said before, as long as that is good', async () => {
    const asker = askerOf();
    await asker.ask(ip('45.8.0.7'), never);
    now += 5 * HOUR_MS;
    expect((await askerOf().ask(ip('45.8.0.7'), never)).opinions).toMatchObject([{ checkedAt: T0 }]);
    now += 2 * HOUR_MS;
    expect((await asker.ask(ip('45.8.0.7'), never)).opinions).toMatchObject([{ checkedAt: now }]);
    expect(server.requests).toHaveLength(2);
    // What was said at a time that is still to come was said before the clock was set back: nobody knows when.
    now -= HOUR_MS;
    expect((await asker.ask(ip('45.8.0.7'), never)).opinions).toMatchObject([{ checkedAt: now }]);
    expect(server.requests).toHaveLength(3);
  });

  it('counts and remembers across a restart', async () => {
    const path = join(tempDir(), 'c.db');
    const restarted = async () => {
      ledger.close();
      ledger = openLedger(path, () => now);
      return askerOf({ daily_checks: 2 });
    };
    server.scores.set('45.8.0.7', 83);
    expect(await problemsOf(await restarted(), '45.8.0.7')).toEqual([]);
    expect((await (await restarted()).ask(ip('45.8.0.7'), never)).opinions).toMatchObject([{ score: 83 }]);
    expect(await problemsOf(await restarted(), '45.8.0.8')).toEqual([]);
    expect(await problemsOf(await restarted(), '45.8.0.9')).toEqual(['the daily budget of check is spent']);
    expect(server.requests).toEqual(['check 45.8.0.7', 'check 45.8.0.8']);
  });

  it('leaves a source alone that fails: for half a minute, or for good', async () => {
    const asker = askerOf();
    server.answerWith({ status: 500 });
    for (const last of [1, 2, 3]) expect(await problemsOf(asker, `45.8.0.${last}`)).toHaveLength(1);
    expect(server.requests).toHaveLength(1);
    now += 31_000;
    server.answerWith({ status: 401 });
    for (const last of [1, 2]) {
      now += HOUR_MS;
      expect((await problemsOf(asker, `45.8.0.${last}`))[0]).toMatch(/refuses the key/);
    }
    expect(server.requests).toHaveLength(2);
  });
});

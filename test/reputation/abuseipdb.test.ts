import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import type { Ip, Network } from '../../src/core/network.ts';
import { Secret } from '../../src/core/secret.ts';
import { type ClosableHttpClient, createHttpClient } from '../../src/http/client.ts';
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts';
import { abuseipdbSource } from '../../src/reputation/abuseipdb.ts';
import { Asker } from '../../src/reputation/ask.ts';
import { ABUSEIPDB_KEY, type AbuseipdbServer, startAbuseipdb } from '../support/abuseipdb-server.ts';
import { SILENT } from '../support/recorder-harness.ts';

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
  server = await startAbuseipdb();
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
  return abuseipdbSource.create('abuseipdb', parsed, {
    http,
    clock,
    logger: SILENT,
    budget: ledger.budgets.of('abuseipdb'),
  });
}
const askerOf = (options?: Record<string, unknown>) =>
  new Asker({ sources: [{ source: sourceOf(options), cacheMs: 6 * HOUR_MS }], opinions: ledger.opinions, clock });

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
    expect(await source.lookUpNetwork?.('45.8.0.0/24' as Network, never)).toMatchObject({ score: 55, reports: 2 });
    expect(await source.lookUpNetwork?.('45.8.0.0/16' as Network, never)).toBeUndefined();
    expect(await source.lookUpNetwork?.('2a01:4f8::/64' as Network, never)).toBeUndefined();
    expect(server.requests).toEqual(['check-block 45.8.0.0/24']);
  });

  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '192.168.0.1',
    '172.22.1.1',
    '100.64.0.1',
    '203.0.113.7',
    'fd00::1',
    'fe80::1',
    '2001:db8::1',
    '::1',
  ])('is not told of %s', async (address) => {
    expect(await sourceOf().lookUp(ip(address), never)).toBeUndefined();
    expect(server.requests).toEqual([]);
  });

  it.each<
    [string, Parameters<AbuseipdbServer['answerWith']>[0], typeof TransientError | typeof PermanentError, RegExp]
  >([
    [
      'a wrong key',
      { status: 401, body: '{"errors":[{"detail":"Your API key is wrong","status":401}]}' },
      PermanentError,
      /refuses the key: HTTP 401: Your API key is wrong/,
    ],
    [
      'a plan that is too small',
      { status: 402, body: '{"errors":[{"detail":"upgrade","status":402}]}' },
      PermanentError,
      /wants another plan/,
    ],
    ['a question that it does not take', { status: 422 }, PermanentError, /does not take what was asked/],
    ['trouble of its own', { status: 503, body: '<html>' }, TransientError, /^HTTP 503$/],
    ['no JSON', { status: 200, body: '<html>' }, TransientError, /not AbuseIPDB's/],
    ['JSON without a score', { status: 200, body: '{"data":{}}' }, TransientError, /not AbuseIPDB's/],
    [
      'a score that is none',
      { status: 200, body: '{"data":{"abuseConfidenceScore":"0"}}' },
      TransientError,
      /not AbuseIPDB's/,
    ],
    [
      'a score below all',
      { status: 200, body: '{"data":{"abuseConfidenceScore":-1}}' },
      TransientError,
      /not AbuseIPDB's/,
    ],
    [
      'an answer that is too long',
      { status: 200, body: `{"data":{"abuseConfidenceScore":0,"x":"${'x'.repeat(1_100_000)}"}}` },
      TransientError,
      /not AbuseIPDB's/,
    ],
  ])('answers with %s', async (_, answer, kind, message) => {
    server.answerWith(answer);
    const failure = await sourceOf()
      .lookUp(ip('45.8.0.7'), never)
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(kind);
    expect((failure as Error).message).toMatch(message);
    expect(String(failure)).not.toContain(ABUSEIPDB_KEY);
  });
});

describe('the budget', () => {
  it('is kept, over a restart too, and is full again on the next day', async () => {
    const asked = async (address: string) => (await askerOf({ daily_checks: 2 }).ask(ip(address), never)).problems;
    expect([await asked('45.8.0.1'), await asked('45.8.0.2')]).toEqual([[], []]);
    expect(await asked('45.8.0.3')).toEqual([{ source: 'abuseipdb', reason: 'the daily budget of check is spent' }]);
    now -= 30 * HOUR_MS;
    expect(await asked('45.8.0.4')).toHaveLength(1);
    now = T0 + 13 * HOUR_MS;
    expect(await asked('45.8.0.5')).toEqual([]);
    expect(server.requests).toHaveLength(3);
  });

  it('is spent when AbuseIPDB says so, until it says', async () => {
    server.answerWith({
      status: 429,
      headers: { 'retry-after': '7200' },
      body: '{"errors":[{"detail":"Daily rate limit","status":429}]}',
    });
    expect((await askerOf().ask(ip('45.8.0.1'), never)).problems[0]?.reason).toBe('HTTP 429: Daily rate limit');
    server.answerWith(undefined);
    now += HOUR_MS;
    expect((await askerOf().ask(ip('45.8.0.2'), never)).problems[0]?.reason).toMatch(/budget/);
    now += HOUR_MS + 1;
    expect((await askerOf().ask(ip('45.8.0.3'), never)).problems).toEqual([]);
    expect(server.requests).toHaveLength(2);
  });
});

describe('asking', () => {
  it('about 10 000 bans of 300 addresses makes 300 calls at most, and none past the budget', async () => {
    const asker = askerOf({ daily_checks: 250 });
    const answers = await Promise.all(
      Array.from({ length: 10_000 }, (_, index) =>
        asker.ask(ip(`45.${8 + ((index % 300) >> 8)}.0.${(index % 300) & 255}`), never),
      ),
    );
    expect(server.requests.length).toBeLessThanOrEqual(250);
    expect(new Set(server.requests).size).toBe(server.requests.length);
    const known = answers.filter(({ opinions }) => opinions.length > 0);
    expect(known.length).toBeGreaterThan(7_000);
    expect(answers.filter(({ opinions, problems }) => opinions.length === 0 && problems.length === 0)).toEqual([]);
  });

  it('is answered from what was said before, as long as that is good', async () => {
    const asker = askerOf();
    await asker.ask(ip('45.8.0.7'), never);
    now += 5 * HOUR_MS;
    expect((await askerOf().ask(ip('45.8.0.7'), never)).opinions).toMatchObject([{ checkedAt: T0 }]);
    now += 2 * HOUR_MS;
    expect((await asker.ask(ip('45.8.0.7'), never)).opinions).toMatchObject([{ checkedAt: now }]);
    expect(server.requests).toHaveLength(2);
  });

  it('leaves a source alone that fails: for half a minute, or for good', async () => {
    const asker = askerOf();
    server.answerWith({ status: 500 });
    for (const last of [1, 2, 3]) expect((await asker.ask(ip(`45.8.0.${last}`), never)).problems).toHaveLength(1);
    expect(server.requests).toHaveLength(1);
    now += 31_000;
    server.answerWith({ status: 401 });
    for (const last of [1, 2]) {
      now += HOUR_MS;
      expect((await asker.ask(ip(`45.8.0.${last}`), never)).problems[0]?.reason).toMatch(/refuses the key/);
    }
    expect(server.requests).toHaveLength(2);
  });

  it('shows no key, whatever goes wrong', async () => {
    expect(JSON.stringify(abuseipdbSource.options.parse({ key: ABUSEIPDB_KEY }))).not.toContain(ABUSEIPDB_KEY);
    expect(abuseipdbSource.options.parse({ key: ABUSEIPDB_KEY }).key).toBeInstanceOf(Secret);
  });
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildAsker } from '../../src/auto-unban.ts';
import { parseConfig } from '../../src/config/load.ts';
import { systemClock } from '../../src/core/clock.ts';
import { type ClosableHttpClient, createHttpClient } from '../../src/http/client.ts';
import type { Asker } from '../../src/reputation/ask.ts';
import { reversedName } from '../../src/reputation/dns-list.ts';
import { ABUSEIPDB_KEY, type AbuseipdbServer, type FixedAnswer, startAbuseipdb } from '../support/abuseipdb-server.ts';
import { type DnsServer, startDns } from '../support/dns-server.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createRig, type RigOptions } from './auto-unban-rig.ts';

/** The policy, with who it asks as a configuration names them: what is not known keeps the ban, and is said. */

const IP = '45.8.0.7';
let redis: RedisServer;
let dns: DnsServer;
let http: ClosableHttpClient;
beforeAll(async () => {
  redis = await startRedis();
  http = createHttpClient({ userAgent: 'cowbell/test' });
  dns = await startDns(['bl.test'], {
    '2.0.0.127.bl.test': ['127.0.0.2'],
    [`${reversedName('45.8.0.66' as never)}.bl.test`]: ['127.0.0.2'],
    [`${reversedName('45.8.0.99' as never)}.bl.test`]: ['127.255.255.254'],
  });
});
afterAll(async () => {
  await dns.close();
  await http.close();
  await redis.close();
});

let server: AbuseipdbServer;
let rig: ReturnType<typeof createRig> | undefined;
beforeEach(async () => {
  await redis.client.flushall();
  server = await startAbuseipdb();
});
afterEach(async () => {
  await rig?.close();
  rig = undefined;
  await server.close();
});

/** What is decided on one ban, why, and what of it was done. */
async function decide(
  reputation: object,
  network = `${IP}/32`,
  offenders: string[] = [],
  more: Partial<RigOptions> = {},
) {
  const config = parseConfig(JSON.stringify({ notifiers: [{ type: 'console' }], reputation }), { env: {} });
  let asker: Asker | undefined;
  const made = createRig({
    redis,
    ask: (subject, signal) => {
      asker ??= buildAsker(config, { ledger: made.ledger, clock: systemClock, http });
      return asker.ask(subject, signal);
    },
    ...more,
  });
  rig = made;
  const purge = made.startPurge();
  await made.ban(network, { offenders });
  await made.decided();
  const [event] = made.decisions();
  const decision = event?.type === 'unban.decided' ? event.decision : undefined;
  return { action: decision?.action, why: decision?.reasons.join('; '), lifted: purge.lifted };
}

const abuseipdb = (more: object = {}) => ({ abuseipdb: { key: ABUSEIPDB_KEY, url: server.url, ...more } });
const dnsbl = (more: object = {}) => ({ dnsbl: { zones: [{ zone: 'bl.test' }], servers: [dns.address], ...more } });

describe('a ban stays, and it is said why, where AbuseIPDB', () => {
  it.each<[string, FixedAnswer, string]>([
    ['is down', { status: 503 }, 'no score: abuseipdb: HTTP 503'],
    ['is cut off', 'cut', 'no score: abuseipdb: no connection: '],
    ['says nothing in time', 'hang', 'no score: abuseipdb: no answer within 300 ms'],
    ['refuses the key', { status: 401 }, 'no score: abuseipdb: AbuseIPDB refuses the key: HTTP 401'],
    ['wants to be paid', { status: 402 }, 'no score: abuseipdb: AbuseIPDB wants another plan for check: HTTP 402'],
    ['does not take the question', { status: 422 }, 'no score: abuseipdb: AbuseIPDB does not take what was asked'],
    ['takes no more today', { status: 429, headers: { 'retry-after': '60' } }, 'no score: abuseipdb: HTTP 429'],
    [
      'answers with a page',
      { status: 200, body: '<html>' },
      "no score: abuseipdb: the answer to check is not AbuseIPDB's",
    ],
    ['answers without a score', { status: 200, body: `{"data":{"ipAddress":"${IP}"}}` }, 'is not AbuseIPDB'],
  ])('%s', async (_, answer, why) => {
    server.answerWith(answer);
    const decided = await decide(abuseipdb(answer === 'hang' ? { timeout_seconds: 0.3 } : {}));
    expect(decided).toEqual({ action: 'keep', why: expect.stringContaining(why), lifted: [] });
    expect(server.requests).toEqual([`check ${IP}`]);
  });

  it('was asked too often already', async () => {
    const decided = await decide(abuseipdb({ daily_checks: 1 }), '45.8.0.0/24', ['45.8.0.7', '45.8.0.8']);
    const why = 'no score: abuseipdb: the daily budget of check is spent';
    expect(decided).toEqual({ action: 'keep', why, lifted: [] });
    expect(server.requests).toHaveLength(1);
  });

  it('has nothing to say: nobody is configured', async () => {
    expect(await decide({})).toEqual({ action: 'keep', why: `no score: nobody knows ${IP}`, lifted: [] });
  });
});

describe('of several offenders, and of several who are asked, the worst decides', () => {
  it.each<[string, string[], 'lift' | 'keep', string]>([
    ['45.8.0.0/24', ['45.8.0.7', '45.8.0.8'], 'lift', 'score 0 of 100 (abuseipdb), within 25'],
    ['45.8.0.0/24', ['45.8.0.7', '45.8.0.9'], 'keep', 'score 80 of 100 (abuseipdb), above 25'],
    ['2a01:4f8:1:2::/64', ['2a01:4f8:1:2::7', '2a01:4f8:1:2::9'], 'keep', 'score 80 of 100 (abuseipdb), above 25'],
  ])('%s with %j', async (network, offenders, action, why) => {
    server.scores.set('45.8.0.9', 80).set('2a01:4f8:1:2::9', 80);
    expect(await decide(abuseipdb(), network, offenders)).toMatchObject({ action, why });
    expect(server.requests.sort()).toEqual(offenders.map((ip) => `check ${ip}`));
  });

  it('a network with more offenders than a ban names is asked about as a whole, too', async () => {
    server.scores.set('45.8.0.200', 90);
    const offenders = Array.from({ length: 12 }, (_, index) => `45.8.0.${index + 1}`);
    const decided = await decide(abuseipdb(), '45.8.0.0/24', offenders);
    expect(decided).toEqual({ action: 'keep', why: 'score 90 of 100 (abuseipdb), above 25', lifted: [] });
    expect(server.requests.filter((each) => each.startsWith('check-block'))).toEqual(['check-block 45.8.0.0/24']);
  });

  it.each<[string, 'lift' | 'keep', string]>([
    ['45.8.0.7', 'lift', 'score 0 of 100 (abuseipdb, dnsbl), within 25'],
    ['45.8.0.66', 'keep', 'score 100 of 100 (abuseipdb, dnsbl), above 25'],
    ['45.8.0.77', 'keep', 'score 70 of 100 (abuseipdb, dnsbl, networks), above 25'],
    [
      '45.8.0.99',
      'keep',
      'no score: dnsbl: bl.test: it answers 127.255.255.254: it is not asked by way of a public DNS server',
    ],
  ])('%s is asked about everywhere', async (ip, action, why) => {
    const file = join(tempDir(), 'networks.txt');
    writeFileSync(file, '45.8.0.72/29 70\n');
    const decided = await decide({ ...abuseipdb(), ...dnsbl(), networks: { file } }, `${ip}/32`);
    expect({ ...decided, why: decided.why?.replace(/\(.*?\)/, sorted) }).toMatchObject({ action, why });
  });
});

/** Who answers first is named first. */
function sorted(names: string): string {
  return `(${names.slice(1, -1).split(', ').sort().join(', ')})`;
}

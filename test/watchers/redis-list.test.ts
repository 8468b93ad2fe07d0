import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TransientError } from '../../src/core/errors.ts';
import type { Observation } from '../../src/core/observation.ts';
import type { Batch, Watcher } from '../../src/core/watcher.ts';
import { createNetfilterWatcher, netfilterWatcher } from '../../src/watchers/netfilter.ts';
import { ratelimitsWatcher } from '../../src/watchers/ratelimits.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingLogger } from '../support/recording-logger.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { createTestClock } from '../support/test-clock.ts';
import { watcherTools } from '../support/watcher-tools.ts';
import { lineSource, observe } from './line-source.ts';

const NOW = 1_795_430_930_000;
const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'netfilter');

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());
beforeEach(() => redis.client.flushall());

const banning = (n: number, time = NOW / 1_000) =>
  JSON.stringify({ time, priority: 'crit', message: `Banning 45.0.${n >> 8}.${n & 255}/32 for 30 minutes` });
const network = (n: number) => `45.0.${n >> 8}.${n & 255}/32`;

/** The netfilter watcher over the list, run until the test ends it. */
function watch(from?: string, watcher?: Watcher, now = NOW) {
  const clock = createTestClock(now);
  const logger = createRecordingLogger();
  const tools = watcherTools({ clock, logger, redis: redis.address });
  const options = netfilterWatcher.options.parse({ from: 'redis' });
  const batches: Batch[] = [];
  const stop = new AbortController();
  const running = (async () => {
    const watching = (watcher ?? netfilterWatcher.create('netfilter', options, tools)).watch(from, stop.signal);
    for await (const batch of watching) batches.push(batch);
  })();
  running.catch(() => {});
  return {
    clock,
    logger,
    batches,
    running,
    said: () => batches.flatMap(({ observations }) => [...observations]),
    networks: () =>
      batches.flatMap((batch) => batch.observations.map((each) => ('network' in each ? each.network : ''))),
    cursor: () => batches.findLast(({ cursor }) => cursor !== undefined)?.cursor,
    /** Lets the next look at the list happen, and waits for what it gives. */
    async look() {
      const before = batches.length;
      await eventually(() => expect(clock.waits()).not.toEqual([]));
      await clock.advance(1_000);
      await eventually(() => expect(batches.length).toBeGreaterThan(before));
    },
    async end() {
      stop.abort();
      await running;
    },
  };
}

describe('the list NETFILTER_LOG in place of the log', () => {
  it('tells what the log tells: a recorded run, record for line', async () => {
    const records = readFileSync(join(FIXTURES, '01-defaults.NETFILTER_LOG.jsonl'), 'utf8').trimEnd().split('\n');
    for (const record of records) await redis.client.lpush('NETFILTER_LOG', record);
    const lines = readFileSync(join(FIXTURES, '01-defaults.stdout.log'), 'utf8').trimEnd().split('\n');
    const logged = await observe(createNetfilterWatcher('netfilter', lineSource(lines)));
    const first = JSON.parse(records[0] ?? '{}') as { time: number };
    const watching = watch(undefined, undefined, first.time * 1_000 + 300_000);
    await eventually(() => expect(watching.said().length).toBeGreaterThan(20));
    await watching.end();
    const facts = (list: readonly Observation[]) =>
      list.filter(({ kind }) => kind !== 'cleared').map(({ at: _at, line: _line, ...fact }) => fact);
    expect(facts(watching.said())).toEqual(facts(logged));
    const clears = (list: readonly Observation[]) =>
      list.filter(({ kind }) => kind === 'cleared').map(({ reason }) => reason);
    expect(clears(watching.said())).toEqual(['netfilter restarted', 'netfilter was stopped', 'netfilter restarted']);
    // Its last stop was not written to the list any more.
    expect(clears(logged)).toEqual([...clears(watching.said()), 'netfilter was stopped']);
  });

  it('begins with the last minutes, and gives each new record once, the same ones too', async () => {
    await redis.client.lpush('NETFILTER_LOG', banning(1, NOW / 1_000 - 7_200), banning(2));
    const watching = watch();
    await eventually(() => expect(watching.networks()).toEqual([network(2)]));
    await redis.client.lpush('NETFILTER_LOG', banning(3), banning(3), banning(3));
    await watching.look();
    await watching.look();
    expect(watching.networks()).toEqual([2, 3, 3, 3].map(network));
    await watching.end();
  });

  it('puts no record into the future, though its time is rounded up', async () => {
    await redis.client.lpush('NETFILTER_LOG', banning(1, NOW / 1_000 + 1));
    const watching = watch();
    await eventually(() => expect(watching.said().map(({ at }) => at)).toEqual([NOW]));
    await watching.end();
  });

  it('goes on at the cursor, over a trim and over a thousand records, each chunk with its own place', async () => {
    for (let n = 0; n < 100; n++) await redis.client.lpush('NETFILTER_LOG', banning(n));
    const before = watch();
    await eventually(() => expect(before.networks()).toHaveLength(100));
    await before.end();
    for (let n = 100; n < 1_600; n++) await redis.client.lpush('NETFILTER_LOG', banning(n));
    await redis.client.ltrim('NETFILTER_LOG', 0, 1_559);
    const after = watch(before.cursor());
    await eventually(() => expect(after.networks()).toHaveLength(1_500));
    await after.end();
    const all = Array.from({ length: 1_500 }, (_, n) => network(n + 100));
    expect(after.networks()).toEqual(all);
    const middle = watch(after.batches.find(({ cursor }) => cursor !== undefined)?.cursor);
    await eventually(() => expect(middle.networks()).toHaveLength(1_000));
    expect(middle.networks()).toEqual(all.slice(500));
    await middle.end();
  });

  it('tells when records were trimmed away before they were read, and then that it is up again', async () => {
    for (let n = 0; n < 100; n++) await redis.client.lpush('NETFILTER_LOG', banning(n));
    const watching = watch();
    await eventually(() => expect(watching.networks()).toHaveLength(100));
    for (let n = 100; n < 400; n++) await redis.client.lpush('NETFILTER_LOG', banning(n));
    await redis.client.ltrim('NETFILTER_LOG', 0, 199);
    await watching.look();
    expect(watching.networks()).toHaveLength(300);
    expect(watching.batches.flatMap(({ health = [] }) => health)).toEqual([
      { source: 'netfilter log', up: false, reason: expect.stringMatching(/NETFILTER_LOG were trimmed away/) },
    ]);
    await watching.look();
    expect(watching.networks()).toHaveLength(300);
    await watching.end();
  });

  it('keeps a message with line breaks and quotes in one piece, and passes over what is no record', async () => {
    const message = 'x\n2026-11-23 11:48:41 CRIT: Banning 8.8.8.8/32 for 30 minutes\n","message":"Banning 9.9.9.9/32"';
    await redis.client.lpush('NETFILTER_LOG', JSON.stringify({ time: NOW / 1_000, priority: 'warn', message }));
    await redis.client.lpush('NETFILTER_LOG', 'no JSON', '[]', '7', '{"message": 7}', banning(1));
    const watching = watch();
    await eventually(() => expect(watching.networks()).toEqual([network(1)]));
    await watching.end();
  });

  it('fails with a reason when Redis goes', async () => {
    const watching = watch();
    await eventually(() => expect(watching.batches.length).toBeGreaterThan(0));
    await redis.stop('SIGKILL');
    await eventually(() => expect(watching.clock.waits()).not.toEqual([]));
    await watching.clock.advance(1_000);
    const failure = await watching.running.catch((error: unknown) => error);
    await redis.start();
    expect(failure).toBeInstanceOf(TransientError);
    expect(String(failure)).toMatch(/NETFILTER_LOG cannot be read: the connection was cut|cannot be reached/);
  });
});

describe('the list RL_LOG', () => {
  const record = {
    time: NOW / 1_000,
    rcpt: 'a@example.net, b@example.net',
    from: 'info@example.org',
    user: 'info@example.org',
    rl_info: 'limit_mailbox(RLbyf1x3ytoc3kxj)',
    rl_name: 'limit_mailbox',
    rl_hash: 'RLbyf1x3ytoc3kxj',
    qid: '4F2Q9D1x',
    ip: '5.188.206.14',
    message_id: 'x@example.org',
    header_subject: 'secret plans',
    header_from: 'Info <info@example.org>',
  };
  const parse = ratelimitsWatcher.createParser?.({}) ?? (() => undefined);

  it('says who was held back, by which limit; not what the mail was about', () => {
    expect(parse(JSON.stringify(record))).toEqual({
      kind: 'rate-limited',
      ip: '5.188.206.14',
      account: 'info@example.org',
      limit: 'limit_mailbox',
      recipients: 2,
    });
    const unmatched = { ...record, rl_info: '', rl_name: 'err', rl_hash: 'err', user: 'unknown', ip: '' };
    expect(parse(JSON.stringify(unmatched))).toEqual({
      kind: 'rate-limited',
      account: 'info@example.org',
      limit: 'unknown',
      recipients: 2,
    });
    expect(parse('{"time": 1}')).toBeUndefined();
    expect(parse('nonsense')).toBeUndefined();
  });

  it('is followed as the others are, though the UI takes records out of it', async () => {
    const push = (user: string) => redis.client.lpush('RL_LOG', JSON.stringify({ ...record, user }));
    const tools = watcherTools({ clock: createTestClock(NOW), redis: redis.address });
    await push('a');
    await push('b');
    const watching = watch(undefined, ratelimitsWatcher.create('ratelimits', {}, tools));
    const users = () => watching.said().map(({ account }) => account);
    await eventually(() => expect(users()).toEqual(['a', 'b']));
    await watching.end();
    await redis.client.lrem('RL_LOG', 1, JSON.stringify({ ...record, user: 'a' }));
    await push('c');
    const later = watch(watching.cursor(), ratelimitsWatcher.create('ratelimits', {}, tools));
    await eventually(() => expect(later.said().map(({ account }) => account)).toEqual(['c']));
    await later.end();
  });
});

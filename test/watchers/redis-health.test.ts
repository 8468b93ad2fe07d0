import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HealthReport } from '../../src/core/watcher.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';
import { mailcowOf, T0, untilNobodyListens, type Watching, watchRedis } from './redis-rig.ts';

let redis: RedisServer;
let clock: TestClock;
let mailcow: ReturnType<typeof mailcowOf>;
let watching: Watching | undefined;

beforeEach(async () => {
  redis = await startRedis();
  clock = createTestClock(T0);
  mailcow = mailcowOf(redis, clock);
});
afterEach(async () => {
  await watching?.stop();
  watching = undefined;
  await redis.close();
});

async function watch(options: Parameters<typeof watchRedis>[1] = {}): Promise<Watching> {
  watching = await watchRedis(redis.address, { clock, ...options });
  return watching;
}

function reports({ batches }: Watching): HealthReport[] {
  return batches.flatMap(({ health }) => health ?? []);
}

function reasons(of: Watching): (string | undefined)[] {
  return reports(of).map(({ up, reason }) => (up ? 'up' : reason));
}

const UP = { source: 'netfilter', up: true };
const DOWN =
  'netfilter is down or deaf: nothing listens for failed logins, so nobody will be banned; restart netfilter-mailcow';
const DEAF =
  'netfilter is deaf: it runs and lifts bans, but listens to no log and will not ban anyone; restart netfilter-mailcow';

describe('the health of netfilter', () => {
  it('is told as well at once, so that what was told before cowbell stopped is taken back', async () => {
    await mailcow.log('Watching Redis channel F2B_CHANNEL');
    const stopListening = await mailcow.listen();
    const w = await watch();
    await w.pass(30_000);
    expect(reports(w)).toEqual([UP]);
    stopListening();
  });

  it('is told as down after nobody has listened for fifteen seconds, once, and as up when somebody does', async () => {
    await mailcow.log('Watching Redis channel F2B_CHANNEL');
    (await mailcow.listen())();
    await untilNobodyListens(redis);
    const w = await watch();
    await w.pass(14_000);
    expect(reports(w)).toEqual([]);
    await w.pass(60_000);
    expect(reasons(w)).toEqual([DOWN]);
    const stopListening = await mailcow.listen();
    await w.pass(5_000);
    expect(reports(w).at(-1)).toEqual(UP);
    stopListening();
  });

  it('is not told of a restart that takes less than that', async () => {
    await mailcow.log('Watching Redis channel F2B_CHANNEL');
    const stopListening = await mailcow.listen();
    const w = await watch();
    stopListening();
    await untilNobodyListens(redis);
    await w.pass(12_000);
    const stopAgain = await mailcow.listen();
    await w.pass(30_000);
    expect(reports(w)).toEqual([UP]);
    stopAgain();
  });

  it('is of no concern where Redis is not mailcow’s, and is as soon as it becomes that', async () => {
    const w = await watch();
    await w.pass(30_000);
    expect(reports(w)).toEqual([]);
    await redis.client.set('F2B_OPTIONS', '{}');
    await w.pass(40_000);
    expect(reports(w)).toMatchObject([{ up: false }]);
  });

  it('follows deaf_after_seconds', async () => {
    await redis.client.set('F2B_REGEX', '{}');
    const w = await watch({ options: { deaf_after_seconds: 60 } });
    await w.pass(59_000);
    expect(reports(w)).toEqual([]);
    await w.pass(5_000);
    expect(reports(w)).toHaveLength(1);
  });

  it('gives it time anew after Redis itself was away', async () => {
    await mailcow.log('Watching Redis channel F2B_CHANNEL');
    const w = await watch();
    await w.pass(12_000);
    await w.stop();
    const again = await watch({ watcher: w.watcher });
    await again.pass(14_000);
    expect(reports(again)).toEqual([]);
    await again.pass(5_000);
    expect(reports(again)).toHaveLength(1);
  });
});

describe('why netfilter does not listen', () => {
  it('is that it was stopped, when its last words came with the end of its listening', async () => {
    const stopListening = await mailcow.listen();
    await mailcow.log('Watching Redis channel F2B_CHANNEL');
    const w = await watch();
    await w.pass(7_000);
    await mailcow.log('Clearing all bans', 'Unbanning 77.90.185.4/32', 'Clear completed: ip', 'Clear completed: ip6');
    stopListening();
    await untilNobodyListens(redis);
    await w.pass(30_000);
    expect(reasons(w)).toEqual(['up', DOWN]);
  });

  it('is that it is deaf, when it goes on lifting bans; its last trouble is cited', async () => {
    const trouble = "Error reading log line from pubsub: 'utf-8' codec can't decode byte 0xff in position 55";
    const stopListening = await mailcow.listen();
    await mailcow.log('Watching Redis channel F2B_CHANNEL');
    const w = await watch();
    await w.pass(7_000);
    await mailcow.log(trouble);
    stopListening();
    await untilNobodyListens(redis);
    await w.pass(10_000);
    await mailcow.log('Unbanning 89.248.165.1/32');
    await w.pass(20_000);
    expect(reasons(w)).toEqual(['up', `${DEAF}. Its last trouble: ${trouble}`]);
  });

  it('is that it is deaf, when it still writes its options', async () => {
    await redis.client.set('F2B_OPTIONS', '{}');
    const w = await watch();
    await w.pass(30_000);
    expect(reasons(w)).toEqual([DEAF]);
  });

  it('is that it comes and goes, when it was started in the meantime', async () => {
    await mailcow.log('Watching Redis channel F2B_CHANNEL');
    const w = await watch();
    await w.pass(8_000);
    await mailcow.log('Watching Redis channel F2B_CHANNEL', 'MAILCOW target is in position 2 in the ip input table');
    await w.pass(10_000);
    expect(reasons(w)).toEqual([
      'netfilter starts and ends again and again, so hardly anybody is banned; restart netfilter-mailcow. ' +
        'Its last trouble: MAILCOW target is in position 2 in the ip input table',
    ]);
  });

  it('cites no more of a trouble than a message can take', async () => {
    await mailcow.log(`Error reading log line from pubsub: ${'x'.repeat(4_000)}`);
    const w = await watch();
    await w.pass(30_000);
    expect(reasons(w)[0]?.length).toBeLessThan(400);
  });
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PermanentError } from '../../src/core/errors.ts';
import { redisWatcher } from '../../src/watchers/redis.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';
import { watcherTools } from '../support/watcher-tools.ts';
import { mailcowOf, standing, T0, type Watching, watchRedis } from './redis-rig.ts';

let redis: RedisServer;
let clock: TestClock;
let mailcow: ReturnType<typeof mailcowOf>;
const running: Watching[] = [];

async function watch(options: Parameters<typeof watchRedis>[1] = {}): Promise<Watching> {
  const watching = await watchRedis(redis.address, { clock, ...options });
  running.push(watching);
  return watching;
}

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis.close();
});
beforeEach(async () => {
  await redis.client.flushall();
  clock = createTestClock(T0);
  mailcow = mailcowOf(redis, clock);
});
afterEach(async () => {
  for (const watching of running.splice(0)) await watching.stop();
});

describe('the state of the bans', () => {
  it('is told whole at first, with the denylist as it is typed', async () => {
    await mailcow.ban('185.36.81.23/32', 1_800);
    await mailcow.ban('2a01:0DB9::/64', 600);
    await redis.client.hset('F2B_PERM_BANS', { '45.9.22.5': '1795430000', '45.9.20.0/24': '1795430000' });
    const { batches, snapshots } = await watch();
    expect(batches).toHaveLength(1);
    expect(snapshots()[0]).toMatchObject({ at: T0, jails: ['netfilter'] });
    expect(standing(snapshots()[0])).toEqual(['185.36.81.23/32@1800', '2a01:db9::/64@600']);
    expect([...(snapshots()[0]?.denylist ?? [])].sort()).toEqual(['45.9.20.0/24', '45.9.22.5/32']);
    expect(snapshots()[0]?.cleared).toBeUndefined();
  });

  it('is told when it differs, and in between an empty batch says that all is well', async () => {
    const { pass, snapshots, batches, last } = await watch();
    await pass(3_000);
    expect(snapshots()).toHaveLength(1);
    expect(batches).toHaveLength(4);
    await mailcow.ban('185.36.81.23/32', 1_800);
    await pass(1_000);
    expect(standing(last())).toEqual(['185.36.81.23/32@1803']);
    await redis.client.hset('F2B_ACTIVE_BANS', '185.36.81.23/32', String(T0 / 1000 + 3_600));
    await pass(1_000);
    expect(standing(last())).toEqual(['185.36.81.23/32@3600']);
    await redis.client.hset('F2B_PERM_BANS', '45.9.22.5', '1');
    await pass(1_000);
    expect(last()?.denylist).toEqual(['45.9.22.5/32']);
    expect(snapshots()).toHaveLength(4);
  });

  it('is told anew every 30 seconds though nothing has changed', async () => {
    const { pass, snapshots } = await watch();
    await pass(61_000);
    expect(snapshots().map(({ at }) => at - T0)).toEqual([0, 30_000, 60_000]);
  });

  it('is read on when the clock is set back by an hour', async () => {
    const { pass, last } = await watch();
    clock.jump(-3_600_000);
    await mailcow.ban('185.36.81.23/32', 1_800);
    await pass(1_000);
    expect(standing(last())).toEqual(['185.36.81.23/32@-1800']);
  });

  it('keeps a network whose end is garbage, passes over what is no network, and says so once', async () => {
    await mailcow.ban('185.36.81.23/32', 1_800);
    await redis.client.hset('F2B_ACTIVE_BANS', {
      '1.2.3.4/32': 'abc',
      '1.2.3.5/32': '100',
      'Banning 8.8.8.8/32 for 30 minutes': '1795432722',
      'x\u001b[31m\n': '1',
      '': '',
    });
    const { pass, last, logger } = await watch();
    expect(standing(last())).toEqual(['1.2.3.4/32@?', '1.2.3.5/32@-1795429900', '185.36.81.23/32@1800']);
    await mailcow.unban('185.36.81.23/32');
    await pass(31_000);
    expect(standing(last())).toEqual(['1.2.3.4/32@?', '1.2.3.5/32@-1795429900']);
    const warning = 'warn: F2B_ACTIVE_BANS holds something that is no network with a time';
    expect(logger.told()).toEqual([warning, warning, warning, warning]);
    expect(logger.records.map(({ fields }) => fields.field)).not.toContain('x\u001b[31m\n');
  });

  it('warns of no more than a hundred things that do not belong there', async () => {
    for (let n = 0; n < 500; n++) await redis.client.hset('F2B_ACTIVE_BANS', `garbage ${n}`, '1');
    const { logger } = await watch();
    expect(logger.records).toHaveLength(100);
  });

  it('takes two spellings of one network for one ban', async () => {
    await redis.client.hset('F2B_ACTIVE_BANS', {
      '193.56.28.7/24': String(T0 / 1000 + 90),
      '193.56.28.0/24': String(T0 / 1000 + 60),
      '::ffff:5.188.206.14/128': String(T0 / 1000 + 30),
    });
    expect(standing((await watch()).last())).toEqual(['193.56.28.0/24@90', '5.188.206.14/32@30']);
  });

  it('sees a swap among ten thousand bans within seconds, and a change of their number at once', async () => {
    const end = String(T0 / 1000 + 1_800);
    const fields = Array.from({ length: 10_000 }, (_, n) => `100.64.${n >> 8}.${n & 255}/32`);
    await redis.client.hset('F2B_ACTIVE_BANS', Object.fromEntries(fields.map((field) => [field, end])));
    const { pass, last, snapshots } = await watch();
    expect(last()?.bans).toHaveLength(10_000);
    await mailcow.log('Unbanning 100.64.0.0/32');
    await redis.client
      .multi()
      .hdel('F2B_ACTIVE_BANS', '100.64.0.0/32')
      .hset('F2B_ACTIVE_BANS', '9.9.9.9/32', end)
      .exec();
    await pass(10_000);
    expect(snapshots()).toHaveLength(2);
    expect(standing(last())).toContain('9.9.9.9/32@1800');
    await mailcow.ban('9.9.9.8/32', 1_800);
    await pass(1_000);
    expect(last()?.bans).toHaveLength(10_001);
    expect(snapshots().every(({ cleared }) => cleared === undefined)).toBe(true);
  });
});

describe('why bans are gone', () => {
  const three = ['185.36.81.23/32', '185.36.81.24/32', '185.36.81.25/32'] as const;

  async function watchThree() {
    for (const field of three) await mailcow.ban(field, 1_800);
    const watching = await watch();
    await watching.pass(5_000);
    return watching;
  }

  it('is a restart when netfilter logs the first record of a new life', async () => {
    const { pass, last } = await watchThree();
    await redis.client.del('F2B_ACTIVE_BANS');
    await mailcow.log('Watching Redis channel F2B_CHANNEL');
    await pass(1_000);
    expect(last()).toMatchObject({ bans: [], cleared: 'netfilter restarted' });
  });

  it('is a restart when one ban stood and nobody listens yet', async () => {
    await mailcow.ban('185.36.81.23/32', 1_800);
    const { pass, last } = await watch();
    await mailcow.unban('185.36.81.23/32');
    await pass(1_000);
    expect(last()).toMatchObject({ bans: [], cleared: 'netfilter restarted' });
  });

  it('is a person when one ban is lifted, or some of them, or all of them one by one', async () => {
    const stopListening = await mailcow.listen();
    const { pass, last } = await watchThree();
    await mailcow.unban(three[0]);
    await pass(1_000);
    expect(last()?.bans).toHaveLength(2);
    expect(last()?.cleared).toBeUndefined();
    await mailcow.log(`Unbanning ${three[1]}`, `Unbanning ${three[2]}`);
    await mailcow.unban(three[1], three[2]);
    await pass(1_000);
    expect(last()).toMatchObject({ bans: [] });
    expect(last()?.cleared).toBeUndefined();
    stopListening();
  });

  it('is told without a word in the log when several vanish at once', async () => {
    const { pass, last } = await watchThree();
    await redis.client.del('F2B_ACTIVE_BANS');
    await pass(1_000);
    expect(last()).toMatchObject({ bans: [], cleared: 'all of them vanished from Redis at once' });
  });

  it('is nothing when their time was over', async () => {
    await mailcow.ban(three[0], 15);
    await mailcow.ban(three[1], 16);
    const { pass, last } = await watch();
    await pass(20_000);
    await mailcow.unban(three[0], three[1]);
    await pass(1_000);
    expect(last()).toMatchObject({ bans: [] });
    expect(last()?.cleared).toBeUndefined();
  });

  it('stays a stop while thousands are lifted one by one, with their lines in between', async () => {
    const fields = Array.from({ length: 3_000 }, (_, n) => `100.64.${n >> 8}.${n & 255}/32`);
    for (const field of fields) await mailcow.ban(field, 1_800);
    const { pass, last, snapshots } = await watch();
    await pass(3_000);
    await mailcow.log('Clearing all bans');
    for (let at = 0; at < fields.length; at += 500) {
      const part = fields.slice(at, at + 500);
      await mailcow.log(...part.map((field) => `Unbanning ${field}`));
      await mailcow.unban(...part);
      await pass(1_000);
    }
    expect(last()?.bans).toEqual([]);
    expect(
      snapshots()
        .slice(1)
        .map(({ cleared }) => cleared),
    ).toEqual(Array(6).fill('netfilter was stopped'));
  });

  it('is a stop whose first word came before the last look at all of them', async () => {
    const { pass, last } = await watchThree();
    await mailcow.log('Clearing all bans');
    await pass(1_000);
    expect(last()?.bans).toHaveLength(3);
    await mailcow.log(...three.map((field) => `Unbanning ${field}`));
    await mailcow.unban(...three);
    await pass(1_000);
    expect(last()).toMatchObject({ bans: [], cleared: 'netfilter was stopped' });
  });

  it('is not taken from what a client wrote into a record, nor from one that is no record', async () => {
    await mailcow.log('185.36.81.9 matched rule id 3 (sasl_username=Watching Redis channel F2B_CHANNEL)');
    await redis.client.lpush('NETFILTER_LOG', 'Clearing all bans', '{"time": 9999999999}', '[]', '"x');
    const { pass, last } = await watchThree();
    await mailcow.unban(three[0]);
    await pass(1_000);
    expect(last()?.bans).toHaveLength(2);
    expect(last()?.cleared).toBeUndefined();
  });

  it('is not an old restart', async () => {
    await mailcow.log('Watching Redis channel F2B_CHANNEL');
    const { pass, last } = await watchThree();
    await mailcow.unban(three[0]);
    await pass(1_000);
    expect(last()?.bans).toHaveLength(2);
    expect(last()?.cleared).toBeUndefined();
  });

  it('is found out for what happened while cowbell was away', async () => {
    const first = await watchThree();
    const from = first.cursor();
    await first.stop();
    await clock.advance(60_000);
    const quiet = await watch({ from });
    expect(quiet.last()?.cleared).toBeUndefined();
    await quiet.stop();
    await redis.client.del('F2B_ACTIVE_BANS');
    await mailcow.log('Clearing all bans');
    const stopped = await watch({ from });
    expect(stopped.last()?.cleared).toBe('netfilter was stopped');
    await stopped.stop();
    await mailcow.log(
      'Watching Redis channel F2B_CHANNEL',
      ...Array<string>(2_000).fill('Banning 9.9.9.9/32 for 1 minutes'),
    );
    expect((await watch({ from })).last()?.cleared).toBe('netfilter restarted');
    expect((await watch({ from: 'not a cursor of ours' })).last()?.cleared).toBeUndefined();
  });
});

describe('the definition', () => {
  const tools = watcherTools();

  it('needs to know where Redis is', () => {
    expect(() => redisWatcher.create('redis', redisWatcher.options.parse({}), tools)).toThrow(PermanentError);
  });

  it('refuses a pattern of keys that is no prefix', () => {
    const isTaken = (fail2ban_keys: string) => redisWatcher.options.safeParse({ fail2ban_keys }).success;
    expect(['fail2ban:*', 'bans/*'].map(isTaken)).toEqual([true, true]);
    expect(['*', 'fail2ban:', 'a*b*', 'a[bc]*', 'a?*'].map(isTaken)).toEqual([false, false, false, false, false]);
  });
});

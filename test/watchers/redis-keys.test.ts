import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectRedis } from '../../src/watchers/redis-connection.ts';
import { scanKeyBans } from '../../src/watchers/redis-keys.ts';
import { eventually } from '../support/eventually.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';
import { standing, T0, type Watching, watchRedis } from './redis-rig.ts';

let redis: RedisServer;
let clock: TestClock;
const running: Watching[] = [];

beforeEach(async () => {
  redis = await startRedis();
  clock = createTestClock(T0);
});
afterEach(async () => {
  for (const watching of running.splice(0)) await watching.stop();
  await redis.close();
});

async function watch(options: Parameters<typeof watchRedis>[1] = {}): Promise<Watching> {
  const watching = await watchRedis(redis.address, { clock, ...options });
  running.push(watching);
  return watching;
}

describe('keys that stand for bans', () => {
  it('are told with the jail they name and the time they have left', async () => {
    const { client } = redis;
    await client.set('fail2ban:185.36.81.23', 'sshd');
    await client.set('fail2ban:2001:0DB8:0:0::7', 'recidive-like');
    await client.set('fail2ban:193.56.28.0/24', '1');
    await client.set('fail2ban:sogo:185.36.81.24', 'ignored');
    await client.set('fail2ban:185.36.81.25', 'Banning 8.8.8.8/32\n'.repeat(1_000));
    await client.hset('fail2ban:185.36.81.26', 'a', 'b');
    const w = await watch();
    expect(standing(w.last())).toEqual([
      'fail2ban 185.36.81.25/32@∞',
      'fail2ban 185.36.81.26/32@∞',
      'fail2ban 193.56.28.0/24@∞',
      'recidive-like 2001:db8::7/128@∞',
      'sogo 185.36.81.24/32@∞',
      'sshd 185.36.81.23/32@∞',
    ]);
    expect([...(w.last()?.jails ?? [])].sort()).toEqual(['fail2ban', 'netfilter', 'recidive-like', 'sogo', 'sshd']);
  });

  it('end when their time to live does', async () => {
    await redis.client.set('fail2ban:185.36.81.23', 'sshd', 'PX', 100_000_000);
    const [ban] = (await watch()).last()?.bans ?? [];
    expect(ban?.until).toBeGreaterThan(T0 + 99_900_000);
    expect(ban?.until).toBeLessThanOrEqual(T0 + 100_000_000);
  });

  it('that name no address are none', async () => {
    for (const key of ['fail2ban:', 'fail2ban:all', 'fail2ban:1.2.3', 'fail2ban:9.9.9.9:22', 'fail2ban:a b:1.2.3.4'])
      await redis.client.set(key, '1');
    await redis.client.set('xfail2ban:185.36.81.23', '1');
    expect((await watch()).last()?.bans).toEqual([]);
  });

  it('are looked for every ten seconds, and told only when they differ', async () => {
    await redis.client.set('fail2ban:185.36.81.23', 'sshd', 'PX', 100_000_000);
    const { pass, snapshots, last } = await watch();
    // Redis goes by its own clock: this is what it would say ten seconds later.
    await redis.client.pexpire('fail2ban:185.36.81.23', 100_000_000 - 10_000);
    await pass(10_000);
    expect(snapshots()).toHaveLength(1);
    await redis.client.set('fail2ban:185.36.81.24', 'sshd');
    await pass(9_000);
    expect(snapshots()).toHaveLength(1);
    await pass(1_000);
    expect(last()?.bans).toHaveLength(2);
    await redis.client.del('fail2ban:185.36.81.23', 'fail2ban:185.36.81.24');
    await pass(10_000);
    expect(last()?.bans).toEqual([]);
    expect(last()?.jails).toContain('sshd');
  });

  it('that ended while cowbell was away are missing from the jails it has known', async () => {
    await redis.client.set('fail2ban:185.36.81.23', 'sshd');
    const first = await watch();
    const from = first.cursor();
    await first.stop();
    await redis.client.flushall();
    expect((await watch({ from })).last()).toMatchObject({ bans: [], jails: ['netfilter', 'sshd'] });
  });

  it('are left alone in mailcow’s Redis unless they are asked for', async () => {
    await redis.client.set('F2B_OPTIONS', '{}');
    await redis.client.set('fail2ban:185.36.81.23', 'sshd');
    const unasked = await watch();
    expect(unasked.last()).toMatchObject({ bans: [], jails: ['netfilter'] });
    await unasked.stop();
    await redis.client.set('bans/185.36.81.24', 'sshd');
    expect(standing((await watch({ options: { fail2ban_keys: 'bans/*' } })).last())).toEqual([
      'sshd 185.36.81.24/32@∞',
    ]);
  });

  it('are found by SCAN, never by KEYS, among many that are others', async () => {
    const others = Array.from({ length: 20_000 }, (_, n) => [`session:${n}`, 'x']).flat();
    await redis.client.mset(...others);
    await redis.client.set('fail2ban:185.36.81.23', 'sshd');
    expect((await watch()).last()?.bans).toHaveLength(1);
    const stats = await redis.client.info('commandstats');
    expect(stats).toContain('cmdstat_scan:');
    expect(stats).not.toContain('cmdstat_keys:');
  });

  it('end no ban where there are more of them than can be kept', async () => {
    for (let n = 0; n < 50; n++) await redis.client.set(`fail2ban:100.64.0.${n}`, 'sshd');
    const client = await connectRedis(redis.address);
    const some = await scanKeyBans(client, 'fail2ban:*', T0, 20);
    const all = await scanKeyBans(client, 'fail2ban:*', T0, 50);
    client.disconnect();
    expect([some.bans.length, some.isComplete]).toEqual([20, false]);
    expect([all.bans.length, all.isComplete]).toEqual([50, true]);
  });

  it('beyond a hundred thousand are not kept; the jails are no longer told as complete, which is said once', async () => {
    for (let block = 0; block < 11; block++) {
      const keys = Array.from({ length: 10_000 }, (_, n) => [
        `fail2ban:100.${64 + block}.${n >> 8}.${n & 255}`,
        'sshd',
      ]);
      await redis.client.mset(keys.flat());
    }
    const { pass, last, logger } = await watch();
    await pass(10_000);
    expect(last()?.bans).toHaveLength(100_000);
    expect(last()?.jails).toEqual(['netfilter']);
    expect(logger.told()).toHaveLength(1);
  });

  it('of a jail that was known before say nothing where no keys are looked for', async () => {
    await redis.client.set('fail2ban:185.36.81.23', 'sshd');
    const first = await watch();
    const from = first.cursor();
    await first.stop();
    await redis.client.set('F2B_OPTIONS', '{}');
    expect((await watch({ from })).last()).toMatchObject({ bans: [], jails: ['netfilter'] });
  });

  it('cannot make more jails than can be kept', async () => {
    for (let n = 0; n < 400; n++) await redis.client.set(`fail2ban:100.64.${n >> 8}.${n & 255}`, `jail-${n}`);
    const w = await watch();
    expect(w.last()?.bans).toHaveLength(400);
    expect(w.last()?.jails.length).toBeLessThanOrEqual(258);
    expect(w.cursor()?.length).toBeLessThan(10_000);
    await w.stop();
    const again = await watch({ from: w.cursor() });
    expect(again.last()?.jails).toHaveLength(w.last()?.jails.length ?? 0);
  });

  it('are gone when Redis has let them expire', async () => {
    await redis.client.set('fail2ban:185.36.81.23', 'sshd', 'PX', 60);
    const { pass, last } = await watch();
    expect(last()?.bans).toHaveLength(1);
    await eventually(async () => expect(await redis.client.dbsize()).toBe(0));
    await pass(10_000);
    expect(last()?.bans).toEqual([]);
  });
});

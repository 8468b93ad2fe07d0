import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Network } from '../../src/core/network.ts';
import { Secret } from '../../src/core/secret.ts';
import type { ListingUnbanner } from '../../src/core/unbanner.ts';
import { createRedisUnbanner } from '../../src/reputation/unbanners/redis.ts';
import { eventually } from '../support/eventually.ts';
import { startPurge } from '../support/netfilter-purge.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts';

const never = new AbortController().signal;
const net = (text: string) => text as Network;
let redis: RedisServer;
let port: number;
let unbanner: ListingUnbanner;
beforeAll(async () => {
  port = await freePort();
  redis = await startRedis({ port });
  unbanner = createRedisUnbanner(redis.address);
});
afterAll(() => redis.close());
beforeEach(() => redis.client.flushall());

/** Those that docs/unban.md tells of. */
const RIGHTS = '~F2B_* +auth +exists +hget +hexists +hlen +hkeys +hset +hsetnx +hdel'.split(' ');
const ban = (field: string, until = '1800000000') => redis.client.hset('F2B_ACTIVE_BANS', field, until);
const queued = () => redis.client.hgetall('F2B_QUEUE_UNBAN');

describe('mailcow by Redis', () => {
  it('covers netfilter alone', () => {
    expect([unbanner.covers('netfilter'), unbanner.covers('sshd')]).toEqual([true, false]);
  });

  it('sees a ban as the server has it', async () => {
    await ban('198.51.100.7/32');
    await ban('198.51.100.8/32', 'garbage');
    expect(await unbanner.look('netfilter', net('198.51.100.7/32'), never)).toEqual({ until: 1_800_000_000_000 });
    expect(await unbanner.look('netfilter', net('198.51.100.8/32'), never)).toEqual({ until: undefined });
    expect(await unbanner.look('netfilter', net('198.51.100.9/32'), never)).toBeUndefined();
  });

  it('queues the unban of what is banned, spelt as it is there, and of nothing else', async () => {
    await ban('2001:DB8:0::/64');
    expect(await unbanner.lift('netfilter', net('2001:db8::/64'), never)).toBe(true);
    expect(await queued()).toEqual({ '2001:DB8:0::/64': '1' });
    expect(await unbanner.lift('netfilter', net('203.0.113.7/32'), never)).toBe(false);
    // A host inside of a banned network is not banned as such.
    await ban('203.0.113.0/24');
    expect(await unbanner.lift('netfilter', net('203.0.113.7/32'), never)).toBe(false);
    expect(Object.keys(await queued())).toHaveLength(1);
  });

  it('asked twice lifts once, and netfilter has nothing to complain of', async () => {
    await ban('198.51.100.7/32');
    const purge = startPurge(redis.client, { everyMs: 20 });
    try {
      expect(await unbanner.lift('netfilter', net('198.51.100.7/32'), never)).toBe(true);
      await unbanner.lift('netfilter', net('198.51.100.7/32'), never);
      await eventually(async () =>
        expect(await unbanner.look('netfilter', net('198.51.100.7/32'), never)).toBeUndefined(),
      );
      expect(await unbanner.lift('netfilter', net('198.51.100.7/32'), never)).toBe(false);
      expect(purge.lifted).toEqual(['198.51.100.7/32']);
    } finally {
      await purge.stop();
    }
  });

  it.each(['+eval', '+watch +multi +exec'])('needs no more rights than it says, and %s', async (more) => {
    await ban('198.51.100.7/32');
    await redis.client.acl('SETUSER', 'cowbell', 'reset', 'on', '>pa55', ...RIGHTS, ...more.split(' '));
    const limited = createRedisUnbanner({ url: new Secret(`redis://cowbell:pa55@127.0.0.1:${port}`) });
    expect(await limited.look('netfilter', net('198.51.100.7/32'), never)).toBeDefined();
    expect(await limited.lift('netfilter', net('198.51.100.7/32'), never)).toBe(true);
    expect(await limited.lift('netfilter', net('198.51.100.8/32'), never)).toBe(false);
    expect(await queued()).toEqual({ '198.51.100.7/32': '1' });
    expect(await limited.allow('netfilter', net('198.51.100.7/32'), never)).toBe(true);
    expect(await limited.disallow('netfilter', net('198.51.100.7/32'), never)).toBe(true);
    expect(await limited.deny('netfilter', net('198.51.100.7/32'), never)).toBe(true);
    expect(await limited.standing(never)).toEqual([{ jail: 'netfilter', network: '198.51.100.7/32' }]);
    await redis.client.acl('SETUSER', 'cowbell', '-hset');
    await expect(limited.lift('netfilter', net('198.51.100.7/32'), never)).rejects.toThrow(/it needs the rights/);
  });

  it('orders while others are banned by the hundred', async () => {
    await ban('198.51.100.7/32');
    let isDone = false;
    const storm = (async () => {
      for (let n = 0; !isDone; n++) await ban(`100.64.${(n >> 8) & 255}.${n & 255}/32`);
    })();
    try {
      expect(await unbanner.lift('netfilter', net('198.51.100.7/32'), never)).toBe(true);
    } finally {
      isDone = true;
      await storm;
    }
  });

  it('says that a network is absent before it is put on the allowlist, and not where it is there', async () => {
    const said: string[] = [];
    const note = async (what: string) =>
      said.push(`${what} ${await redis.client.hexists('F2B_WHITELIST', '198.51.100.7/32')}`);
    const notes: Promise<number>[] = [];
    await unbanner.allow('netfilter', net('198.51.100.7/32'), never, () => notes.push(note('absent')));
    await unbanner.allow('netfilter', net('198.51.100.7/32'), never, () => notes.push(note('again')));
    await Promise.all(notes);
    expect(said).toHaveLength(1);
  });

  it('adds to the lists what is not there, and takes off only what is', async () => {
    const { client } = redis;
    await client.hset('F2B_WHITELIST', '203.0.113.7', '1');
    expect(await unbanner.allow('netfilter', net('203.0.113.7/32'), never)).toBe(false);
    expect(await unbanner.allow('netfilter', net('198.51.100.0/24'), never)).toBe(true);
    expect(await client.hgetall('F2B_WHITELIST')).toEqual({ '203.0.113.7': '1', '198.51.100.0/24': '1' });
    expect(await unbanner.disallow('netfilter', net('203.0.113.7/32'), never)).toBe(true);
    expect(await unbanner.disallow('netfilter', net('203.0.113.7/32'), never)).toBe(false);
    expect(await unbanner.deny('netfilter', net('203.0.113.9/32'), never)).toBe(true);
    expect(await unbanner.deny('netfilter', net('203.0.113.9/32'), never)).toBe(false);
    expect(await client.hgetall('F2B_BLACKLIST')).toEqual({ '203.0.113.9/32': '1' });
  });

  it('says what to do where it may not, or cannot', async () => {
    await ban('198.51.100.7/32');
    const stranger = createRedisUnbanner({ url: new Secret(redis.url), password: new Secret('wrong') });
    await expect(stranger.look('netfilter', net('198.51.100.7/32'), never)).rejects.toThrow(/refused the password/);
    await redis.client.acl('SETUSER', 'default', '-hset');
    try {
      await expect(unbanner.lift('netfilter', net('198.51.100.7/32'), never)).rejects.toThrow(
        /Redis does not permit the user to lift bans: it needs the rights .*\+hset /,
      );
    } finally {
      await redis.client.acl('SETUSER', 'default', '+hset');
    }
    await redis.client.call('REPLICAOF', '127.0.0.1', '1');
    try {
      await expect(unbanner.lift('netfilter', net('198.51.100.7/32'), never)).rejects.toThrow(/read-only replica/);
    } finally {
      await redis.client.call('REPLICAOF', 'NO', 'ONE');
    }
  });
});

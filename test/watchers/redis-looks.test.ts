import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Network } from '../../src/core/network.ts';
import { redisWatcher } from '../../src/watchers/redis.ts';
import { net } from '../support/recorder-harness.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';
import { watcherTools } from '../support/watcher-tools.ts';
import { mailcowOf, T0, type Watching, watchRedis } from './redis-rig.ts';

const A = net('185.36.81.23/32');

let redis: RedisServer;
let clock: TestClock;
let mailcow: ReturnType<typeof mailcowOf>;
let watching: Watching;

beforeEach(async () => {
  redis = await startRedis();
  clock = createTestClock(T0);
  mailcow = mailcowOf(redis, clock);
  await mailcow.log('Watching Redis channel F2B_CHANNEL');
  watching = await watchRedis(redis.address, { clock, options: { poll_interval_ms: 60_000 } });
});
afterEach(async () => {
  await watching.stop();
  await redis.close();
});

function look(network: Network, expected: 'banned' | 'unbanned'): void {
  watching.watcher.witness?.look('netfilter', network, expected);
}

/** Lets time pass millisecond by millisecond, or to the next look. */
async function passSlowly(ms: number): Promise<void> {
  const end = clock.now() + ms;
  while (clock.now() < end) {
    await watching.idle();
    await clock.advance(Math.min(clock.waits()[0] ?? 1, end - clock.now()));
    await watching.idle();
  }
}

function seen(): { kind: string; network: Network; afterMs: number; until?: number | undefined }[] {
  return watching.batches
    .flatMap(({ observations }) => observations)
    .flatMap((fact) => {
      if (fact.kind !== 'banned' && fact.kind !== 'unbanned') throw new Error(fact.kind);
      const until = fact.kind === 'banned' ? fact.until : undefined;
      return [{ kind: fact.kind, network: fact.network, afterMs: fact.at - T0, ...(until !== undefined && { until }) }];
    });
}

describe('a look at one ban', () => {
  it('covers the one jail of mailcow', () => {
    const { witness } = watching.watcher;
    expect(['netfilter', 'sshd'].map((jail) => witness?.covers(jail))).toEqual([true, false]);
  });

  it('finds at once what is there, without waiting for the next poll', async () => {
    await mailcow.ban(A, 1_800);
    look(A, 'banned');
    await watching.idle();
    expect(seen()).toEqual([{ kind: 'banned', network: A, afterMs: 0, until: T0 + 1_800_000 }]);
    await passSlowly(3_000);
    expect(seen()).toHaveLength(1);
  });

  it('looks again until the hash has caught up with the log', async () => {
    look(A, 'banned');
    await passSlowly(60);
    expect(seen()).toEqual([]);
    await mailcow.ban(A, 1_800);
    await passSlowly(100);
    expect(seen()).toMatchObject([{ kind: 'banned', network: A, afterMs: 100 }]);
  });

  it('waits for the end of a ban in the same way', async () => {
    await mailcow.ban(A, 1_800);
    look(A, 'unbanned');
    await passSlowly(5);
    expect(seen()).toEqual([]);
    await mailcow.unban(A);
    await passSlowly(20);
    expect(seen()).toEqual([{ kind: 'unbanned', network: A, afterMs: 10 }]);
  });

  it('says after two seconds what is there, be it as expected or not', async () => {
    const b = net('185.36.81.24/32');
    await mailcow.ban(b, 60);
    look(A, 'banned');
    look(b, 'unbanned');
    await passSlowly(1_999);
    expect(seen()).toEqual([]);
    await passSlowly(1);
    expect(seen()).toEqual([
      { kind: 'unbanned', network: A, afterMs: 2_000 },
      { kind: 'banned', network: b, afterMs: 2_000, until: T0 + 60_000 },
    ]);
  });

  it('ends although a forger keeps asking for it', async () => {
    for (let n = 0; n < 25; n++) {
      look(A, 'banned');
      await passSlowly(90);
    }
    expect(seen()[0]).toEqual({ kind: 'unbanned', network: A, afterMs: 2_000 });
  });

  it('follows the last thing that was expected', async () => {
    await mailcow.ban(A, 1_800);
    await redis.client.client('PAUSE', 50);
    look(A, 'banned');
    look(A, 'unbanned');
    await mailcow.unban(A);
    await passSlowly(2_000);
    expect(seen()).toMatchObject([{ kind: 'unbanned' }]);
  });

  it('finds a field that is spelled otherwise', async () => {
    await redis.client.hset('F2B_ACTIVE_BANS', '193.56.28.7/24', String(T0 / 1000 + 60));
    await passSlowly(60_000);
    look(net('193.56.28.0/24'), 'banned');
    await watching.idle();
    expect(seen()).toMatchObject([{ kind: 'banned', network: '193.56.28.0/24', until: T0 + 60_000 }]);
  });

  it('is not put off by a clock that is set back', async () => {
    look(A, 'banned');
    await passSlowly(5);
    clock.jump(-3_600_000);
    await mailcow.ban(A, 1_800);
    await passSlowly(5);
    expect(seen()).toMatchObject([{ kind: 'banned' }]);
  });
});

describe('many looks at once', () => {
  it('are made a thousand at a time, and each is answered', async () => {
    const networks = Array.from({ length: 5_000 }, (_, n) => net(`100.64.${n >> 8}.${n & 255}/32`));
    const end = String(T0 / 1000 + 600);
    await redis.client.hset('F2B_ACTIVE_BANS', Object.fromEntries(networks.map((network) => [network, end])));
    const before = await calls();
    for (const network of networks) look(network, 'banned');
    await watching.idle();
    expect(new Set(seen().map(({ network }) => network)).size).toBe(5_000);
    expect((await calls()) - before).toBe(5);
  });

  it('are made by reading everything where there are too many', async () => {
    const networks = Array.from({ length: 10_001 }, (_, n) => net(`100.64.${n >> 8}.${n & 255}/32`));
    const last = networks.at(-1) ?? A;
    await mailcow.ban(last, 600);
    for (const network of networks) look(network, 'banned');
    await watching.idle();
    expect(watching.snapshots()).toHaveLength(2);
    expect(watching.last()?.bans).toMatchObject([{ network: last }]);
    expect(seen()).toEqual([]);
  });

  async function calls(): Promise<number> {
    return Number(/cmdstat_hmget:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1] ?? 0);
  }
});

describe('a look while Redis is away', () => {
  it('is made when it is back', async () => {
    look(A, 'banned');
    await watching.idle();
    await redis.stop('SIGKILL');
    await clock.advance(5);
    await watching.failure();
    await redis.start();
    await mailcow.ban(A, 1_800);
    watching = await watchRedis(redis.address, { clock, watcher: watching.watcher });
    await passSlowly(10);
    expect(seen()).toMatchObject([{ kind: 'banned', network: A }]);
  });
});

describe('by the clock of the system', () => {
  it('answers a look and stops when it is told to', async () => {
    await redis.client.hset('F2B_ACTIVE_BANS', A, '1795430000');
    const watcher = redisWatcher.create(
      'redis',
      redisWatcher.options.parse({ poll_interval_ms: 60_000 }),
      watcherTools({
        redis: redis.address,
      }),
    );
    const end = new AbortController();
    const kinds: string[] = [];
    for await (const { observations, snapshot } of watcher.watch(undefined, end.signal)) {
      if (snapshot !== undefined) watcher.witness?.look('netfilter', A, 'banned');
      kinds.push(...observations.map(({ kind }) => kind));
      if (observations.length > 0) end.abort();
    }
    expect(kinds).toEqual(['banned']);
  });
});

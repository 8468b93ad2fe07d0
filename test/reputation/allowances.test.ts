import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import type { Unbanner } from '../../src/core/unbanner.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { Allowances } from '../../src/reputation/allowances.ts';
import { createRedisUnbanner } from '../../src/reputation/unbanners/redis.ts';
import { net } from '../support/recorder-harness.ts';
import { createRecordingLogger } from '../support/recording-logger.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';

const never = new AbortController().signal;
const HOUR_MS = 3_600_000;
const OFFICE = net('198.51.100.0/24');

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());
beforeEach(() => redis.client.flushall());

const listed = () => redis.client.hkeys('F2B_WHITELIST');

/** One life of a process; the next one over the same file comes after it. */
function life({
  clock = createTestClock(),
  path = join(tempDir(), 'cowbell.db'),
  unbanner = createRedisUnbanner(redis.address),
}: {
  clock?: TestClock;
  path?: string;
  unbanner?: Unbanner | (() => never);
} = {}) {
  const logger = createRecordingLogger();
  const ledger = openLedger(path, () => clock.now());
  onTestFinished(() => {
    try {
      ledger.close();
    } catch {
      // The test has.
    }
  });
  const required = typeof unbanner === 'function' ? unbanner : () => unbanner;
  const allowances = new Allowances({ ledger, clock, logger, required });
  const allow = (network = OFFICE, forMs = HOUR_MS) =>
    allowances.allow({ jail: 'netfilter', network, until: clock.now() + forMs, by: 'person' }, never);
  return { allowances, allow, ledger, clock, logger, path };
}

const actions = ({ ledger }: ReturnType<typeof life>) =>
  ledger.audit.list({ limit: 10 }).map(({ action, network, by }) => `${by} ${action} ${network}`);

describe('an entry of the allowlist that has an end', () => {
  it('is taken off when its time has come, and not before', async () => {
    const one = life();
    expect(one.allowances.nextDueAt()).toBeUndefined();
    const until = one.clock.now() + HOUR_MS;
    expect(await one.allow()).toBe(true);
    expect(one.allowances.nextDueAt()).toBe(until);
    one.clock.jump(HOUR_MS - 1);
    await one.allowances.tick(never);
    expect(await listed()).toEqual([OFFICE]);
    one.clock.jump(1);
    await one.allowances.tick(never);
    expect(await listed()).toEqual([]);
    expect(one.ledger.allowances.standing()).toEqual([]);
    expect(one.allowances.nextDueAt()).toBeUndefined();
    expect(actions(one)).toEqual([`person disallow ${OFFICE}`, `person allow ${OFFICE}`]);
  });

  it('is none of ours where somebody else has put it there, however it is spelt', async () => {
    await redis.client.hset('F2B_WHITELIST', '203.0.113.7', '1');
    const one = life();
    expect(await one.allow(net('203.0.113.7/32'))).toBe(false);
    expect(one.ledger.allowances.standing()).toEqual([]);
    one.clock.jump(2 * HOUR_MS);
    await one.allowances.tick(never);
    expect(await listed()).toEqual(['203.0.113.7']);
    expect(actions(one)).toEqual([]);
  });

  it('gets another end when it is asked for again', async () => {
    const one = life();
    await one.allow();
    expect(await one.allow(OFFICE, 3 * HOUR_MS)).toBe(true);
    one.clock.jump(2 * HOUR_MS);
    await one.allowances.tick(never);
    expect(await listed()).toEqual([OFFICE]);
    one.clock.jump(HOUR_MS);
    await one.allowances.tick(never);
    expect(await listed()).toEqual([]);
  });

  it('is taken off after a restart, by whoever runs then', async () => {
    const first = life();
    await first.allow();
    first.ledger.close();
    const clock = createTestClock(first.clock.now() + 2 * HOUR_MS);
    const second = life({ clock, path: first.path });
    const end = new AbortController();
    const running = second.allowances.run(end.signal);
    await expect.poll(listed).toEqual([]);
    end.abort();
    await running;
    expect(second.ledger.allowances.standing()).toEqual([]);
  });

  it('that somebody took off already is forgotten', async () => {
    const one = life();
    await one.allow();
    await redis.client.del('F2B_WHITELIST');
    one.clock.jump(HOUR_MS);
    await one.allowances.tick(never);
    expect(one.ledger.allowances.standing()).toEqual([]);
    expect(actions(one)).toEqual([`person allow ${OFFICE}`]);
  });
});

describe('an entry that cannot be taken off', () => {
  it('is told in the log, and tried again less and less often until it is', async () => {
    let isDown = true;
    const unbanner = createRedisUnbanner(redis.address);
    const one = life({
      unbanner: {
        ...unbanner,
        disallow: async (...args) => {
          if (isDown) throw new TransientError('Redis cannot be reached at redis:6379: ECONNREFUSED');
          return unbanner.disallow(...args);
        },
      },
    });
    await one.allow();
    one.clock.jump(HOUR_MS);
    const waits: number[] = [];
    for (let n = 0; n < 10; n++) {
      await one.allowances.tick(never);
      // Not a moment sooner.
      await one.allowances.tick(never);
      const waitMs = (one.allowances.nextDueAt() ?? 0) - one.clock.now();
      waits.push(waitMs / 1_000);
      one.clock.jump(waitMs);
    }
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 320, 600, 600, 600]);
    expect(one.logger.told()).toEqual(
      Array(10).fill('warn: a network is still on the allowlist though its time is over; trying again'),
    );
    expect(one.logger.records[0]?.fields).toMatchObject({
      network: OFFICE,
      reason: expect.stringContaining('ECONNREFUSED'),
    });
    // A clock that is set back keeps nobody waiting for it.
    one.clock.jump(3 * HOUR_MS);
    await one.allowances.tick(never);
    one.clock.jump(-HOUR_MS);
    isDown = false;
    await one.allowances.tick(never);
    expect(await listed()).toEqual([]);
  });

  it('is not put there in the first place where that is known', async () => {
    const unbanner = { ...createRedisUnbanner(redis.address), cannotDisallow: 'do so in mailcow' };
    const one = life({ unbanner });
    await expect(one.allow()).rejects.toThrow(
      new PermanentError('nothing is allowed for a time here: do so in mailcow'),
    );
    expect(await listed()).toEqual([]);
    expect(one.ledger.allowances.standing()).toEqual([]);
  });

  it('is kept in mind where nothing is configured any more to take it off', async () => {
    const first = life();
    await first.allow();
    first.ledger.close();
    const clock = createTestClock(first.clock.now() + 2 * HOUR_MS);
    const second = life({
      clock,
      path: first.path,
      unbanner: () => {
        throw new PermanentError('nothing is configured');
      },
    });
    await second.allowances.tick(never);
    expect(second.logger.records[0]?.fields).toMatchObject({ reason: 'nothing is configured' });
    expect(second.ledger.allowances.standing()).toHaveLength(1);
  });
});

describe('an order that fails', () => {
  it('before it was given leaves nothing behind', async () => {
    await redis.client.hset('F2B_WHITELIST', OFFICE, '1');
    const unbanner = createRedisUnbanner(redis.address);
    const one = life({ unbanner: { ...unbanner, allow: () => Promise.reject(new TransientError('gone')) } });
    await expect(one.allow()).rejects.toThrow('gone');
    expect(one.ledger.allowances.standing()).toEqual([]);
  });

  it('while it was given is undone at once, as nobody knows what came of it', async () => {
    const unbanner = createRedisUnbanner(redis.address);
    const one = life({
      unbanner: {
        ...unbanner,
        allow: async (...args) => {
          await unbanner.allow(...args);
          throw new TransientError('no answer within 5 s');
        },
      },
    });
    await expect(one.allow()).rejects.toThrow('no answer');
    expect(await listed()).toEqual([OFFICE]);
    await one.allowances.tick(never);
    expect(await listed()).toEqual([]);
    expect(one.ledger.allowances.standing()).toEqual([]);
  });
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Unbanner } from '../../src/core/unbanner.ts';
import { createRedisUnbanner } from '../../src/reputation/unbanners/redis.ts';
import { eventually } from '../support/eventually.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { createRig, type RigOptions, scores } from './auto-unban-rig.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());
beforeEach(() => redis.client.flushall());

const open: ReturnType<typeof createRig>[] = [];
afterEach(async () => {
  for (const rig of open.splice(0)) await rig.close();
});
function rigOf(options: Omit<RigOptions, 'redis'>) {
  const rig = createRig({ redis, ...options });
  open.push(rig);
  return rig;
}

describe('a network whose ban is lifted', () => {
  const then = { then: 'allowlist', always: ['45.8.0.7/32' as never], allowlist_hours: 2 } as const;
  const listed = () => redis.client.hkeys('F2B_WHITELIST');

  it('is put on the allowlist for a while, where that is wanted', async () => {
    const rig = rigOf({ ask: scores({}), settings: then });
    rig.startPurge();
    await rig.ban('45.8.0.7/32');
    await rig.decided();
    await eventually(() =>
      expect(rig.audit()).toEqual(['lift 45.8.0.7/32', 'allow 45.8.0.7/32', 'lifted 45.8.0.7/32']),
    );
    expect(await listed()).toEqual(['45.8.0.7/32']);
    const [allowance] = rig.ledger.allowances.standing();
    expect(Math.abs((allowance?.until ?? 0) - Date.now() - 7_200_000)).toBeLessThan(60_000);
    expect(rig.decisions()).toMatchObject([{ decision: { allowlist_hours: 2 } }]);
  });

  it('is not put there where it could not be taken off, or could not be lifted, and it is said', async () => {
    const unbanner: Unbanner = {
      ...createRedisUnbanner(redis.address),
      cannotDisallow: 'do so in mailcow',
      takesMs: 0,
    };
    const rig = rigOf({ ask: scores({}), settings: then, unbanner });
    const purge = rig.startPurge();
    await rig.ban('45.8.0.7/32');
    await rig.decided();
    expect(purge.lifted).toHaveLength(1);
    expect(rig.decisions()[0]?.decision).toEqual({
      action: 'lift',
      mode: 'enforce',
      reasons: ['it lies in a network that is always lifted', 'not put on the allowlist: do so in mailcow'],
    });
  });

  it('is not put there where nothing was lifted', async () => {
    const usual = createRedisUnbanner(redis.address);
    for (const [isTaken, state] of [
      [true, 'failed'],
      [false, 'over'],
    ] as const) {
      const rig = rigOf({
        ask: scores({}),
        settings: then,
        unbanner: { ...usual, lift: async () => isTaken, takesMs: 0 },
      });
      const event = await rig.ban('45.8.0.7/32');
      await eventually(() => expect(rig.state(event)).toBe(state), { timeoutMs: 15_000 });
      expect(await listed()).toEqual([]);
    }
  });
});

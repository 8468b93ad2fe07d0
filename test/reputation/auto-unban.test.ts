import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TransientError } from '../../src/core/errors.ts';
import type { Unbanner } from '../../src/core/unbanner.ts';
import { createRedisUnbanner } from '../../src/reputation/unbanners/redis.ts';
import { eventually } from '../support/eventually.ts';
import { net } from '../support/recorder-harness.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createRig, type RigOptions, scores } from './auto-unban-rig.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());
beforeEach(() => redis.client.flushall());

type Rig = ReturnType<typeof createRig>;
const open: Rig[] = [];
afterEach(async () => {
  for (const rig of open.splice(0)) await rig.close();
});
function rigOf(options: Omit<RigOptions, 'redis'>): Rig {
  const rig = createRig({ redis, ...options });
  open.push(rig);
  return rig;
}
/** One that is cut off before it can give the order. */
function neverLifting(onAsked = () => {}): Unbanner {
  return {
    ...createRedisUnbanner(redis.address),
    lift: (_jail, _network, signal) => {
      onAsked();
      return new Promise((_, reject) => {
        const cut = () => reject(signal.reason);
        if (signal.aborted) cut();
        else signal.addEventListener('abort', cut);
      });
    },
  };
}

/** One that cannot be asked now. */
function away(): Unbanner {
  return {
    ...createRedisUnbanner(redis.address),
    look: async () => {
      throw new TransientError('Redis is away');
    },
  };
}

const banned = () => redis.client.hkeys('F2B_ACTIVE_BANS');

describe('a ban that should not stand', () => {
  it('is lifted, seen to be gone, told and written down', async () => {
    const rig = rigOf({ ask: scores({ '45.8.0.7': 0 }) });
    const purge = rig.startPurge();
    await rig.ban('45.8.0.7/32');
    await rig.decided();
    await eventually(() => expect(rig.audit()).toEqual(['lift 45.8.0.7/32', 'lifted 45.8.0.7/32']));
    await rig.sync();
    expect(await banned()).toEqual([]);
    expect(purge.lifted).toEqual(['45.8.0.7/32']);
    expect(rig.decisions()).toMatchObject([
      {
        decision: { action: 'lift', mode: 'enforce', reasons: ['score 0 of 100 (abuseipdb), within 25'] },
        ban: { network: '45.8.0.7/32', reputation: { source: 'abuseipdb', score: 0 } },
      },
    ]);
    await eventually(() => {
      rig.tick();
      expect(rig.told()).toContain('ban.ended 45.8.0.7/32 lifted-by-cowbell');
    });
  });

  it('by its offenders, of which the worst decides', async () => {
    const rig = rigOf({ ask: scores({ '45.8.0.7': 0, '45.8.0.8': 90, '45.8.1.7': 0, '45.8.1.8': 25 }) });
    rig.startPurge();
    const bad = await rig.ban('45.8.0.0/24', { offenders: ['45.8.0.7', '45.8.0.8'] });
    const good = await rig.ban('45.8.1.0/24', { offenders: ['45.8.1.7', '45.8.1.8'] });
    await rig.decided();
    expect([rig.state(bad), rig.state(good)]).toEqual(['kept', 'lifted']);
    expect(await banned()).toEqual(['45.8.0.0/24']);
  });

  it.each(['suggest', 'dry_run'] as const)(
    'stays where the mode is %s, and what would be done is told',
    async (mode) => {
      const rig = rigOf({ ask: scores({ '45.8.0.7': 0 }), mode });
      const purge = rig.startPurge();
      const event = await rig.ban('45.8.0.7/32');
      await rig.decided();
      expect(rig.state(event)).toBe('suggested');
      expect(rig.decisions()).toMatchObject([{ decision: { action: 'would-lift', mode } }]);
      expect([await banned(), purge.printed]).toEqual([['45.8.0.7/32'], []]);
    },
  );

  it('is told to be standing where it cannot be lifted', async () => {
    const deaf: Unbanner = { ...createRedisUnbanner(redis.address), takesMs: 0 };
    const rig = rigOf({ ask: scores({ '45.8.0.7': 0 }), unbanner: deaf });
    await rig.ban('45.8.0.7/32');
    await eventually(() => expect(rig.told()).toContain('unban.failed 45.8.0.7/32'), { timeoutMs: 60_000 });
    expect(rig.audit()).toEqual(['lift 45.8.0.7/32', 'failed 45.8.0.7/32']);
    expect(rig.events.at(-1)).toMatchObject({
      failure: { reason: 'the ban still stands 3 s after redis was asked to lift it' },
    });
  });
});

describe('a ban stays, and it is said why', () => {
  it.each<[string, Partial<RigOptions>, RegExp]>([
    ['with a bad score', { ask: scores({ '45.8.0.7': 80 }) }, /^score 80 of 100 \(abuseipdb\), above 25$/],
    ['without an opinion', { ask: scores({}) }, /^no score: nobody knows 45\.8\.0\.7$/],
    [
      'when a source cannot be asked, though another can',
      {
        ask: async () => ({
          opinions: [{ source: 'dnsbl', score: 0, checkedAt: 0 }],
          problems: [{ source: 'abuseipdb', reason: 'the daily budget is spent' }],
        }),
      },
      /^no score: abuseipdb: the daily budget is spent$/,
    ],
    [
      'without known users',
      { ask: scores({ '45.8.0.7': 0 }), settings: { min_known_logins: 1 } },
      /^own users logged in 0/,
    ],
  ])('%s', async (_, options, reason) => {
    const rig = rigOf({ ask: scores({}), ...options });
    const purge = rig.startPurge();
    await rig.ban('45.8.0.7/32');
    await rig.decided();
    expect(rig.decisions()[0]?.decision.reasons[0]).toMatch(reason);
    expect(rig.audit()).toEqual(['keep 45.8.0.7/32']);
    expect([await banned(), purge.printed]).toEqual([['45.8.0.7/32'], []]);
  });

  it('though nobody is told of it, unless it is one of the own users', async () => {
    const rig = rigOf({ ask: scores({ '45.8.0.7': 80, '45.8.0.8': 80 }), tellsAll: false });
    rig.fail2banLog({
      kind: 'authenticated',
      at: Date.now() - 60_000,
      ip: '45.8.0.8',
      service: 'imap',
      account: 'anna',
    } as never); // prettier-ignore
    await rig.ban('45.8.0.7/32');
    await rig.ban('45.8.0.8/32');
    await rig.decided();
    expect(rig.audit()).toHaveLength(2);
    expect(rig.decisions().map(({ ban }) => ban.network)).toEqual(['45.8.0.8/32']);
  });

  it('when Redis cannot be asked', async () => {
    const broken: Unbanner = {
      ...createRedisUnbanner(redis.address),
      look: async () => {
        throw new TransientError('Redis is away');
      },
    };
    // Long ago enough for nobody to wait for it.
    const startedAt = Date.now() - 120_000;
    const rig = rigOf({ ask: scores({ '45.8.0.7': 0 }), unbanner: broken, clock: { now: () => startedAt } });
    await rig.ban('45.8.0.7/32');
    await eventually(() => expect(rig.ledger.decisions.nextDueAt()).toBe(startedAt + 5_000));
    expect(rig.audit()).toEqual([]);
  });
});

describe('nothing is done, and nothing told, of a ban', () => {
  it('that the server does not have any more', async () => {
    const rig = rigOf({ ask: scores({ '45.8.0.7': 0 }), delayMs: 300 });
    const event = await rig.ban('45.8.0.7/32');
    await redis.client.del('F2B_ACTIVE_BANS');
    await rig.decided();
    expect([rig.state(event), rig.audit(), rig.decisions()]).toEqual(['over', [], []]);
  });

  it('that ends, or is lifted by a person, while others are asked about it', async () => {
    const endings: ((rig: Rig, id: string) => void)[] = [
      (rig, id) => {
        const record = rig.ledger.bans.byId(id);
        if (record !== undefined) rig.ledger.bans.save({ ...record, state: 'ended', endedAt: Date.now() });
      },
      (rig, id) =>
        rig.ledger.decisions.liftByHand({ id, jail: 'netfilter', network: '45.8.0.7/32' as never }, Date.now()),
    ];
    for (const end of endings) {
      await redis.client.flushall();
      const answer = scores({ '45.8.0.7': 0 });
      const rig: Rig = rigOf({
        ask: async (...args) => {
          if (args[0] === '45.8.0.7') end(rig, rig.ledger.bans.standing('netfilter', '45.8.0.7/32' as never)?.id ?? '');
          return await answer(...args);
        },
      });
      const purge = rig.startPurge();
      await rig.ban('45.8.0.7/32');
      await rig.decided();
      // By the time that another is decided on, this one would have been.
      await rig.ban('45.8.0.9/32');
      await rig.decided();
      expect([rig.audit(), rig.decisions().length, purge.printed]).toEqual([['keep 45.8.0.9/32'], 1, []]);
    }
  });

  it('that was to be lifted before the mode was changed: it fails, and is told', async () => {
    const path = join(tempDir(), 'cowbell.db');
    const before = createRig({ redis, ask: scores({ '45.8.0.7': 0 }), path, delayMs: 60_000 });
    const event = await before.ban('45.8.0.7/32');
    const id = 'ban' in event ? event.ban.id : '';
    await before.stop();
    before.ledger.decisions.lift(id, { until: undefined, allowMs: 0 }, Date.now());
    before.ledger.close();
    const after = rigOf({ ask: scores({ '45.8.0.7': 0 }), path, mode: 'suggest' });
    const purge = after.startPurge();
    await eventually(() => expect(after.told()).toContain('unban.failed 45.8.0.7/32'));
    expect(after.audit().at(-1)).toBe('failed 45.8.0.7/32');
    expect([purge.printed, await banned()]).toEqual([[], ['45.8.0.7/32']]);
  });
});

it('cut off between decision and lift goes on after a restart: one lift, one trail, one message', async () => {
  const path = join(tempDir(), 'cowbell.db');
  let asked = 0;
  const hanging = neverLifting(() => {
    asked++;
  });
  const before = createRig({ redis, ask: scores({ '45.8.0.7': 0 }), unbanner: hanging, path });
  await before.ban('45.8.0.7/32');
  await eventually(() => expect(asked).toBe(1));
  expect(before.decisions()).toHaveLength(1);
  await before.close();

  const after = rigOf({ ask: scores({ '45.8.0.7': 0 }), path });
  const purge = after.startPurge();
  await after.decided();
  await eventually(() => expect(after.audit()).toEqual(['lift 45.8.0.7/32', 'lifted 45.8.0.7/32']));
  expect(purge.lifted).toEqual(['45.8.0.7/32']);
  expect(after.decisions()).toEqual([]);
});

it('whose order arrived, though its answer was lost, is lifted: it counts after a restart, too', async () => {
  const path = join(tempDir(), 'cowbell.db');
  const usual = createRedisUnbanner(redis.address);
  const cutOff: Unbanner = {
    ...usual,
    async lift(jail, network, signal) {
      await usual.lift(jail, network, signal);
      throw new TransientError('Redis failed: the connection was cut');
    },
  };
  const before = createRig({ redis, ask: scores({ '45.8.0.7': 0 }), unbanner: cutOff, path });
  const purge = before.startPurge();
  const event = await before.ban('45.8.0.7/32');
  await before.decided();
  expect(before.state(event)).toBe('lifted');
  expect(before.audit()).toEqual(['lift 45.8.0.7/32', 'lifted 45.8.0.7/32']);
  await before.sync();
  await before.close();
  expect(purge.lifted).toEqual(['45.8.0.7/32']);

  const after = rigOf({ ask: scores({ '45.8.0.7': 0 }), path });
  expect(after.state(await after.ban('45.8.0.7/32'))).toBe('due');
  await after.decided();
  expect(after.audit().at(-1)).toBe('keep 45.8.0.7/32');
});

it('decides nothing on a ban that is gone when the others have answered', async () => {
  const rig = rigOf({
    async ask() {
      await redis.client.del('F2B_ACTIVE_BANS');
      await rig.sync();
      expect(rig.ledger.bans.allStanding()).toMatchObject([{ leaving: true }]);
      return { opinions: [{ source: 'abuseipdb', score: 0, checkedAt: Date.now() }], problems: [] };
    },
  });
  const event = await rig.ban('45.8.0.7/32');
  await rig.decided();
  expect([rig.state(event), rig.decisions(), rig.audit()]).toEqual(['over', [], []]);
});

it('leaves a ban that has no end by what the server says, whatever the ledger has', async () => {
  const endless: Unbanner = {
    ...createRedisUnbanner(redis.address),
    look: async () => ({ until: Number.POSITIVE_INFINITY }),
  };
  const rig = rigOf({ ask: scores({ '45.8.0.7': 0 }), unbanner: endless });
  const event = await rig.ban('45.8.0.7/32');
  const record = rig.ledger.bans.standing('netfilter', net('45.8.0.7/32'));
  if (record !== undefined) rig.ledger.bans.save({ ...record, until: undefined });
  await rig.decided();
  expect(rig.state(event)).toBe('kept');
  expect(rig.decisions()).toMatchObject([{ decision: { reasons: ['the ban is meant to have no end'] } }]);
});

it('goes by what was learned while others were asked', async () => {
  const rig = rigOf({
    async ask() {
      const [record] = rig.ledger.bans.allStanding();
      if (record !== undefined) rig.ledger.bans.save({ ...record, claimed: true });
      return { opinions: [{ source: 'abuseipdb', score: 0, checkedAt: Date.now() }], problems: [] };
    },
  });
  const event = await rig.ban('45.8.0.7/32');
  await rig.decided();
  expect(rig.state(event)).toBe('kept');
});

it.each([
  [600_000, 300_000],
  [0, 300_000],
])('waits as long as the settings say now, and not %i ms as they said', async (before, delayMs) => {
  const path = join(tempDir(), 'cowbell.db');
  const first = createRig({ redis, ask: scores({ '45.8.0.7': 0 }), unbanner: away(), delayMs: before, path });
  const event = await first.ban('45.8.0.7/32');
  await first.close();
  const dueAt = ('ban' in event ? Date.parse(event.ban.started_at) : 0) + delayMs;

  const after = rigOf({ ask: scores({ '45.8.0.7': 0 }), delayMs, path });
  await eventually(() => expect(after.ledger.decisions.nextDueAt()).toBe(dueAt));
  expect([after.state(event), after.audit()]).toEqual(['due', []]);
});

it('never lifts a ban that began after the one that was decided on', async () => {
  const path = join(tempDir(), 'cowbell.db');
  const hanging = neverLifting();
  const before = createRig({ redis, ask: scores({ '45.8.0.7': 0 }), unbanner: hanging, path });
  const event = await before.ban('45.8.0.7/32');
  await eventually(() => expect(before.decisions()).toHaveLength(1));
  await before.close();
  // It expired, and the attacker was banned anew, while cowbell was down.
  await redis.client.hset('F2B_ACTIVE_BANS', '45.8.0.7/32', String(Math.ceil(Date.now() / 1000) + 7_200));

  const after = rigOf({ ask: scores({ '45.8.0.7': 0 }), path });
  const purge = after.startPurge();
  await after.decided();
  expect(after.state(event)).toBe('failed');
  expect(after.events.at(-1)).toMatchObject({
    type: 'unban.failed',
    failure: { reason: 'a ban that ends at another time stands, as it went on failing, or was banned anew' },
  });
  expect([purge.printed, await banned()]).toEqual([[], ['45.8.0.7/32']]);
});

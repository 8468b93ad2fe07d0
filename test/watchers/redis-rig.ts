import type { Batch, Cursor, RedisAddress, Snapshot, Watcher } from '../../src/core/watcher.ts';
import { redisWatcher } from '../../src/watchers/redis.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingLogger, type RecordingLogger } from '../support/recording-logger.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';
import { watcherTools } from '../support/watcher-tools.ts';

export const T0 = 1_795_430_000_000;

/** A Redis watcher that runs by a clock of the test's, over a real Redis. */
export interface Watching {
  watcher: Watcher;
  clock: TestClock;
  logger: RecordingLogger;
  batches: Batch[];
  /** Lets time pass second by second, each poll ending before time goes on. */
  pass(ms: number): Promise<void>;
  /** Resolves when it waits for time to pass; throws what it failed with. */
  idle(): Promise<void>;
  snapshots(): Snapshot[];
  last(): Snapshot | undefined;
  cursor(): Cursor | undefined;
  /** Resolves with what it threw. */
  failure(): Promise<unknown>;
  stop(): Promise<void>;
}

/** Starts watching, and waits for the first poll unless `isWaiting` is false. */
export async function watchRedis(
  address: RedisAddress,
  {
    options = {},
    clock = createTestClock(T0),
    watcher: given,
    from,
    isWaiting = true,
  }: { options?: object; clock?: TestClock; watcher?: Watcher; from?: Cursor | undefined; isWaiting?: boolean } = {},
): Promise<Watching> {
  const logger = createRecordingLogger();
  const watcher =
    given ??
    redisWatcher.create('redis', redisWatcher.options.parse(options), watcherTools({ clock, logger, redis: address }));
  const batches: Batch[] = [];
  const end = new AbortController();
  let thrown: { error: unknown } | undefined;
  let isOver = false;
  const running = (async () => {
    try {
      for await (const batch of watcher.watch(from, end.signal)) batches.push(batch);
    } catch (error) {
      thrown = { error };
    }
    isOver = true;
  })();
  const watching: Watching = {
    watcher,
    clock,
    logger,
    batches,
    async idle() {
      await eventually(
        () => {
          if (!isOver && clock.waits().length === 0) throw new Error('it is still at work');
        },
        { everyMs: 1 },
      );
      if (thrown !== undefined) throw thrown.error;
    },
    async pass(ms) {
      for (let left = ms; left > 0; left -= 1_000) {
        await watching.idle();
        await clock.advance(Math.min(left, 1_000));
        await watching.idle();
      }
    },
    snapshots: () => batches.flatMap(({ snapshot }) => snapshot ?? []),
    last: () => watching.snapshots().at(-1),
    cursor: () => batches.findLast(({ cursor }) => cursor !== undefined)?.cursor,
    async failure() {
      await running;
      if (thrown === undefined) throw new Error('it ended without a failure');
      return thrown.error;
    },
    async stop() {
      end.abort();
      await running;
      if (thrown !== undefined) throw thrown.error;
    },
  };
  if (isWaiting) await watching.idle();
  return watching;
}

/** `network@seconds`, sorted: seconds from `T0` to its end, ∞ for none, ? for unknown. */
export function standing(snapshot: Snapshot | undefined): string[] {
  return (snapshot?.bans ?? [])
    .map(({ jail, network, until }) => {
      const end = until === undefined ? '?' : until === Number.POSITIVE_INFINITY ? '∞' : (until - T0) / 1000;
      return `${jail === 'netfilter' ? '' : `${jail} `}${network}@${end}`;
    })
    .sort();
}

/** What mailcow keeps there, written as netfilter writes it. */
export function mailcowOf({ client }: RedisServer, clock: { now(): number }) {
  return {
    async ban(field: string, seconds: number) {
      await client.hset('F2B_ACTIVE_BANS', field, String(Math.round(clock.now() / 1000) + seconds));
    },
    async unban(...fields: string[]) {
      await client.hdel('F2B_ACTIVE_BANS', ...fields);
    },
    async log(...messages: string[]) {
      const time = Math.round(clock.now() / 1000);
      await client.lpush(
        'NETFILTER_LOG',
        ...messages.map((message) => JSON.stringify({ time, priority: 'info', message })),
      );
    },
    /** Somebody who listens as netfilter does; returns how to stop listening. */
    async listen() {
      const subscriber = client.duplicate();
      subscriber.on('error', () => {});
      await subscriber.connect();
      await subscriber.subscribe('F2B_CHANNEL');
      return () => subscriber.disconnect();
    },
  };
}

/** Nobody is subscribed any more: Redis notices the end of a connection on its own time. */
export async function untilNobodyListens({ client }: RedisServer): Promise<void> {
  await eventually(
    async () => {
      const [, listeners] = (await client.pubsub('NUMSUB', 'F2B_CHANNEL')) as [string, number];
      if (Number(listeners) > 0) throw new Error('somebody still listens');
    },
    { everyMs: 2 },
  );
}

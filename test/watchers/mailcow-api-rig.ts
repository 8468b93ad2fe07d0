import type { Clock } from '../../src/core/clock.ts';
import type { Batch, Cursor, Snapshot, Watcher, WatcherTools } from '../../src/core/watcher.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { mailcowApiWatcher } from '../../src/watchers/mailcow-api.ts';
import { eventually } from '../support/eventually.ts';
import { type MailcowApiServer, startMailcowApi } from '../support/mailcow-api-server.ts';
import { createRecordingLogger } from '../support/recording-logger.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';
import { watcherTools } from '../support/watcher-tools.ts';

export const T0 = 1_795_430_000_000;

/** A watcher that runs by a clock of the test's. */
export interface Run {
  watcher: Watcher;
  batches: Batch[];
  snapshots(): Snapshot[];
  last(): Snapshot | undefined;
  cursor(): Cursor | undefined;
  /** Resolves when it waits for time to pass; throws what it failed with. */
  idle(): Promise<void>;
  /** Lets time pass, second by second. */
  pass(ms: number): Promise<void>;
  failure(): Promise<unknown>;
  stop(): Promise<void>;
}

/** Runs a watcher until the test ends it; `onBatch` gets each batch as supervision would. */
export function runWatcher(
  watcher: Watcher,
  clock: TestClock,
  { from, onBatch }: { from?: Cursor | undefined; onBatch?: (batch: Batch) => void } = {},
): Run {
  const batches: Batch[] = [];
  const end = new AbortController();
  let thrown: { error: unknown } | undefined;
  let isOver = false;
  const running = (async () => {
    try {
      for await (const batch of watcher.watch(from, end.signal)) {
        batches.push(batch);
        onBatch?.(batch);
      }
    } catch (error) {
      thrown = { error };
    }
    isOver = true;
  })();
  const run: Run = {
    watcher,
    batches,
    snapshots: () => batches.flatMap(({ snapshot }) => snapshot ?? []),
    last: () => run.snapshots().at(-1),
    cursor: () => batches.findLast(({ cursor }) => cursor !== undefined)?.cursor,
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
        await run.idle();
        await clock.advance(Math.min(left, 1_000));
        await run.idle();
      }
    },
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
  return run;
}

export interface ApiRig {
  clock: TestClock;
  server: MailcowApiServer;
  tools: WatcherTools;
  logger: ReturnType<typeof createRecordingLogger>;
  watcher(options?: object): Watcher;
  /** Starts the watcher, and waits for its first poll. */
  watch(options?: object, from?: Cursor): Promise<Run>;
  close(): Promise<void>;
}

/** A mailcow's API, and what a watcher of it is handed. */
export async function createApiRig(): Promise<ApiRig> {
  const clock: TestClock & Clock = createTestClock(T0);
  const server = await startMailcowApi({ clock });
  const http = createHttpClient({ userAgent: 'cowbell/test' });
  const logger = createRecordingLogger();
  const tools = watcherTools({ clock, logger, http, mailcowApi: server.address });
  const runs: Run[] = [];
  const rig: ApiRig = {
    clock,
    server,
    tools,
    logger,
    watcher: (options = {}) => mailcowApiWatcher.create('mailcow-api', mailcowApiWatcher.options.parse(options), tools),
    async watch(options = {}, from) {
      const run = runWatcher(rig.watcher(options), clock, { from });
      runs.push(run);
      await run.idle();
      return run;
    },
    async close() {
      for (const run of runs) await run.stop().catch(() => {});
      await http.close();
      await server.close();
    },
  };
  return rig;
}

/** `network@seconds`, sorted: seconds from `T0` to its end, ? for unknown. */
export function standing(snapshot: Snapshot | undefined): string[] {
  return (snapshot?.bans ?? [])
    .map(({ network, until }) => `${network}@${until === undefined ? '?' : (until - T0) / 1_000}`)
    .sort();
}

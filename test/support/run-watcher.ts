import type { Batch, Cursor, Snapshot, Watcher } from '../../src/core/watcher.ts';
import { eventually } from './eventually.ts';
import type { TestClock } from './test-clock.ts';

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

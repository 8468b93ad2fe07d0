import type { Cursor, Snapshot, Watcher, WatcherTools } from '../../src/core/watcher.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { mailcowApiWatcher } from '../../src/watchers/mailcow-api.ts';
import { type MailcowApiServer, startMailcowApi } from '../support/mailcow-api-server.ts';
import { createRecordingLogger } from '../support/recording-logger.ts';
import { type Run, runWatcher } from '../support/run-watcher.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';
import { watcherTools } from '../support/watcher-tools.ts';

export const T0 = 1_795_430_000_000;

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
  const clock: TestClock = createTestClock(T0);
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

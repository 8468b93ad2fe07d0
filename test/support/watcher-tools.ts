import { systemClock } from '../../src/core/clock.ts';
import type { WatcherTools } from '../../src/core/watcher.ts';
import { SILENT } from './recorder-harness.ts';

/** What a watcher is handed, all of it refused but what the test gives. */
export function watcherTools(given: Partial<WatcherTools> = {}): WatcherTools {
  const refuse = (): never => {
    throw new Error('the watcher asks for what it was not given');
  };
  return {
    clock: systemClock,
    logger: SILENT,
    http: { send: refuse },
    containerLog: refuse,
    exec: refuse,
    redis: undefined,
    mailcowApi: undefined,
    ...given,
  };
}

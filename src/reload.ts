import { fingerprintOf } from './config/fingerprint.ts';
import type { Config } from './config/schema.ts';
import type { Logger } from './core/logger.ts';

/** Parts of the configuration that may change while cowbell runs. */
const LIVE: readonly (keyof Config)[] = ['notifiers', 'time_zone', 'locale', 'retention'];

export interface ReloadOptions {
  /** The one that is in use. */
  config: Config;
  /** Configurations that take the place of the one before, as they come. */
  changes: ((signal: AbortSignal) => AsyncIterable<Config>) | undefined;
  apply(next: Config): Promise<void>;
  logger: Logger;
}

/** Applies configurations as they come; one that cannot be applied leaves the daemon running. */
export async function followChanges({ config, changes, apply, logger }: ReloadOptions, signal: AbortSignal) {
  if (changes === undefined) return;
  let current = config;
  for await (const next of changes(signal)) {
    try {
      await apply(next);
      tellChanges(current, next, logger);
      current = next;
    } catch (error) {
      logger.error({ err: error }, 'the changed configuration could not be applied');
    }
  }
}

/** Says what of a changed configuration is used from now on, and what only after a restart. */
function tellChanges(before: Config, next: Config, logger: Logger): void {
  const keys = Object.keys({ ...before, ...next }) as (keyof Config)[];
  const changed = keys.filter((key) => fingerprintOf(before[key]) !== fingerprintOf(next[key]));
  const waiting = changed.filter((key) => !LIVE.includes(key));
  const applied = changed.filter((key) => LIVE.includes(key));
  logger.info(
    { changed: applied },
    changed.length === 0 ? 'the configuration is as it was' : 'the configuration changed',
  );
  if (waiting.length > 0) logger.warn({ changed: waiting }, 'these changes take effect with a restart');
}

import { statSync } from 'node:fs';
import type { Clock } from '../core/clock.ts';
import { ConfigError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Config } from './schema.ts';

/** How often the file is looked at: not by events, which a file that is mounted into a container does not give. */
const LOOK_EVERY_MS = 5_000;

export interface ChangesOptions {
  /** The file that was loaded; undefined where the environment alone is the configuration. */
  file: string | undefined;
  load(): Config;
  /** Aborted, and replaced by a new one, when a person asks for it. */
  asked(): AbortSignal;
  clock: Clock;
  logger: Logger;
}

/**
 * Configurations as they come: when the file changed, and when a person asks. One that is wrong is told in the log, with
 * all its mistakes, and the one before stays.
 */
export async function* configChanges(options: ChangesOptions, signal: AbortSignal): AsyncGenerator<Config> {
  const { file, load, asked, clock, logger } = options;
  let seen = stampOf(file);
  while (!signal.aborted) {
    const request = asked();
    await clock.sleep(LOOK_EVERY_MS, AbortSignal.any([signal, request]));
    if (signal.aborted) return;
    const stamp = stampOf(file);
    if (stamp === seen && !request.aborted) continue;
    seen = stamp;
    let next: Config;
    try {
      next = load();
    } catch (error) {
      const problems = error instanceof ConfigError ? error.message.split('\n') : [messageOf(error)];
      logger.error({ problems }, 'the changed configuration cannot be used; the one before stays');
      continue;
    }
    yield next;
  }
}

/** Changes with the file, whether it was written over or replaced. */
function stampOf(file: string | undefined): string {
  if (file === undefined) return '';
  try {
    const { ino, size, mtimeMs } = statSync(file);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return 'gone';
  }
}

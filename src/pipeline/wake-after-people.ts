import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Ledger } from '../ledger/ledger.ts';

/** How often it is looked whether a person let something go on. */
const LOOK_EVERY_MS = 5_000;

export interface WakeAfterPeopleOptions {
  ledger: Pick<Ledger, 'foreignVersion'>;
  lanes: { wakeAll(): void };
  clock: Clock;
  logger: Logger;
}

/** What a person makes owed again, by another process, is sent. Runs until `signal` aborts. */
export async function wakeAfterPeople(options: WakeAfterPeopleOptions, signal: AbortSignal): Promise<void> {
  const { ledger, lanes, clock, logger } = options;
  let seen: number | undefined;
  while (!signal.aborted) {
    try {
      const version = ledger.foreignVersion();
      if (seen !== undefined && version !== seen) lanes.wakeAll();
      seen = version;
    } catch (error) {
      logger.debug({ reason: messageOf(error) }, 'the ledger could not be looked at; trying again');
    }
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
}

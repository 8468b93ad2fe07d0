import type { Config } from './config/schema.ts';
import type { Clock } from './core/clock.ts';
import type { Logger } from './core/logger.ts';
import type { Ledger, RetentionLimits } from './ledger/ledger.ts';

const DAY_MS = 86_400_000;
const PRUNE_EVERY_MS = 600_000;

type Retention = Pick<Config, 'retention' | 'known_users'>;

/** Keeps the ledger to what the configuration of the moment says, until `signal` aborts. */
export async function prunePeriodically(
  ledger: Ledger,
  { retention, clock, logger }: { retention: () => Retention; clock: Clock; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(PRUNE_EVERY_MS, signal);
    try {
      // In small steps, so that alerts are not held up.
      while (!signal.aborted && ledger.prune(limitsOf(retention()), clock.now()) > 0) await clock.sleep(50, signal);
    } catch (error) {
      logger.error({ err: error }, 'the ledger could not be pruned');
    }
  }
}

function limitsOf({ retention, known_users }: Retention): RetentionLimits {
  return {
    bansMs: retention.bans_days * DAY_MS,
    eventsMs: retention.events_days * DAY_MS,
    evidenceMs: retention.evidence_days * DAY_MS,
    evidenceRows: retention.evidence_rows,
    knownUsersMs: known_users.days * DAY_MS,
    knownUsersRows: known_users.most,
  };
}

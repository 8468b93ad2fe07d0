import type { Clock } from '../core/clock.ts';
import { messageOf, PermanentError, TransientError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Batch, Cursor, Watcher } from '../core/watcher.ts';
import { nextDelayMs } from './retry.ts';
import type { SourceHealth } from './source-health.ts';

/** Health that lasts this long makes the next failure the first again. */
const STEADY_MS = 60_000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 30_000;
/** What can never work is looked at again from time to time: a person may have mended it. */
const PERMANENT_WAIT_MS = 300_000;

export interface SuperviseOptions {
  watcher: Watcher;
  cursor(): Cursor | undefined;
  /** Records a batch, or throws with nothing of it recorded. */
  record(batch: Batch): void;
  health: SourceHealth;
  graceMs: number;
  clock: Clock;
  logger: Logger;
  random?: () => number;
}

/** What a watcher reads, as alerts name it: netfilter's log is not netfilter, whose own health is told as well. */
export function sourceNameOf({ name, authority }: Watcher): string {
  return authority === 'log' ? `${name} log` : name;
}

/**
 * Keeps a watcher watching until `signal` aborts: a failure is waited out with growing pauses and told as a source that
 * is down once its grace time is over; reading goes on at the cursor that was recorded last. Returns early after a
 * failure that is final.
 */
export async function superviseWatcher(options: SuperviseOptions, signal: AbortSignal): Promise<void> {
  const { watcher, health, clock, graceMs, random = Math.random } = options;
  const journal = createJournal(options);
  let failures = 0;
  while (!signal.aborted) {
    let wellSince: number | undefined;
    const failure = await watchOnce(options, signal, () => {
      wellSince ??= clock.now();
      journal.well();
    });
    if (signal.aborted) return;
    const wasSteady = wellSince !== undefined && clock.now() - wellSince >= STEADY_MS;
    failures = wasSteady ? 1 : failures + 1;
    const { error } = failure;
    const isPermanent = error instanceof PermanentError;
    if (isPermanent && error.isFinal) {
      journal.gaveUp(failure);
      health.failing(sourceNameOf(watcher), `${messageOf(error)}; not tried again until cowbell is restarted`, 0);
      return;
    }
    const waitMs = isPermanent
      ? PERMANENT_WAIT_MS
      : nextDelayMs({
          failures,
          random,
          firstMs: FIRST_WAIT_MS,
          capMs: LONGEST_WAIT_MS,
          retryAfterMs: error instanceof TransientError ? error.retryAfterMs : undefined,
        });
    journal.failed(failure, waitMs);
    health.failing(sourceNameOf(watcher), messageOf(error), isPermanent ? 0 : graceMs);
    await clock.sleep(waitMs, signal);
  }
}

interface Failure {
  error: unknown;
  /** It was recording that failed, not reading. */
  inLedger: boolean;
}

/** Watches until it fails; returns why. */
async function watchOnce(
  { watcher, cursor, record, health }: SuperviseOptions,
  signal: AbortSignal,
  onWell: () => void,
): Promise<Failure> {
  const attempt = new AbortController();
  const both = AbortSignal.any([signal, attempt.signal]);
  let inLedger = false;
  const withLedger = <T>(work: () => T, trouble: string): T => {
    try {
      return work();
    } catch (cause) {
      inLedger = true;
      // Before the watcher is asked to return: what it then waits for may end by its signal alone.
      attempt.abort();
      throw new TransientError(trouble, { cause });
    }
  };
  try {
    const from = withLedger(cursor, 'the ledger cannot be read');
    for await (const batch of watcher.watch(from, both)) {
      withLedger(() => record(batch), 'the ledger cannot be written');
      health.healthy(sourceNameOf(watcher), batch.read);
      for (const report of batch.health ?? []) {
        if (report.up) health.healthy(report.source);
        else health.failing(report.source, report.reason ?? 'it does not work', 0);
      }
      onWell();
      if (signal.aborted) break;
    }
    return { error: new TransientError('it ended by itself'), inLedger };
  } catch (error) {
    return { error, inLedger };
  } finally {
    attempt.abort();
  }
}

/** Logs a failure once for each reason, and that it is over. */
function createJournal({ watcher, clock, logger }: SuperviseOptions) {
  let failures = 0;
  let failingSince = 0;
  let lastReason: string | undefined;
  return {
    well() {
      if (failures > 0) {
        const fields = { source: sourceNameOf(watcher), failures, after_ms: clock.now() - failingSince };
        logger.info(fields, 'a source is read again');
      }
      failures = 0;
      lastReason = undefined;
    },
    failed({ error, inLedger }: Failure, waitMs: number) {
      if (failures === 0) failingSince = clock.now();
      failures++;
      const reason = messageOf(error);
      const fields = { source: sourceNameOf(watcher), failures, retry_in_ms: waitMs, reason };
      const isKnown = error instanceof TransientError || error instanceof PermanentError;
      if (reason === lastReason) logger.debug(fields, 'a source can still not be read');
      else if (inLedger) logger.error({ ...fields, err: error }, 'what was read cannot be recorded; trying again');
      else if (isKnown) logger.warn(fields, 'a source cannot be read; trying again');
      else logger.error({ ...fields, err: error }, 'a watcher failed in an unexpected way; watching again');
      lastReason = reason;
    },
    gaveUp({ error }: Failure) {
      const fields = { source: sourceNameOf(watcher), reason: messageOf(error) };
      logger.error(fields, 'a source cannot be read, and is not tried again until cowbell is restarted');
    },
  };
}

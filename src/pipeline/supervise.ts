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

/** What a watcher reads, as alerts name it: netfilter's log is not netfilter. */
export function sourceNameOf({ name, authority }: Watcher): string {
  return authority === 'log' ? `${name} log` : name;
}

/**
 * Keeps a watcher watching until `signal` aborts: a failure is waited out with growing pauses and told as a source that
 * is down once its grace time is over; reading goes on at the cursor that was recorded last.
 */
export async function superviseWatcher(options: SuperviseOptions, signal: AbortSignal): Promise<void> {
  const { watcher, health, clock, logger, graceMs, random = Math.random } = options;
  let failures = 0;
  while (!signal.aborted) {
    const startedAt = clock.now();
    const error = await watchOnce(options, signal);
    if (signal.aborted) return;
    failures = clock.now() - startedAt >= STEADY_MS ? 1 : failures + 1;
    const isPermanent = error instanceof PermanentError;
    const isBug = !isPermanent && !(error instanceof TransientError);
    const waitMs = isPermanent
      ? PERMANENT_WAIT_MS
      : nextDelayMs({
          failures,
          random,
          firstMs: FIRST_WAIT_MS,
          capMs: LONGEST_WAIT_MS,
          retryAfterMs: error instanceof TransientError ? error.retryAfterMs : undefined,
        });
    const fields = { source: sourceNameOf(watcher), failures, retry_in_ms: waitMs, reason: messageOf(error) };
    if (isBug) logger.error({ ...fields, err: error }, 'a watcher failed in an unexpected way; watching again');
    else logger.debug(fields, 'a source cannot be read; trying again');
    health.failing(sourceNameOf(watcher), messageOf(error), isPermanent ? 0 : graceMs);
    await clock.sleep(waitMs, signal);
  }
}

/** Watches until it fails; returns why. */
async function watchOnce({ watcher, cursor, record, health }: SuperviseOptions, signal: AbortSignal): Promise<unknown> {
  // Ends the watcher too when it is the recording that failed.
  const attempt = new AbortController();
  const both = AbortSignal.any([signal, attempt.signal]);
  try {
    for await (const batch of watcher.watch(cursor(), both)) {
      record(batch);
      health.healthy(sourceNameOf(watcher), batch.read);
      for (const report of batch.health ?? []) {
        if (report.up) health.healthy(report.source);
        else health.failing(report.source, report.reason ?? 'it does not work', 0);
      }
      if (signal.aborted) return undefined;
    }
    return new TransientError('it ended by itself');
  } catch (error) {
    return error;
  } finally {
    attempt.abort();
  }
}

/** First wait after a failure. */
const FIRST_MS = 1_000;
/** Longest wait of our own choice. */
const CAP_MS = 300_000;
/** Longest wait that a far side can ask for. */
const ASKED_CAP_MS = 3_600_000;

export interface RetryOptions {
  /** Failures in a row so far, from 1. */
  failures: number;
  /** What the far side asked for. */
  retryAfterMs?: number | undefined;
  /** 0 ≤ x < 1. */
  random: () => number;
  firstMs?: number;
  capMs?: number;
}

/**
 * How long to wait before the next attempt: doubling from `firstMs` to `capMs`, the upper half of it by chance so that
 * many waiters do not come back together; never less than the far side asked for, within an hour.
 */
export function nextDelayMs({
  failures,
  retryAfterMs,
  random,
  firstMs = FIRST_MS,
  capMs = CAP_MS,
}: RetryOptions): number {
  const full = Math.min(capMs, firstMs * 2 ** Math.min(failures - 1, 30));
  const own = full / 2 + (random() * full) / 2;
  return Math.round(Math.max(own, Math.min(retryAfterMs ?? 0, ASKED_CAP_MS)));
}

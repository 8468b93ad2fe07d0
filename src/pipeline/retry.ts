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
 * How long to wait before the next attempt: by chance between nothing and a bound that doubles from `firstMs` to `capMs`,
 * so that many waiters do not come back together; never less than the far side asked for, within an hour, or than 1 ms.
 */
export function nextDelayMs({
  failures,
  retryAfterMs = 0,
  random,
  firstMs = FIRST_MS,
  capMs = CAP_MS,
}: RetryOptions): number {
  const bound = Math.min(capMs, firstMs * 2 ** Math.min(failures - 1, 30));
  const asked = retryAfterMs > 0 ? Math.min(retryAfterMs, ASKED_CAP_MS) : 0;
  return Math.max(1, Math.ceil(random() * bound), Math.ceil(asked));
}

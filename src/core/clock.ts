import { setTimeout as sleep } from 'node:timers/promises';

/** Time as the code sees it: tests hand in one that they drive. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms`, or at once when `signal` aborts; it never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    if (signal?.aborted) return;
    // A longer wait than setTimeout's 2^31 ms would fire at once.
    const bounded = Math.min(Math.max(ms, 0), 2_147_483_647);
    await sleep(bounded, undefined, signal ? { signal } : {}).catch(() => {});
  },
};

/** RFC 3339 UTC with milliseconds: the one form in which cowbell writes times. */
export function toRfc3339(ms: number): string {
  return new Date(ms).toISOString();
}

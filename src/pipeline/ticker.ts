import type { Clock } from '../core/clock.ts';

export interface Ticker {
  /** Something may now be due sooner than was thought. */
  poke(): void;
  /** Runs until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** Calls `tick` whenever the time that `nextDueAt` names has come; sleeps otherwise. */
export function createTicker(options: {
  clock: Clock;
  nextDueAt(): number | undefined;
  tick(): void;
  /** `tick` threw, or what is due could not be read; it is tried again after a second. */
  onError(error: unknown): void;
  /** Longest sleep, in ms: a clock that is set back delays nothing for longer. */
  longestSleepMs?: number;
}): Ticker {
  const { clock, nextDueAt, tick, onError, longestSleepMs = 60_000 } = options;
  let wakeAt = Number.POSITIVE_INFINITY;
  let wake = new AbortController();

  async function step(signal: AbortSignal): Promise<void> {
    wakeAt = Math.min(nextDueAt() ?? Number.POSITIVE_INFINITY, clock.now() + longestSleepMs);
    wake = new AbortController();
    await clock.sleep(wakeAt - clock.now(), AbortSignal.any([signal, wake.signal]));
    wakeAt = Number.POSITIVE_INFINITY;
    const due = nextDueAt();
    if (!signal.aborted && due !== undefined && due <= clock.now()) tick();
  }

  return {
    poke() {
      if ((nextDueAt() ?? Number.POSITIVE_INFINITY) < wakeAt) wake.abort();
    },
    async run(signal) {
      while (!signal.aborted) {
        try {
          await step(signal);
        } catch (error) {
          onError(error);
          await clock.sleep(1_000, signal);
        }
      }
    },
  };
}

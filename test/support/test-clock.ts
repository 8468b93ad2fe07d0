import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../src/core/clock.ts';

export interface TestClock extends Clock {
  /** Lets time pass, ending each wait at its moment; what it sets off runs until it waits again or does real I/O. */
  advance(ms: number): Promise<void>;
  /** Sets the time of day, as a person or NTP does; waits under way are not touched. */
  jump(ms: number): void;
  /** How long each wait that is under way still has, in ms, the shortest first. */
  waits(): number[];
}

/** A clock that stands still until it is told to go on. */
export function createTestClock(startAt = 1_795_430_000_000): TestClock {
  const sleepers = new Set<{ endsAt: number; wake: () => void }>();
  let passed = 0;
  let timeOfDay = startAt;

  async function settle(): Promise<void> {
    for (let turns = 0; turns < 3; turns++) await turn();
  }

  return {
    now: () => timeOfDay + passed,
    sleep(ms, signal) {
      if (signal?.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = () => {
          sleepers.delete(sleeper);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const sleeper = { endsAt: passed + Math.max(0, ms), wake };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', wake, { once: true });
      });
    },
    async advance(ms) {
      const target = passed + ms;
      await settle();
      for (;;) {
        const next = [...sleepers].sort((a, b) => a.endsAt - b.endsAt)[0];
        if (next === undefined || next.endsAt > target) break;
        passed = next.endsAt;
        next.wake();
        await settle();
      }
      passed = target;
    },
    jump(ms) {
      timeOfDay += ms;
    },
    waits: () => [...sleepers].map(({ endsAt }) => endsAt - passed).sort((a, b) => a - b),
  };
}

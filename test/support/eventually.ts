import { setTimeout as sleep } from 'node:timers/promises';

/** Tries `check` until it returns without throwing; throws its last error once the time is over. */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { timeoutMs = 45_000, everyMs = 10 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() >= deadline) throw error;
      await sleep(everyMs);
    }
  }
}

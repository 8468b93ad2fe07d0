import type { Clock } from '../core/clock.ts';
import { TransientError } from '../core/errors.ts';
import type { Delivery, Notifier } from '../core/notifier.ts';

/**
 * One attempt that ends after `ms`, and when `kill` aborts, whatever the notifier does with its signal. Throws what the
 * notifier threw, `TransientError` when the time was over, or the reason of `kill`.
 */
export async function notifyWithin(
  notifier: Notifier,
  delivery: Delivery,
  { ms, clock, kill }: { ms: number; clock: Clock; kill: AbortSignal },
): Promise<void> {
  kill.throwIfAborted();
  const attempt = new AbortController();
  const done = new AbortController();
  // Listens before the notifier can: what caused an abort is told, not how the notifier puts it.
  const cut = new Promise<never>((_, reject) => {
    attempt.signal.addEventListener('abort', () => reject(attempt.signal.reason), { once: true });
  });
  // Not AbortSignal.any: what hangs on a signal that outlives the attempt is kept as long as that signal.
  const onKill = () => attempt.abort(kill.reason);
  kill.addEventListener('abort', onKill, { once: true });
  void clock.sleep(ms, done.signal).then(() => {
    if (!done.signal.aborted) attempt.abort(new TransientError(`no answer within ${ms} ms`));
  });
  try {
    await Promise.race([notifier.notify(delivery, attempt.signal), cut]);
  } finally {
    done.abort();
    kill.removeEventListener('abort', onKill);
  }
}

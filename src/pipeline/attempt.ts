import type { Clock } from '../core/clock.ts';
import { messageOf, PermanentError, TransientError } from '../core/errors.ts';
import type { Delivery, Notifier } from '../core/notifier.ts';
import { notifyWithin } from './notify-within.ts';

/** How one attempt ended. */
export type Outcome =
  | { kind: 'accepted' }
  /** It may work later. */
  | { kind: 'failed'; error: TransientError }
  /** This delivery will never be accepted as it is, but it may be without markup. */
  | { kind: 'too-rich'; reason: string }
  /** This delivery will never be accepted, others may be. */
  | { kind: 'refused'; reason: string; bug?: unknown }
  /** Nothing will be accepted until a person acts. */
  | { kind: 'closed'; reason: string };

export interface AttemptOptions {
  ms: number;
  clock: Clock;
  kill: AbortSignal;
  /** Without markup: it was too rich before. */
  plainly: boolean;
}

/** Sends a delivery. Never throws. */
export async function attempt(notifier: Notifier, delivery: Delivery, options: AttemptOptions): Promise<Outcome> {
  const { notifyPlainly } = notifier;
  const sendPlainly = options.plainly && notifyPlainly !== undefined;
  try {
    await notifyWithin(sendPlainly ? { notify: notifyPlainly.bind(notifier) } : notifier, delivery, options);
    return { kind: 'accepted' };
  } catch (error) {
    if (error instanceof TransientError) return { kind: 'failed', error };
    const isPermanent = error instanceof PermanentError;
    if (isPermanent && !error.isPayload) return { kind: 'closed', reason: messageOf(error) };
    const reason = isPermanent ? messageOf(error) : `a bug: ${messageOf(error)}`;
    if (notifyPlainly !== undefined && !sendPlainly) return { kind: 'too-rich', reason };
    return isPermanent ? { kind: 'refused', reason } : { kind: 'refused', reason, bug: error };
  }
}

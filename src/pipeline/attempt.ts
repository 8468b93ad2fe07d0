import type { Clock } from '../core/clock.ts';
import { messageOf, PermanentError, TransientError } from '../core/errors.ts';
import type { Delivery, Notifier } from '../core/notifier.ts';
import { notifyWithin } from './notify-within.ts';

/** How one attempt ended. */
export type Outcome =
  /** `simplified`: why it had to be sent without markup. */
  | { kind: 'accepted'; simplified?: string }
  /** It may work later. */
  | { kind: 'failed'; error: TransientError }
  /** This delivery will never be accepted, others may be. */
  | { kind: 'refused'; reason: string; bug?: unknown }
  /** Nothing will be accepted until a person acts. */
  | { kind: 'closed'; reason: string };

export interface AttemptOptions {
  ms: number;
  clock: Clock;
  kill: AbortSignal;
}

/** Sends a delivery; where its payload is refused, once more without markup. Never throws. */
export async function attempt(notifier: Notifier, delivery: Delivery, options: AttemptOptions): Promise<Outcome> {
  const outcome = await send(notifier, delivery, options);
  if (outcome.kind !== 'refused' || notifier.notifyPlainly === undefined) return outcome;
  const plain = { notify: notifier.notifyPlainly.bind(notifier) };
  const second = await send(plain, delivery, options);
  return second.kind === 'accepted' ? { kind: 'accepted', simplified: outcome.reason } : second;
}

async function send(notifier: Notifier, delivery: Delivery, options: AttemptOptions): Promise<Outcome> {
  try {
    await notifyWithin(notifier, delivery, options);
    return { kind: 'accepted' };
  } catch (error) {
    if (error instanceof TransientError) return { kind: 'failed', error };
    if (!(error instanceof PermanentError))
      return { kind: 'refused', reason: `a bug: ${messageOf(error)}`, bug: error };
    return { kind: error.isPayload ? 'refused' : 'closed', reason: messageOf(error) };
  }
}

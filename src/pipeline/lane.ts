import PQueue from 'p-queue';
import type { Clock } from '../core/clock.ts';
import { messageOf, PermanentError, TransientError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Delivery, LanePace, Notifier } from '../core/notifier.ts';
import type { Outbox } from '../core/outbox.ts';
import { nextDelayMs } from './retry.ts';

/** Longest that one attempt may take; a far side that hangs is a failure like any other. */
const ATTEMPT_MS = 30_000;

export interface LaneOptions {
  consumer: string;
  notifier: Notifier;
  pace: LanePace;
  outbox: Outbox;
  clock: Clock;
  logger: Logger;
  random?: () => number;
  attemptMs?: number;
  /** After each attempt. */
  onAttempt?: (outcome: 'delivered' | 'failed' | 'parked', events: number) => void;
}

export interface LaneState {
  consumer: string;
  /** Events not yet delivered. */
  owed: number;
  /** ms since the epoch; absent while all is well. */
  failingSince?: number;
  lastError?: string;
}

export interface Lane {
  readonly consumer: string;
  /** There may be something owed. */
  wake(): void;
  state(): LaneState;
  /**
   * Ends: waits are cut short, an attempt under way has `deadlineMs` to finish. What is not delivered stays owed.
   */
  stop(deadlineMs: number): Promise<void>;
}

/**
 * The way to one consumer: one delivery at a time, in order. The first event goes at once; what comes within the group
 * interval after a message goes as one at its end. A delivery that fails for now is repeated until it is accepted, one
 * that is refused for good is parked, and the lane goes on.
 */
export function createLane(options: LaneOptions): Lane {
  return new NotifierLane(options);
}

class NotifierLane implements Lane {
  readonly consumer: string;
  readonly #options: LaneOptions;
  readonly #queue = new PQueue({ concurrency: 1 });
  readonly #stop = new AbortController();
  readonly #kill = new AbortController();
  #lastSentAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #failingSince: number | undefined;
  #lastError: string | undefined;
  /** Accepted by the far side, but the ledger could not yet take note of it. */
  #accepted: string | undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.consumer = options.consumer;
  }

  wake(): void {
    // A run that waits will see what was added meanwhile; one that is under way may have looked already.
    if (this.#stop.signal.aborted || this.#queue.size > 0) return;
    void this.#queue.add(() => this.#run());
  }

  state(): LaneState {
    return {
      consumer: this.consumer,
      owed: this.#options.outbox.owed(this.consumer),
      ...(this.#failingSince !== undefined && { failingSince: this.#failingSince }),
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
    };
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stop.abort();
    const timer = setTimeout(() => this.#kill.abort(new TransientError('shutting down')), deadlineMs);
    try {
      await this.#queue.onIdle();
    } finally {
      clearTimeout(timer);
    }
  }

  async #run(): Promise<void> {
    const { clock, outbox, pace } = this.#options;
    try {
      while (!this.#stop.signal.aborted) {
        if (outbox.owed(this.consumer) === 0) return;
        await clock.sleep(this.#lastSentAt + pace.groupIntervalMs - clock.now(), this.#stop.signal);
        if (this.#stop.signal.aborted) return;
        const delivery = outbox.claim(this.consumer, pace.maxEvents);
        if (delivery === undefined) return;
        const waitMs = await this.#attempt(delivery);
        if (waitMs > 0) await clock.sleep(waitMs, this.#stop.signal);
      }
    } catch (error) {
      // The ledger cannot be read or written: nothing is lost, the delivery is repeated under its id.
      this.#options.logger.error({ consumer: this.consumer, err: error }, 'the outbox cannot be used; trying again');
      await clock.sleep(nextDelayMs({ failures: 4, random: this.#random }), this.#stop.signal);
      queueMicrotask(() => this.wake());
    }
  }

  get #random(): () => number {
    return this.#options.random ?? Math.random;
  }

  /** One attempt; returns how long to wait before the next one. */
  async #attempt(delivery: Delivery): Promise<number> {
    const { notifier, outbox, clock, onAttempt, attemptMs = ATTEMPT_MS } = this.#options;
    const count = delivery.events.length;
    try {
      if (this.#accepted !== delivery.id) await notifyWithin(notifier, delivery, attemptMs, this.#kill.signal);
    } catch (error) {
      this.#lastSentAt = clock.now();
      if (!(error instanceof TransientError)) {
        this.#park(delivery, error);
        onAttempt?.('parked', count);
        return 0;
      }
      if (this.#kill.signal.aborted) return 0;
      outbox.failed(this.consumer, delivery.id, messageOf(error));
      onAttempt?.('failed', count);
      return this.#fail(error, count);
    }
    this.#lastSentAt = clock.now();
    this.#accepted = delivery.id;
    outbox.delivered(this.consumer, delivery.id);
    onAttempt?.('delivered', count);
    this.#recover();
    return 0;
  }

  #fail(error: TransientError, events: number): number {
    const { clock, logger } = this.#options;
    this.#failures++;
    this.#failingSince ??= clock.now();
    this.#lastError = messageOf(error);
    const waitMs = nextDelayMs({ failures: this.#failures, retryAfterMs: error.retryAfterMs, random: this.#random });
    const fields = {
      consumer: this.consumer,
      events,
      failures: this.#failures,
      retry_in_ms: waitMs,
      reason: this.#lastError,
    };
    if (this.#failures === 1) logger.warn(fields, 'an alert could not be delivered; it will be tried again');
    else logger.debug(fields, 'an alert could still not be delivered');
    return waitMs;
  }

  #park(delivery: Delivery, error: unknown): void {
    const { outbox, logger } = this.#options;
    const reason = error instanceof PermanentError ? messageOf(error) : `a bug: ${messageOf(error)}`;
    outbox.park(this.consumer, delivery.id, reason);
    this.#lastError = reason;
    const fields = { consumer: this.consumer, events: delivery.events.length, reason };
    if (error instanceof PermanentError) {
      logger.error(fields, 'an alert was refused for good and is parked; see `cowbell outbox`');
    } else {
      logger.error({ ...fields, err: error }, 'an alert could not be made and is parked; this is a bug');
    }
  }

  #recover(): void {
    if (this.#failures > 0) {
      const { logger, clock } = this.#options;
      logger.info(
        {
          consumer: this.consumer,
          failures: this.#failures,
          after_ms: clock.now() - (this.#failingSince ?? clock.now()),
        },
        'alerts are delivered again',
      );
    }
    this.#failures = 0;
    this.#failingSince = undefined;
    this.#lastError = undefined;
  }
}

/** Ends after `ms` whatever the notifier does, and when `kill` aborts. */
async function notifyWithin(notifier: Notifier, delivery: Delivery, ms: number, kill: AbortSignal): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new TransientError(`no answer within ${ms} ms`)), ms);
  const signal = AbortSignal.any([kill, late.signal]);
  try {
    await Promise.race([notifier.notify(delivery, signal), rejectOn(signal)]);
  } catch (error) {
    // A notifier may report the abort in its own words; the cause is what counts.
    throw signal.aborted && !(error instanceof PermanentError) ? signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

function rejectOn(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

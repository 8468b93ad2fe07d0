import PQueue from 'p-queue';
import type { Clock } from '../core/clock.ts';
import { messageOf, PermanentError, TransientError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Delivery, LanePace, Notifier } from '../core/notifier.ts';
import type { Outbox } from '../core/outbox.ts';
import { notifyWithin } from './notify-within.ts';
import { nextDelayMs } from './retry.ts';

/** Longest that one attempt may take; a far side that hangs is a failure like any other. */
const ATTEMPT_MS = 30_000;
/** Longest pause while the ledger cannot be used: it is our own, so nobody is spared by more. */
const LEDGER_CAP_MS = 30_000;

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
  /** Why the last attempt failed or was refused; absent once something was accepted again. */
  lastError?: string;
  /** ms since the epoch; absent unless the lane waits for its group interval or before it tries again. */
  nextAttemptAt?: number;
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
  /** When the far side last took a message, or refused one for good. */
  #lastSentAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #failingSince: number | undefined;
  #lastError: string | undefined;
  #nextAttemptAt: number | undefined;
  #ledgerFailures = 0;
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
      ...(this.#nextAttemptAt !== undefined && { nextAttemptAt: this.#nextAttemptAt }),
    };
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stop.abort();
    const done = new AbortController();
    void this.#options.clock.sleep(deadlineMs, done.signal).then(() => {
      if (!done.signal.aborted) this.#kill.abort(new TransientError('shutting down'));
    });
    await this.#queue.onIdle();
    done.abort();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        if (!(await this.#deliverNext())) return;
      } catch (error) {
        await this.#wait(this.#noteLedgerFailure(error));
      }
    }
  }

  /** Makes one attempt when it is time, and waits after a failure. Returns false when nothing is owed. */
  async #deliverNext(): Promise<boolean> {
    const { clock, outbox, pace } = this.#options;
    if (outbox.owed(this.consumer) === 0) return false;
    // Bounded, as the clock may have been set back.
    const intervalMs = Math.max(pace.groupIntervalMs, pace.minIntervalMs);
    const restMs = Math.min(this.#lastSentAt + intervalMs - clock.now(), intervalMs);
    await this.#wait(restMs);
    if (this.#stop.signal.aborted) return false;
    // Only now, so that it holds everything that came meanwhile.
    const delivery = outbox.claim(this.consumer, pace.maxEvents);
    if (delivery === undefined) return false;
    const waitMs = await this.#attempt(delivery);
    this.#noteLedgerWorks();
    await this.#wait(waitMs);
    return true;
  }

  /** Until then, or until the lane is stopped. */
  async #wait(ms: number): Promise<void> {
    if (ms <= 0) return;
    const { clock } = this.#options;
    this.#nextAttemptAt = clock.now() + ms;
    await clock.sleep(ms, this.#stop.signal);
    this.#nextAttemptAt = undefined;
  }

  get #random(): () => number {
    return this.#options.random ?? Math.random;
  }

  /** One attempt; returns how long to wait before the next one. Throws when the outbox cannot take note of its outcome. */
  async #attempt(delivery: Delivery): Promise<number> {
    const { notifier, outbox, clock, onAttempt, attemptMs = ATTEMPT_MS } = this.#options;
    const count = delivery.size;
    try {
      if (this.#accepted !== delivery.id) {
        await notifyWithin(notifier, delivery, { ms: attemptMs, clock, kill: this.#kill.signal });
        this.#lastSentAt = clock.now();
        this.#accepted = delivery.id;
      }
    } catch (error) {
      if (!(error instanceof TransientError)) {
        this.#lastSentAt = clock.now();
        this.#park(delivery, error);
        onAttempt?.('parked', count);
        return 0;
      }
      if (this.#kill.signal.aborted) return 0;
      outbox.failed(this.consumer, delivery.id, messageOf(error));
      onAttempt?.('failed', count);
      return this.#fail(error, count);
    }
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
    const fields = { consumer: this.consumer, events: delivery.size, reason };
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

  /** Nothing is lost by it: the delivery is repeated under its id. Returns how long to wait. */
  #noteLedgerFailure(error: unknown): number {
    const { logger } = this.#options;
    this.#ledgerFailures++;
    const waitMs = nextDelayMs({ failures: this.#ledgerFailures, random: this.#random, capMs: LEDGER_CAP_MS });
    const fields = { consumer: this.consumer, retry_in_ms: waitMs };
    if (this.#ledgerFailures === 1) logger.error({ ...fields, err: error }, 'the outbox cannot be used; trying again');
    else logger.debug({ ...fields, reason: messageOf(error) }, 'the outbox can still not be used');
    return waitMs;
  }

  #noteLedgerWorks(): void {
    if (this.#ledgerFailures === 0) return;
    this.#options.logger.info({ consumer: this.consumer, failures: this.#ledgerFailures }, 'the outbox works again');
    this.#ledgerFailures = 0;
  }
}

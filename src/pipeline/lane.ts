import PQueue from 'p-queue';
import type { Clock } from '../core/clock.ts';
import { TransientError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Delivery, LanePace, Notifier } from '../core/notifier.ts';
import type { Outbox } from '../core/outbox.ts';
import { attempt } from './attempt.ts';
import { LaneClaims, type LaneRules } from './lane-claims.ts';
import { type LanePast, LaneRest } from './lane-rest.ts';
import { LATE_AFTER_MS, LaneTrouble, type Trouble } from './lane-trouble.ts';

/** Longest that one attempt may take; a far side that hangs is a failure like any other. */
const ATTEMPT_MS = 30_000;
/** How often a parked lane looks whether a person let it go on. */
const RESUME_CHECK_MS = 5_000;
/** A parked lane makes an attempt all the same after this: what was refused may have been mended at the far side. */
const PARKED_RETRY_MS = 1_800_000;
/** An outage is longer than this: what piled up meanwhile is then told as one. */
const OUTAGE_MS = 15_000;
/** Longest sleep until quiet hours end: a clock that is set delays nothing for longer. */
const LONGEST_QUIET_SLEEP_MS = 900_000;

export interface LaneOptions {
  consumer: string;
  notifier: Notifier;
  pace: LanePace;
  rules?: LaneRules;
  outbox: Outbox;
  clock: Clock;
  logger: Logger;
  random?: () => number;
  attemptMs?: number;
  /** What the lane that this one takes the place of did last. */
  past?: LanePast | undefined;
  /** After each attempt. */
  onAttempt?: (outcome: 'delivered' | 'failed' | 'parked', events: number) => void;
  /** What a person should be told of this lane, by another. */
  onTrouble?: (trouble: Trouble) => void;
}

export interface LaneState {
  consumer: string;
  /** Events not yet delivered. */
  owed: number;
  /** When the oldest of those that it may send now was recorded, ms since the epoch; absent where there are none. */
  oldestAt?: number;
  /** ms since the epoch; absent while all is well. */
  failingSince?: number;
  /** Why the last attempt failed or was refused; absent once something was accepted again. */
  lastError?: string;
  /** ms since the epoch; absent unless the lane waits for its group interval or before it tries again. */
  nextAttemptAt?: number;
  /** The far side takes nothing until a person acts. */
  parked?: true;
  /** It is parked, or has failed for so long, or owes something for so long, that a person must know. */
  down?: true;
}

export interface Lane {
  readonly consumer: string;
  /** There may be something owed. */
  wake(): void;
  state(): LaneState;
  past(): LanePast;
  /**
   * Ends: waits are cut short, an attempt under way has `deadlineMs` to finish. What is not delivered stays owed.
   */
  stop(deadlineMs: number): Promise<void>;
}

/**
 * The way to one consumer: one delivery at a time, in order. The first event goes at once; what comes within the group
 * interval after a message goes as one at its end. A delivery that fails for now is repeated until it is accepted; one
 * whose payload is refused is sent without markup, else set aside; where the far side refuses everything the lane is
 * parked, and keeps what it owes.
 */
export function createLane(options: LaneOptions): Lane {
  return new NotifierLane(options);
}

class NotifierLane implements Lane {
  readonly consumer: string;
  readonly #options: LaneOptions;
  readonly #rules: LaneRules;
  readonly #claims: LaneClaims;
  readonly #trouble: LaneTrouble;
  readonly #queue = new PQueue({ concurrency: 1 });
  readonly #stop = new AbortController();
  readonly #kill = new AbortController();
  readonly #rest: LaneRest;
  #nextAttemptAt: number | undefined;
  #wakeAt: number | undefined;
  /** Accepted by the far side, but the ledger could not yet take note of it. */
  #accepted: Delivery | undefined;
  /** Refused as it was: it is sent without markup next. */
  #tooRich: { id: string; reason: string } | undefined;

  constructor(options: LaneOptions) {
    const { consumer, clock, logger, outbox, pace, random = Math.random, onTrouble = () => {}, rules = {} } = options;
    this.#options = options;
    this.#rules = rules;
    this.#rest = new LaneRest(options, options.past);
    this.consumer = consumer;
    this.#claims = new LaneClaims({ consumer, outbox, rules, maxEvents: pace.maxEvents, clock, logger });
    this.#trouble = new LaneTrouble({ consumer, clock, logger, random, onTrouble });
  }

  wake(): void {
    // A run that waits will see what was added meanwhile; one that is under way may have looked already.
    if (this.#stop.signal.aborted || this.#queue.size > 0) return;
    void this.#queue.add(() => this.#run());
  }

  state(): LaneState {
    const { failingSince, lastError, isParked, isDown } = this.#trouble;
    const { outbox, clock, pace } = this.#options;
    const oldestAt = outbox.oldestAt(this.consumer, { urgentOnly: this.#quietUntil() !== undefined });
    const isLate = oldestAt !== undefined && clock.now() - oldestAt >= LATE_AFTER_MS + pace.groupIntervalMs;
    return {
      consumer: this.consumer,
      owed: outbox.owed(this.consumer),
      ...(oldestAt !== undefined && { oldestAt }),
      ...(failingSince !== undefined && { failingSince }),
      ...(lastError !== undefined && { lastError }),
      ...(this.#nextAttemptAt !== undefined && { nextAttemptAt: this.#nextAttemptAt }),
      ...(isParked && { parked: true }),
      ...((isDown || isLate) && { down: true }),
    };
  }

  past(): LanePast {
    return this.#rest.past();
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
        await this.#wait(this.#trouble.failLedger(error));
      }
    }
  }

  /** Makes one attempt when it is time, and waits after a failure. Returns false when there is nothing to send. */
  async #deliverNext(): Promise<boolean> {
    const { clock } = this.#options;
    this.#noteAccepted();
    await this.#claims.expire();
    const quietUntil = this.#quietUntil();
    if (quietUntil !== undefined) await this.#claims.holdBack();
    if (this.#claims.owed(quietUntil !== undefined) === 0) {
      if (quietUntil !== undefined) this.#wakeLater(quietUntil);
      return false;
    }
    // Where only a crowd is told of, the interval begins with the first of it.
    await this.#wait(this.#rest.ms({ gathers: (this.#rules.minGroupSize ?? 1) > 1 && this.#trouble.failures === 0 }));
    if (this.#stop.signal.aborted) return false;
    // Only now, so that it holds everything that came meanwhile.
    const failingMs = clock.now() - (this.#trouble.failingSince ?? clock.now());
    const delivery = await this.#claims.next({
      urgentOnly: this.#quietUntil() !== undefined,
      merge: this.#rules.mergesBacklog === true && failingMs > OUTAGE_MS,
    });
    if (delivery === undefined) return true;
    const waitMs = await this.#attempt(delivery);
    this.#trouble.recoverLedger();
    await this.#wait(waitMs);
    return true;
  }

  #quietUntil(): number | undefined {
    return this.#rules.quietUntil?.(this.#options.clock.now());
  }

  /** Wakes itself when quiet hours end. */
  #wakeLater(at: number): void {
    if (this.#wakeAt === at) return;
    this.#wakeAt = at;
    const { clock } = this.#options;
    void clock.sleep(Math.min(at - clock.now(), LONGEST_QUIET_SLEEP_MS), this.#stop.signal).then(() => {
      this.#wakeAt = undefined;
      this.wake();
    });
  }

  /** Until then, or until the lane is stopped. */
  async #wait(ms: number): Promise<void> {
    if (ms <= 0) return;
    const { clock } = this.#options;
    this.#nextAttemptAt = clock.now() + ms;
    await clock.sleep(ms, this.#stop.signal);
    this.#nextAttemptAt = undefined;
  }

  /** One attempt; returns how long to wait before the next one. Throws when the outbox cannot take note of its outcome. */
  async #attempt(delivery: Delivery): Promise<number> {
    const { notifier, outbox, clock, onAttempt, attemptMs = ATTEMPT_MS } = this.#options;
    const { id, size } = delivery;
    const plainly = this.#tooRich?.id === id;
    const outcome = await attempt(notifier, delivery, { ms: attemptMs, clock, kill: this.#kill.signal, plainly });
    this.#rest.tried();
    if (outcome.kind === 'failed') {
      if (this.#kill.signal.aborted) return 0;
      outbox.failed(this.consumer, id, outcome.error.message);
      onAttempt?.('failed', size);
      return this.#trouble.fail(outcome.error, size);
    }
    if (outcome.kind === 'too-rich') {
      this.#tooRich = { id, reason: outcome.reason };
      return 0;
    }
    this.#rest.sent();
    if (outcome.kind === 'closed') {
      outbox.parkLane(this.consumer, id, outcome.reason);
      this.#trouble.park(outcome.reason, outbox.owed(this.consumer));
      onAttempt?.('failed', size);
      await this.#untilResumed();
      return 0;
    }
    if (outcome.kind === 'refused') {
      outbox.park(this.consumer, id, outcome.reason);
      this.#trouble.refuse(outcome.reason, size, outcome.bug);
      onAttempt?.('parked', size);
      return 0;
    }
    this.#accepted = delivery;
    this.#noteAccepted();
    return 0;
  }

  /** What the far side has is not sent again, whatever the ledger can take note of. */
  #noteAccepted(): void {
    if (this.#accepted === undefined) return;
    const { outbox, onAttempt } = this.#options;
    const { id, size } = this.#accepted;
    outbox.delivered(this.consumer, id);
    outbox.resumeLane(this.consumer);
    this.#accepted = undefined;
    this.#trouble.recoverLedger();
    if (this.#tooRich?.id === id) this.#trouble.simplify(this.#tooRich.reason, size);
    this.#tooRich = undefined;
    onAttempt?.('delivered', size);
    this.#trouble.recover();
  }

  /** Until a person lets the lane go on, or it is time to try all the same. */
  async #untilResumed(): Promise<void> {
    const { clock, outbox } = this.#options;
    const retryAt = clock.now() + PARKED_RETRY_MS;
    while (!this.#stop.signal.aborted && outbox.isLaneParked(this.consumer) && clock.now() < retryAt) {
      await this.#wait(Math.min(RESUME_CHECK_MS, retryAt - clock.now()));
    }
    if (!this.#stop.signal.aborted) this.#trouble.resume();
  }
}

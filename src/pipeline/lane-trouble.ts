import type { Clock } from '../core/clock.ts';
import { messageOf, type TransientError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { nextDelayMs } from './retry.ts';

/** A lane that delivers nothing for this long is told of by the others. */
export const LATE_AFTER_MS = 600_000;
/** Longest pause while the ledger cannot be used: it is our own, so nobody is spared by more. */
const LEDGER_CAP_MS = 30_000;

/** What the other lanes tell a person of one. */
export type Trouble =
  | { kind: 'down'; reason: string; since: number }
  | { kind: 'up'; reason: string; since: number }
  | { kind: 'refused'; reason: string; events: number };

export interface LaneTroubleOptions {
  consumer: string;
  clock: Clock;
  logger: Logger;
  random: () => number;
  onTrouble(trouble: Trouble): void;
}

/** What goes wrong on the way to one consumer: counted, logged once a streak, and told to the others. */
export class LaneTrouble {
  readonly #options: LaneTroubleOptions;
  failures = 0;
  /** ms since the epoch; undefined while all is well. */
  failingSince: number | undefined;
  lastError: string | undefined;
  isParked = false;
  #isTold = false;
  #isRefusalTold = false;
  #ledgerFailures = 0;

  constructor(options: LaneTroubleOptions) {
    this.#options = options;
  }

  /** Too long for anybody to rely on it. */
  get isDown(): boolean {
    const { clock } = this.#options;
    return this.isParked || (this.failingSince !== undefined && clock.now() - this.failingSince >= LATE_AFTER_MS);
  }

  /** Returns how long to wait before the next attempt. */
  fail(error: TransientError, events: number): number {
    const { clock, logger, consumer, random } = this.#options;
    this.failures++;
    this.failingSince ??= clock.now();
    this.lastError = messageOf(error);
    const waitMs = nextDelayMs({ failures: this.failures, retryAfterMs: error.retryAfterMs, random });
    const fields = { consumer, events, failures: this.failures, retry_in_ms: waitMs, reason: this.lastError };
    if (this.failures === 1) logger.warn(fields, 'an alert could not be delivered; it will be tried again');
    else logger.debug(fields, 'an alert could still not be delivered');
    this.#tellDown();
    return waitMs;
  }

  /** The far side takes nothing until a person acts. */
  park(reason: string, owed: number): void {
    const { clock, logger, consumer } = this.#options;
    const fields = { consumer, owed, reason };
    if (this.isParked) logger.debug(fields, 'the notifier is still refused');
    else logger.error(fields, 'the notifier is refused and parked: see to it, then `cowbell outbox retry`');
    this.isParked = true;
    this.failingSince ??= clock.now();
    this.lastError = reason;
    this.#tellDown();
  }

  /** Another attempt is made at what was parked. */
  resume(): void {
    this.#options.logger.info({ consumer: this.#options.consumer }, 'a parked notifier is tried again');
  }

  /** One delivery was refused for good. */
  refuse(reason: string, events: number, bug: unknown): void {
    const { logger, consumer, onTrouble } = this.#options;
    const fields = { consumer, events, reason };
    this.lastError = reason;
    if (bug === undefined) logger.error(fields, 'an alert was refused for good and is set aside; see `cowbell outbox`');
    else logger.error({ ...fields, err: bug }, 'an alert could not be made and is set aside; this is a bug');
    if (this.#isRefusalTold) return;
    this.#isRefusalTold = true;
    this.#tell(() => onTrouble({ kind: 'refused', reason, events }));
  }

  simplify(reason: string, events: number): void {
    const fields = { consumer: this.#options.consumer, events, reason };
    this.#options.logger.warn(fields, 'an alert was refused as it was, and sent without markup');
  }

  recover(): void {
    const { logger, clock, consumer, onTrouble } = this.#options;
    const since = this.failingSince;
    const reason = this.lastError ?? '';
    if (since !== undefined) {
      const fields = { consumer, failures: this.failures, after_ms: clock.now() - since };
      logger.info(fields, 'alerts are delivered again');
    }
    if (this.#isTold && since !== undefined) this.#tell(() => onTrouble({ kind: 'up', reason, since }));
    this.failures = 0;
    this.failingSince = undefined;
    this.lastError = undefined;
    this.isParked = false;
    this.#isTold = false;
    this.#isRefusalTold = false;
  }

  /** Nothing is lost by it: the delivery is repeated under its id. Returns how long to wait. */
  failLedger(error: unknown): number {
    const { logger, consumer, random } = this.#options;
    this.#ledgerFailures++;
    const waitMs = nextDelayMs({ failures: this.#ledgerFailures, random, capMs: LEDGER_CAP_MS });
    const fields = { consumer, retry_in_ms: waitMs };
    if (this.#ledgerFailures === 1) logger.error({ ...fields, err: error }, 'the outbox cannot be used; trying again');
    else logger.debug({ ...fields, reason: messageOf(error) }, 'the outbox can still not be used');
    return waitMs;
  }

  recoverLedger(): void {
    if (this.#ledgerFailures === 0) return;
    const { logger, consumer } = this.#options;
    logger.info({ consumer, failures: this.#ledgerFailures }, 'the outbox works again');
    this.#ledgerFailures = 0;
  }

  #tellDown(): void {
    const { onTrouble } = this.#options;
    if (this.#isTold || !this.isDown) return;
    this.#isTold = true;
    const trouble = { reason: this.lastError ?? '', since: this.failingSince ?? this.#options.clock.now() };
    this.#tell(() => onTrouble({ kind: 'down', ...trouble }));
  }

  /** That it cannot be told is no reason to deliver nothing. */
  #tell(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      const { logger, consumer } = this.#options;
      logger.error({ consumer, err: error }, 'the state of a notifier could not be told to the others');
    }
  }
}

import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Delivery } from '../core/notifier.ts';
import type { Outbox } from '../core/outbox.ts';
import { nextTurn } from '../core/turn.ts';

/** What a lane does with what it is owed, as the person wants it. */
export interface LaneRules {
  /** Fewer events than this within a group interval are not sent. */
  minGroupSize?: number | undefined;
  /** What is older than this, in ms, is not sent. */
  maxAgeMs?: number | undefined;
  /** After an outage all that is owed goes as one message, also what was tried before. */
  mergesBacklog?: boolean;
  /** Until when only urgent events are sent, in ms since the epoch; undefined where all are. */
  quietUntil?: ((now: number) => number | undefined) | undefined;
}

export interface LaneClaimsOptions {
  consumer: string;
  outbox: Outbox;
  rules: LaneRules;
  maxEvents: number;
  clock: Clock;
  logger: Logger;
}

/** Chooses what a lane sends next. Thousands of events are taken in slices, between which others have their turn. */
export class LaneClaims {
  readonly #options: LaneClaimsOptions;
  /** Events of a crowd that is being told, in as many deliveries as it takes. */
  #crowdLeft = 0;

  constructor(options: LaneClaimsOptions) {
    this.#options = options;
  }

  /** Drops what is too old to be sent. */
  async expire(): Promise<void> {
    const { outbox, consumer, clock, logger, rules } = this.#options;
    if (rules.maxAgeMs === undefined) return;
    const before = clock.now() - rules.maxAgeMs;
    let events = 0;
    for (;;) {
      const given = outbox.expire(consumer, before, rules.mergesBacklog ? 'each' : 'whole');
      if (given === 0) break;
      events += given;
      await nextTurn();
    }
    if (events > 0) logger.warn({ consumer, events }, 'alerts were too old to be sent, and dropped');
  }

  /** Events that may be sent now. */
  owed(urgentOnly: boolean): number {
    return this.#options.outbox.owed(this.#options.consumer, { urgentOnly });
  }

  /** Quiet hours have begun: what was tried before, and is not urgent, waits for their end like all else. */
  async holdBack(): Promise<void> {
    const { outbox, consumer, rules } = this.#options;
    // A program that keeps ids gets what was tried before as it was.
    if (rules.mergesBacklog && outbox.holdsUnurgent(consumer)) await inSlices(() => outbox.release(consumer));
  }

  /** The delivery to make; undefined where there is none, or what there was need not be sent. */
  async next({ urgentOnly, merge }: { urgentOnly: boolean; merge: boolean }): Promise<Delivery | undefined> {
    const { outbox, consumer, maxEvents, rules } = this.#options;
    const { minGroupSize = 1 } = rules;
    const owed = minGroupSize > 1 ? this.owed(urgentOnly) : 1;
    const claim = outbox.claim(consumer, maxEvents, { urgentOnly });
    if (claim === undefined) return undefined;
    let delivery: Delivery = claim;
    if (claim.isNew || merge) {
      for (;;) {
        const more = outbox.extend(consumer, maxEvents, { urgentOnly });
        if (more === undefined) break;
        delivery = more;
        await nextTurn();
      }
    }
    if (!claim.isNew || this.#isCrowd(Math.max(owed, delivery.size), minGroupSize, delivery.size)) return delivery;
    await inSlices(() => outbox.skip(consumer));
    return undefined;
  }

  /** Of `owed` events `taken` are in this delivery; where they are enough, so are those behind them. */
  #isCrowd(owed: number, enough: number, taken: number): boolean {
    if (this.#crowdLeft <= 0) this.#crowdLeft = owed >= enough ? owed : 0;
    const isCrowd = this.#crowdLeft > 0;
    this.#crowdLeft -= taken;
    return isCrowd;
  }
}

/** Does a piece of work as long as there is more of it. */
async function inSlices(step: () => boolean): Promise<void> {
  while (step()) await nextTurn();
}

import type { Clock } from '../core/clock.ts';
import type { LanePace, Notifier } from '../core/notifier.ts';

/** Longest rest that a notifier can ask for. */
const LONGEST_MS = 3_600_000;

/** When a lane last did what the far side may count, in ms since the epoch. */
export interface LanePast {
  /** The far side took a message, or refused one for good. */
  lastSentAt: number;
  /** It was asked, whatever it said. */
  lastTriedAt: number;
  /** It said that it takes nothing before then. */
  restUntil: number;
}

const NEVER: LanePast = {
  lastSentAt: Number.NEGATIVE_INFINITY,
  lastTriedAt: Number.NEGATIVE_INFINITY,
  restUntil: Number.NEGATIVE_INFINITY,
};

/** How long a lane rests between two requests: its pace, and what the far side last said of it. */
export class LaneRest {
  readonly #clock: Clock;
  readonly #pace: LanePace;
  readonly #notifier: Notifier;
  readonly #past: LanePast;

  /** `past` is that of the lane whose place this one takes. */
  constructor({ clock, pace, notifier }: { clock: Clock; pace: LanePace; notifier: Notifier }, past: LanePast = NEVER) {
    this.#clock = clock;
    this.#pace = pace;
    this.#notifier = notifier;
    this.#past = { ...past };
  }

  past(): LanePast {
    return { ...this.#past, restUntil: this.#restUntil() };
  }

  tried(): void {
    this.#past.lastTriedAt = this.#clock.now();
  }

  sent(): void {
    this.#past.lastSentAt = this.#clock.now();
  }

  /** Until the next request may go, in ms; not above 0 where that is now. `gathers`: a message is of what comes from now on. */
  ms({ gathers }: { gathers: boolean }): number {
    const now = this.#clock.now();
    const { groupIntervalMs, minIntervalMs } = this.#pace;
    const intervalMs = Math.max(groupIntervalMs, minIntervalMs);
    // Bounded, as the clock may have been set back.
    return Math.max(
      gathers ? intervalMs : Math.min(this.#past.lastSentAt + intervalMs - now, intervalMs),
      Math.min(this.#past.lastTriedAt + minIntervalMs - now, minIntervalMs),
      Math.min(this.#restUntil() - now, LONGEST_MS),
    );
  }

  #restUntil(): number {
    return Math.max(this.#past.restUntil, this.#notifier.restUntil?.() ?? Number.NEGATIVE_INFINITY);
  }
}

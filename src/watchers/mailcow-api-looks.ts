import type { Clock } from '../core/clock.ts';
import type { Network } from '../core/network.ts';

/** The log leads the state by milliseconds, and more lines may follow at once. */
const DELAY_MS = 250;
/** However many lines ask: every look costs mailcow a whole answer. */
const LEAST_GAP_MS = 4_000;
const MOST_LOOKS = 10_000;

export interface ApiLook {
  network: Network;
  expected: 'banned' | 'unbanned';
}

/** Networks that somebody wants to know about before the next poll is due. All are answered by one poll. */
export class ApiLooks {
  readonly #clock: Clock;
  #looks = new Map<Network, ApiLook>();
  #askedAt: number | undefined;
  #wake = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ask(network: Network, expected: ApiLook['expected']): void {
    if (this.#looks.size < MOST_LOOKS) this.#looks.set(network, { network, expected });
    this.#askedAt ??= this.#clock.now();
    this.#wake.abort();
  }

  /** Sleeps for `ms`, or until looks that were asked for are due. */
  async sleep(ms: number, polledAt: number, signal: AbortSignal): Promise<void> {
    let left = ms;
    for (;;) {
      this.#wake = new AbortController();
      const startedAt = this.#clock.now();
      const isAsked = this.#askedAt !== undefined;
      const wait = isAsked ? Math.min(left, this.#untilDue(startedAt, polledAt)) : left;
      await this.#clock.sleep(wait, isAsked ? signal : AbortSignal.any([signal, this.#wake.signal]));
      left -= this.#clock.now() - startedAt;
      if (signal.aborted || isAsked || this.#askedAt === undefined) return;
    }
  }

  /** What is to be answered by the poll that begins now. */
  take(): ApiLook[] {
    const looks = [...this.#looks.values()];
    this.#looks = new Map();
    this.#askedAt = undefined;
    return looks;
  }

  #untilDue(now: number, polledAt: number): number {
    const dueAt = Math.max((this.#askedAt ?? now) + DELAY_MS, polledAt + LEAST_GAP_MS);
    // A clock that was set back makes nobody wait longer.
    return Math.min(Math.max(dueAt - now, 0), LEAST_GAP_MS);
  }
}

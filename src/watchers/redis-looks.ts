import type { Redis } from 'ioredis';
import type { Clock } from '../core/clock.ts';
import type { Network } from '../core/network.ts';
import type { Observation } from '../core/observation.ts';
import { readSeconds } from './redis-state.ts';

/** The log leads the hash by a millisecond or two; what has not come after two seconds will not come. */
const DELAYS_MS = [0, 2, 5, 10, 20, 50, 100, 250, 500, 1_000, 2_000];
/** Looks that wait at the same time; more are left to the next poll. */
const MOST_LOOKS = 10_000;
const AT_ONCE = 1_000;

interface Look {
  expected: 'banned' | 'unbanned';
  askedAt: number;
  step: number;
}

/** Fields of `F2B_ACTIVE_BANS` that somebody wants to know about now. */
export class Looks {
  readonly #clock: Clock;
  readonly #looks = new Map<Network, Look>();
  #wake = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ask(network: Network, expected: Look['expected']): void {
    if (this.#looks.size >= MOST_LOOKS) return;
    this.#looks.set(network, { expected, askedAt: this.#clock.now(), step: 0 });
    this.#wake.abort();
  }

  /** Sleeps until `at`, until a look is due or is asked for, or until `signal` aborts. */
  async sleepUntil(at: number, signal: AbortSignal): Promise<void> {
    this.#wake = new AbortController();
    let until = at;
    for (const look of this.#looks.values()) until = Math.min(until, dueAt(look));
    const ms = until - this.#clock.now();
    if (ms > 0) await this.#clock.sleep(ms, AbortSignal.any([signal, this.#wake.signal]));
  }

  /** Makes the looks that are due; returns what was found where it is as expected, or where time is up. */
  async make(client: Redis): Promise<Observation[]> {
    const now = this.#clock.now();
    const due = [...this.#looks].filter(([, look]) => dueAt(look) <= now).slice(0, AT_ONCE);
    if (due.length === 0) return [];
    const values = await client.hmget('F2B_ACTIVE_BANS', ...due.map(([network]) => network));
    const found: Observation[] = [];
    for (const [index, [network, look]] of due.entries()) {
      // Asked anew meanwhile: that look is still to be made.
      if (this.#looks.get(network) !== look) continue;
      const value = values[index];
      const isStanding = value !== null && value !== undefined;
      look.step++;
      if (isStanding !== (look.expected === 'banned') && look.step < DELAYS_MS.length) continue;
      this.#looks.delete(network);
      const fact = { jail: 'netfilter', network, at: now };
      const until = readSeconds(value);
      if (!isStanding) found.push({ kind: 'unbanned', ...fact });
      else found.push({ kind: 'banned', ...fact, ...(until !== undefined && { until }) });
    }
    return found;
  }
}

function dueAt(look: Look): number {
  return look.askedAt + (DELAYS_MS[look.step] ?? 0);
}

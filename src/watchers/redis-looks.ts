import type { Redis } from 'ioredis';
import type { Clock } from '../core/clock.ts';
import type { Network } from '../core/network.ts';
import type { Observation } from '../core/observation.ts';
import { readSeconds } from './redis-state.ts';

/** The log leads the hash by a millisecond or two; what has not come after two seconds will not come. */
const DELAYS_MS = [0, 2, 5, 10, 20, 50, 100, 250, 500, 1_000, 2_000];
const LONGEST_MS = 2_000;
/** Looks that wait at the same time; more are made by reading everything at once. */
const MOST_LOOKS = 10_000;
const AT_ONCE = 1_000;

interface Look {
  network: Network;
  expected: 'banned' | 'unbanned';
  /** Since when this has been waited for, however often it was asked again. */
  since: number;
  askedAt: number;
  step: number;
}

/** Fields of `F2B_ACTIVE_BANS` that somebody wants to know about now. */
export class Looks {
  readonly #clock: Clock;
  readonly #looks = new Map<Network, Look>();
  /** The looks at the same step, the first one due first. */
  readonly #queues = DELAYS_MS.map(() => new Set<Look>());
  #isOverfull = false;
  #wake = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Looks at once, and again until it is as expected; asked again, it begins anew and ends when it would have ended. */
  ask(network: Network, expected: Look['expected']): void {
    const known = this.#looks.get(network);
    if (known !== undefined) this.#forget(known);
    if (this.#looks.size >= MOST_LOOKS) {
      this.#isOverfull = true;
    } else {
      const now = this.#clock.now();
      const since = known?.expected === expected ? Math.min(known.since, now) : now;
      const look = { network, expected, since, askedAt: now, step: 0 };
      this.#looks.set(network, look);
      this.#queues[0]?.add(look);
    }
    this.#wake.abort();
  }

  /** Whether there were more looks than can be kept since the last call: everything is to be read now. */
  takeOverfull(): boolean {
    const isOverfull = this.#isOverfull;
    this.#isOverfull = false;
    return isOverfull;
  }

  /** Sleeps for `ms`, until a look is due or is asked for, or until `signal` aborts. */
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.#wake = new AbortController();
    const now = this.#clock.now();
    let least = this.#isOverfull ? 0 : ms;
    for (const queue of this.#queues) {
      for (const look of queue) {
        least = Math.min(least, dueAt(look) - now);
        break;
      }
    }
    if (least > 0) await this.#clock.sleep(least, AbortSignal.any([signal, this.#wake.signal]));
  }

  /**
   * Makes the looks that are due; returns what was found where it is as expected, or where time is up. `spellings` are
   * the fields that are spelled otherwise than their networks.
   */
  async make(client: Redis, spellings: ReadonlyMap<Network, string>): Promise<Observation[]> {
    const now = this.#clock.now();
    const due = this.#due(now);
    if (due.length === 0) return [];
    const fields = due.map(({ network }) => network);
    const others = fields.map((network) => spellings.get(network)).filter((field) => field !== undefined);
    const values = await client.hmget('F2B_ACTIVE_BANS', ...fields, ...others);
    const byField = new Map<string, string | null | undefined>(
      [...fields, ...others].map((field, index) => [field, values[index]]),
    );
    const found: Observation[] = [];
    for (const look of due) {
      const { network } = look;
      // Asked anew meanwhile: that look is still to be made.
      if (this.#looks.get(network) !== look) continue;
      const value = byField.get(network) ?? byField.get(spellings.get(network) ?? '');
      const isStanding = value !== null && value !== undefined;
      this.#forget(look);
      if (isStanding !== (look.expected === 'banned') && this.#again(look, now)) continue;
      const fact = { jail: 'netfilter', network, at: now };
      const until = readSeconds(value);
      if (!isStanding) found.push({ kind: 'unbanned', ...fact });
      else found.push({ kind: 'banned', ...fact, ...(until !== undefined && { until }) });
    }
    return found;
  }

  #due(now: number): Look[] {
    const due: Look[] = [];
    for (const queue of this.#queues) {
      for (const look of queue) {
        // A clock that was set back makes no look wait longer.
        if (due.length >= AT_ONCE || (dueAt(look) > now && look.askedAt <= now)) break;
        due.push(look);
      }
    }
    return due;
  }

  #forget(look: Look): void {
    this.#looks.delete(look.network);
    this.#queues[look.step]?.delete(look);
  }

  #again(look: Look, now: number): boolean {
    look.step++;
    if (look.step >= DELAYS_MS.length || now - look.since >= LONGEST_MS) return false;
    this.#looks.set(look.network, look);
    this.#queues[look.step]?.add(look);
    return true;
  }
}

function dueAt(look: Look): number {
  return Math.min(look.askedAt + (DELAYS_MS[look.step] ?? 0), look.since + LONGEST_MS);
}

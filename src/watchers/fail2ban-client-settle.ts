import type { Network } from '../core/network.ts';
import type { Snapshot } from '../core/watcher.ts';
import type { Jails, Reading } from './fail2ban-client-read.ts';

/** Looked at again so soon where bans that had time left are missing. */
export const RECHECK_MS = 5_000;
/** A jail that is away for less is being started again. */
const AWAY_MS = 30_000;
/** The times of fail2ban are whole seconds. */
const ROUNDING_MS = 2_000;

/** How many bans each jail had when it was last told. */
export type JailCounts = Readonly<Record<string, number>>;

interface Absence {
  since: number;
  missing: number;
}

type Bans = ReadonlyMap<Network, number | undefined>;

/**
 * Tells what is gone for good from what fail2ban is just putting back: when it starts, its jails come one after the other,
 * and the bans that it remembers one after the other too. A jail from which bans with time left are missing is told as
 * whole only when that has not got better for a while.
 */
export class Settling {
  #told = new Map<string, Bans>();
  readonly #counts: Map<string, number>;
  readonly #absences = new Map<string, Absence>();
  /** When bans last came back, of whichever jail: until that is over, fail2ban is still starting. */
  #cameBackAt = Number.NEGATIVE_INFINITY;

  constructor(counts: JailCounts) {
    this.#counts = new Map(Object.entries(counts));
  }

  /** Whether something is to be looked at again soon. */
  get isUnsettled(): boolean {
    return this.#absences.size > 0;
  }

  /** For the cursor: what is still to be settled counts as it was. */
  get counts(): JailCounts {
    return Object.fromEntries(this.#counts);
  }

  /** What can be told of a reading: the state, and in front of it the jails that lost all their bans at once. */
  take({ at, jails }: Reading): Snapshot[] {
    const whole: string[] = [];
    const cleared: Snapshot[] = [];
    for (const name of new Set([...this.#counts.keys(), ...jails.keys()])) {
      const now = jails.get(name);
      if (!this.#isSettled(name, now, at)) continue;
      const reason = this.#whyCleared(name, now, at);
      if (reason !== undefined) cleared.push(snapshotOf(at, [name], jails, reason));
      whole.push(name);
      if (now === undefined) {
        this.#counts.delete(name);
        this.#told.delete(name);
      } else {
        this.#counts.set(name, now.size);
        this.#told.set(name, now);
      }
    }
    return [...cleared, snapshotOf(at, whole, jails)];
  }

  #isSettled(name: string, now: Bans | undefined, at: number): boolean {
    const missing = this.#missing(name, now, at);
    if (now !== undefined && missing === 0) {
      this.#absences.delete(name);
      return true;
    }
    const before = this.#absences.get(name);
    // A clock that was set back begins the wait anew.
    if (before !== undefined && missing < before.missing) this.#cameBackAt = at;
    if (before === undefined || missing < before.missing || at < before.since) {
      this.#absences.set(name, { since: at, missing });
      return false;
    }
    const since = Math.max(before.since, Math.min(this.#cameBackAt, at));
    if (at - since < (now === undefined ? AWAY_MS : RECHECK_MS)) return false;
    this.#absences.delete(name);
    return true;
  }

  /** How many bans that had time left are gone; what is known of the time before this run is their number. */
  #missing(name: string, now: Bans | undefined, at: number): number {
    const told = this.#told.get(name);
    if (told === undefined) return Math.max(0, (this.#counts.get(name) ?? 0) - (now?.size ?? 0));
    return lostOf(told, now, at).length;
  }

  #whyCleared(name: string, now: Bans | undefined, at: number): string | undefined {
    if (now === undefined) return `the jail ${name} was stopped`;
    const told = this.#told.get(name);
    const lost = told === undefined ? [] : lostOf(told, now, at);
    const isAll = told !== undefined && lost.length === [...told.values()].filter((until) => hasTime(until, at)).length;
    return isAll && lost.length > 1 ? `all bans of the jail ${name} were lifted at once` : undefined;
  }
}

function lostOf(told: Bans, now: Bans | undefined, at: number): Network[] {
  return [...told].filter(([network, until]) => hasTime(until, at) && now?.has(network) !== true).map(([each]) => each);
}

function hasTime(until: number | undefined, at: number): boolean {
  return until !== undefined && until > at + ROUNDING_MS;
}

function snapshotOf(at: number, names: readonly string[], jails: Jails, cleared?: string): Snapshot {
  const isOne = cleared !== undefined;
  const bans = [...jails].flatMap(([jail, found]) =>
    isOne && !names.includes(jail)
      ? []
      : [...found].map(([network, until]) => ({ jail, network, ...(until !== undefined && { until }) })),
  );
  return { at, jails: names, bans, ...(cleared !== undefined && { cleared }) };
}

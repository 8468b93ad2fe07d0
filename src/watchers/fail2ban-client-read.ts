import { TransientError } from '../core/errors.ts';
import { type Network, parseNetwork } from '../core/network.ts';
import {
  type BanTime,
  parseBanned,
  parseJailList,
  parseOffset,
  parseStatus,
  parseTimes,
} from './fail2ban-client-answers.ts';
import type { Fail2banClient } from './fail2ban-client-run.ts';

/** Times are read again this often though nothing else has changed: a ban may be made longer. */
const REFRESH_MS = 300_000;
/** A ban that stands this long past its end was made longer. */
const OVERDUE_MS = 1_000;
const MOST_JAILS = 256;
/** A name that can be nothing else than an argument. */
const JAIL = /^[\p{L}\p{N}_.@+:/][\p{L}\p{N}_.@+:/-]{0,63}$/u;

/** What is banned in each jail that was read whole: network → end in ms since the epoch, undefined where unknown. */
export type Jails = ReadonlyMap<string, ReadonlyMap<Network, number | undefined>>;

export interface Reading {
  /** When reading began, in ms since the epoch. */
  at: number;
  jails: Jails;
  /** Targets that are no networks, and names that are no jails. */
  garbage: string[];
}

interface KnownBan {
  /** Of its time, as long as it is the same ban. */
  text: string;
  until: number;
}

interface KnownJail {
  targets: ReadonlySet<string>;
  bans: Map<string, KnownBan>;
  readAt: number;
  /** The times are to be read once more: fail2ban lengthens a ban a moment after it has begun. */
  isFresh: boolean;
}

/**
 * Reads what is banned, with as few commands as can be: one for all jails, and one more for a jail that has changed, as
 * each of them starts a Python. Older versions are asked jail by jail.
 */
export class JailReader {
  readonly #client: Fail2banClient;
  readonly #wanted: ReadonlySet<string> | undefined;
  #known = new Map<string, KnownJail>();
  #knowsBanned = true;
  #knowsTimes = true;
  #offsetMs: number | undefined;
  #lastAt: number | undefined;

  constructor(client: Fail2banClient, wanted: readonly string[] | undefined, lastAt: number | undefined) {
    this.#client = client;
    this.#wanted = wanted && new Set(wanted);
    this.#lastAt = lastAt;
  }

  /** Throws `TransientError` when anything cannot be read whole. */
  async read(at: number, signal: AbortSignal): Promise<Reading> {
    this.#offsetMs = undefined;
    const garbage: string[] = [];
    const jails = new Map<string, Map<Network, number | undefined>>();
    const known = new Map<string, KnownJail>();
    for (const [name, listed] of await this.#list(garbage, signal)) {
      const targets = listed ?? (await this.#listJail(name, signal));
      const jail = await this.#withTimes(name, new Set(targets), at, signal);
      known.set(name, jail);
      const bans = new Map<Network, number | undefined>();
      for (const target of jail.targets) {
        const network = parseNetwork(target);
        if (network === undefined) garbage.push(target);
        else bans.set(network, jail.bans.get(target)?.until);
      }
      jails.set(name, bans);
    }
    this.#known = known;
    this.#lastAt = at;
    return { at, jails, garbage };
  }

  /** The jails that are wanted, each with what is banned there if one command told of all. */
  async #list(garbage: string[], signal: AbortSignal): Promise<Map<string, readonly string[] | undefined>> {
    const all = await this.#listAll(signal);
    const listed = new Map<string, readonly string[] | undefined>();
    for (const [name, targets] of all) {
      if (!JAIL.test(name)) garbage.push(name);
      else if ((this.#wanted?.has(name) ?? true) && listed.size < MOST_JAILS) listed.set(name, targets);
    }
    return listed;
  }

  async #listAll(signal: AbortSignal): Promise<Iterable<readonly [string, readonly string[] | undefined]>> {
    if (this.#knowsBanned) {
      const answer = await this.#client.ask(signal, 'banned');
      const banned = answer === undefined ? undefined : parseBanned(answer);
      if (banned !== undefined) return banned;
      this.#knowsBanned = false;
    }
    const names = parseJailList((await this.#client.ask(signal, 'status')) ?? '');
    if (names === undefined) throw new TransientError('fail2ban-client status prints no list of jails');
    return names.map((name) => [name, undefined] as const);
  }

  async #listJail(name: string, signal: AbortSignal): Promise<readonly string[]> {
    const targets = parseStatus((await this.#client.ask(signal, 'status', name)) ?? '');
    if (targets === undefined) throw new TransientError(`fail2ban-client status ${name} prints no list of bans`);
    return targets;
  }

  async #withTimes(name: string, targets: ReadonlySet<string>, at: number, signal: AbortSignal): Promise<KnownJail> {
    const before = this.#known.get(name);
    const isSame = before !== undefined && isSameSet(before.targets, targets);
    const isStale =
      !isSame ||
      before.isFresh ||
      Math.abs(at - before.readAt) >= REFRESH_MS ||
      [...targets].some((target) => !((before.bans.get(target)?.until ?? 0) + OVERDUE_MS > at));
    if (!isStale) return before;
    const bans = targets.size === 0 ? new Map() : await this.#readBans(name, targets, before, at, signal);
    return { targets, bans, readAt: at, isFresh: before !== undefined && !isSame };
  }

  async #readBans(
    name: string,
    targets: ReadonlySet<string>,
    before: KnownJail | undefined,
    at: number,
    signal: AbortSignal,
  ): Promise<Map<string, KnownBan>> {
    const bans = new Map<string, KnownBan>();
    const times = await this.#times(name, signal);
    if (times === undefined) return this.#guessBans(name, targets, before, at, signal);
    for (const target of targets) {
      const time = times.get(target);
      const known = before?.bans.get(target);
      if (time === undefined) continue;
      // What was reckoned when it had just begun holds: the container's clock may have gone over to another zone since.
      if (known?.text === time.text) bans.set(target, known);
      else bans.set(target, { text: time.text, until: time.startedAt - (await this.#offset(signal)) + time.lengthMs });
    }
    return bans;
  }

  async #times(name: string, signal: AbortSignal): Promise<ReadonlyMap<string, BanTime> | undefined> {
    if (!this.#knowsTimes) return undefined;
    const answer = await this.#client.ask(signal, 'get', name, 'banip', '--with-time');
    if (answer === undefined) this.#knowsTimes = false;
    return answer === undefined ? undefined : parseTimes(answer).times;
  }

  /** Before 0.11 nothing is known but the length of a new ban: it ends no sooner than that after it was last not there. */
  async #guessBans(
    name: string,
    targets: ReadonlySet<string>,
    before: KnownJail | undefined,
    at: number,
    signal: AbortSignal,
  ): Promise<Map<string, KnownBan>> {
    const seconds = Number((await this.#client.ask(signal, 'get', name, 'bantime'))?.trim());
    const lengthMs = seconds < 0 ? Number.POSITIVE_INFINITY : (seconds || 0) * 1_000;
    const until = Math.max(at, (this.#lastAt ?? 0) + lengthMs);
    return new Map([...targets].map((target) => [target, before?.bans.get(target) ?? { text: '', until }]));
  }

  /** Of the container's wall clock from UTC, asked for once in a reading: its times have no zone. UTC if it does not say. */
  async #offset(signal: AbortSignal): Promise<number> {
    this.#offsetMs ??= parseOffset((await this.#client.zone(signal)) ?? '') ?? 0;
    return this.#offsetMs;
  }
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size !== b.size) return false;
  for (const each of a) if (!b.has(each)) return false;
  return true;
}

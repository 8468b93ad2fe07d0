import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Network } from '../core/network.ts';
import type { Cursor, Snapshot } from '../core/watcher.ts';
import { ClearReasons, lossBetween } from './clear-reasons.ts';
import type { KeyBan } from './redis-keys.ts';
import { readMessages } from './redis-log.ts';
import { type ActiveHash, isSameHash, readActiveBans, readEntries } from './redis-state.ts';

/** Where there is much to read, it is read whole more seldom as long as the number of bans is the same. */
const LARGE_HASH = 1_000;
const LARGE_HASH_EVERY_MS = { perBan: 1, least: 5_000, most: 30_000 };
/** The state is told anew this often though nothing has changed. */
const REFRESH_MS = 30_000;
const MOST_JAILS = 256;
/** What netfilter has denied, what the admin wants denied and allowed: it follows the admin's lists within a minute. */
const LISTS = ['F2B_PERM_BANS', 'F2B_BLACKLIST', 'F2B_WHITELIST'] as const;
const HASHES = ['F2B_ACTIVE_BANS', ...LISTS] as const;
const OTHER_JAIL = 'fail2ban';
const REDIS_RESTARTED = 'Redis was restarted, and netfilter with it';

/** Where the last life of this watcher ended. */
const Position = z.object({ at: z.number(), runId: z.string(), jails: z.array(z.string()).max(2 * MOST_JAILS) });
type Position = z.infer<typeof Position>;

const EMPTY: ActiveHash = { bans: new Map(), spellings: new Map(), garbage: [] };

/** Whether something done every `everyMs` is to be done again; a clock that was set back does not put it off. */
export function isDue(lastAt: number | undefined, everyMs: number, now: number): boolean {
  return lastAt === undefined || now - lastAt >= everyMs || now < lastAt;
}

/** Reads the whole state, over one connection, when it may have changed; and tells it when it has. */
export class BanHashes {
  readonly #client: Redis;
  readonly #onGarbage: (fields: readonly string[]) => void;
  readonly #last: Position | undefined;
  readonly #clearReasons: ClearReasons;
  readonly #jails: Set<string>;
  #runId = '';
  #hash: Readonly<Record<string, string>> | undefined;
  #active = EMPTY;
  #listed = '';
  #lengths = '';
  #readAt: number | undefined;
  #toldAt: number | undefined;
  #keys: readonly KeyBan[] = [];
  #keysAreComplete = false;

  constructor(client: Redis, from: Cursor | undefined, onGarbage: (fields: readonly string[]) => void) {
    this.#client = client;
    this.#clearReasons = new ClearReasons({
      messages: (since, isLast) => readMessages(client, since, isLast),
      isStarting: async () => {
        const [, listeners] = (await client.pubsub('NUMSUB', 'F2B_CHANNEL')) as [string, number | string];
        return Number(listeners) === 0;
      },
    });
    this.#last = readPosition(from);
    this.#onGarbage = onGarbage;
    this.#jails = new Set(this.#last?.jails);
  }

  get spellings(): ReadonlyMap<Network, string> {
    return this.#active.spellings;
  }

  async open(): Promise<void> {
    this.#runId = /^run_id:(\w+)/m.exec(await this.#client.info('server'))?.[1] ?? '';
  }

  /** Whether this Redis is mailcow's. A new one becomes that when netfilter first starts. */
  async isMailcow(): Promise<boolean> {
    return (await this.#client.exists('F2B_OPTIONS', 'F2B_REGEX', 'NETFILTER_LOG', 'F2B_ACTIVE_BANS')) > 0;
  }

  position(at: number): Cursor {
    return JSON.stringify({ at, runId: this.#runId, jails: [...this.#jails] } satisfies Position);
  }

  /** Bans that were found as keys: part of the state, which is told at the next poll if they differ. */
  setKeys({ bans, isComplete }: { bans: readonly KeyBan[]; isComplete: boolean }): void {
    const keys = bans.map((ban) => {
      const jail = this.#jails.size < MOST_JAILS || this.#jails.has(ban.jail) ? ban.jail : OTHER_JAIL;
      this.#jails.add(jail);
      return { ...ban, jail };
    });
    if (this.#keysAreComplete !== isComplete || !isSameKeys(this.#keys, keys)) this.#toldAt = undefined;
    this.#keysAreComplete = isComplete;
    this.#keys = keys;
  }

  /** The state if it differs from the one told last, was not told for a while, or `isWanted` whatever it is. */
  async poll(now: number, { isWanted = false } = {}): Promise<Snapshot | undefined> {
    const client = this.#client;
    const isToBeTold = isWanted || isDue(this.#toldAt, REFRESH_MS, now);
    const lengths = (await Promise.all(HASHES.map((hash) => client.hlen(hash)))).join();
    if (!isToBeTold && lengths === this.#lengths && !isDue(this.#readAt, this.#readEveryMs(), now)) return undefined;
    const [hash, ...lists] = await Promise.all([
      client.hgetall('F2B_ACTIVE_BANS'),
      ...LISTS.map((list) => client.hkeys(list)),
    ]);
    const listed = JSON.stringify(lists.map((fields) => fields.sort()));
    const isSame = this.#hash !== undefined && isSameHash(this.#hash, hash);
    if (isSame && this.#listed === listed && !isToBeTold) {
      this.#lengths = lengths;
      this.#readAt = now;
      return undefined;
    }
    const active = isSame ? this.#active : readActiveBans(hash);
    if (!isSame && active.garbage.length > 0) this.#onGarbage(active.garbage);
    const cleared = await this.#whyCleared(active, now);
    this.#hash = hash;
    this.#active = active;
    this.#listed = listed;
    this.#lengths = lengths;
    this.#readAt = now;
    this.#toldAt = now;
    return {
      at: now,
      jails: [...new Set(['netfilter', ...(this.#keysAreComplete ? this.#jails : [])])],
      bans: [...this.#bans(active), ...this.#keys],
      denylist: readEntries([...(lists[0] ?? []), ...(lists[1] ?? [])]),
      allowlist: readEntries(lists[2] ?? []),
      ...(cleared !== undefined && { cleared }),
    };
  }

  #readEveryMs(): number {
    const { size } = this.#active.bans;
    const { perBan, least, most } = LARGE_HASH_EVERY_MS;
    return size <= LARGE_HASH ? 0 : Math.min(Math.max(size * perBan, least), most);
  }

  *#bans({ bans }: ActiveHash): Iterable<Snapshot['bans'][number]> {
    for (const [network, until] of bans) yield { jail: 'netfilter', network, ...(until !== undefined && { until }) };
  }

  /** Why bans that had time left are gone, if it was not a person. */
  async #whyCleared({ bans }: ActiveHash, now: number): Promise<string | undefined> {
    const lastSeenAt = this.#readAt;
    if (this.#hash === undefined || lastSeenAt === undefined) {
      if (this.#last === undefined) return undefined;
      return this.#last.runId === this.#runId ? this.#clearReasons.ofAbsence(this.#last.at) : REDIS_RESTARTED;
    }
    const loss = lossBetween(this.#active.bans, bans, { lastSeenAt, now });
    return loss === undefined ? undefined : await this.#clearReasons.ofLoss(loss, now);
  }
}

/** An end that is reckoned from the time that is left is never twice the same to the millisecond. */
const SAME_END_MS = 2_000;

function isSameKeys(before: readonly KeyBan[], after: readonly KeyBan[]): boolean {
  if (before.length !== after.length) return false;
  const ends = new Map(before.map(({ jail, network, until }) => [`${jail} ${network}`, until]));
  return after.every(({ jail, network, until }) => {
    const end = ends.get(`${jail} ${network}`);
    return end === until || (end !== undefined && Math.abs(end - until) < SAME_END_MS);
  });
}

function readPosition(cursor: Cursor | undefined): Position | undefined {
  if (cursor === undefined) return undefined;
  try {
    return Position.parse(JSON.parse(cursor));
  } catch {
    return undefined;
  }
}

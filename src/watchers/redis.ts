import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { PermanentError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Network } from '../core/network.ts';
import type {
  Batch,
  Cursor,
  HealthReport,
  RedisAddress,
  Snapshot,
  Watcher,
  WatcherDefinition,
} from '../core/watcher.ts';
import { connectRedis, explainRedisError } from './redis-connection.ts';
import { NetfilterHealth } from './redis-health.ts';
import { type KeyBan, scanKeyBans } from './redis-keys.ts';
import { Looks } from './redis-looks.ts';
import {
  type ActiveBans,
  clearReason,
  isSameBans,
  messagesSince,
  readActiveBans,
  readNetworks,
} from './redis-state.ts';

const Options = z.object({
  poll_interval_ms: z.int().min(100).max(60_000).default(1_000).describe('How often the hashes are read'),
  deaf_after_seconds: z
    .number()
    .min(1)
    .max(3_600)
    .default(15)
    .describe('Netfilter is told as down when it has not listened for this long'),
  fail2ban_keys: z
    .string()
    .regex(/^[^*?[\]]{1,128}\*$/, 'expected a prefix and *, such as fail2ban:*')
    .optional()
    .describe("Keys that stand for bans. Default: `fail2ban:*` where the Redis is not mailcow's"),
});
type Options = z.output<typeof Options>;

/** The bans as Redis has them: mailcow's hashes, or keys that other stacks keep. */
export const redisWatcher: WatcherDefinition<typeof Options> = {
  type: 'redis',
  summary: 'The state of all bans in Redis; it confirms what the log says',
  options: Options,
  reads: 'redis',
  tellsOf: () => true,
  create: (name, options, { redis, clock, logger }) => {
    if (redis === undefined) throw new PermanentError(`the watcher ${name} needs \`redis\` in the configuration`);
    return new RedisWatcher(name, options, redis, clock, logger);
  },
};

/** A tenth of what is read each time is enough where there is much of it. */
const LARGE_HASH = 1_000;
const LARGE_HASH_EVERY_MS = 5_000;
/** The state is told anew this often though nothing has changed. */
const REFRESH_MS = 30_000;
const HEALTH_EVERY_MS = 5_000;
const KEYS_EVERY_MS = 10_000;
/** More than this of a ban's time left means that it did not just expire. */
const PURGE_TICK_MS = 10_000;
const FIRST_RECORDS = 1_000;
const RECORDS = 64;
const TOLD_GARBAGE = 100;

/** Where the last life of this watcher ended. */
const Position = z.object({ at: z.number(), runId: z.string(), jails: z.array(z.string()) });
type Position = z.infer<typeof Position>;

class RedisWatcher implements Watcher {
  readonly name: string;
  readonly authority = 'state';
  readonly witness = {
    covers: (jail: string) => jail === 'netfilter',
    look: (_jail: string, network: Network, expected: 'banned' | 'unbanned') => this.#looks.ask(network, expected),
  };
  readonly #options: Options;
  readonly #address: RedisAddress;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #looks: Looks;
  readonly #health: NetfilterHealth;
  readonly #garbage = new Set<string>();

  constructor(name: string, options: Options, address: RedisAddress, clock: Clock, logger: Logger) {
    this.name = name;
    this.#options = options;
    this.#address = address;
    this.#clock = clock;
    this.#logger = logger;
    this.#looks = new Looks(clock);
    this.#health = new NetfilterHealth(options.deaf_after_seconds * 1000);
  }

  async *watch(from: Cursor | undefined, signal: AbortSignal): AsyncIterable<Batch> {
    const client = await connectRedis(this.#address);
    const end = () => client.disconnect();
    signal.addEventListener('abort', end, { once: true });
    try {
      yield* this.#read(client, from, signal);
    } catch (error) {
      if (!signal.aborted) throw explainRedisError(error, 'Redis no longer answers');
    } finally {
      signal.removeEventListener('abort', end);
      client.disconnect();
    }
  }

  async *#read(client: Redis, from: Cursor | undefined, signal: AbortSignal): AsyncIterable<Batch> {
    const clock = this.#clock;
    const state = new StateReader(client, readPosition(from), (fields) => this.#tellGarbage(fields));
    await state.open();
    const keyPattern = this.#options.fail2ban_keys ?? (state.isMailcow ? undefined : 'fail2ban:*');
    let pollAt = clock.now();
    let healthAt = pollAt;
    let keysAt = pollAt;
    while (!signal.aborted) {
      const observations = await this.#looks.make(client);
      if (observations.length > 0) yield { observations };
      const now = clock.now();
      if (now >= pollAt) {
        const health: HealthReport[] = [];
        if (keyPattern !== undefined && now >= keysAt) {
          state.keys = await scanKeyBans(client, keyPattern, now);
          keysAt = now + KEYS_EVERY_MS;
        }
        if (state.isMailcow && now >= healthAt) {
          const report = await this.#health.check(client, now);
          if (report !== undefined) health.push(report);
          healthAt = now + HEALTH_EVERY_MS;
        }
        const snapshot = await state.poll(now);
        yield {
          observations: [],
          ...(snapshot !== undefined && { snapshot, cursor: state.position(now) }),
          ...(health.length > 0 && { health }),
        };
        pollAt = now + this.#options.poll_interval_ms;
      }
      await this.#looks.sleepUntil(pollAt, signal);
    }
  }

  #tellGarbage(fields: readonly string[]): void {
    for (const field of fields) {
      if (this.#garbage.has(field) || this.#garbage.size >= TOLD_GARBAGE) continue;
      this.#garbage.add(field);
      this.#logger.warn(
        { field: field.slice(0, 100) },
        'a field of F2B_ACTIVE_BANS is not a network and is passed over',
      );
    }
  }
}

/** Reads the whole state when it may have changed, and tells it when it has. */
class StateReader {
  isMailcow = false;
  keys: readonly KeyBan[] = [];
  readonly #client: Redis;
  readonly #onGarbage: (fields: readonly string[]) => void;
  readonly #last: Position | undefined;
  readonly #jails: Set<string>;
  #runId = '';
  #active: ActiveBans | undefined;
  #permanent = '';
  #keys: readonly KeyBan[] = [];
  #lengths = '';
  #readAt = 0;
  #toldAt = 0;

  constructor(client: Redis, last: Position | undefined, onGarbage: (fields: readonly string[]) => void) {
    this.#client = client;
    this.#last = last;
    this.#onGarbage = onGarbage;
    this.#jails = new Set(['netfilter', ...(last?.jails ?? [])]);
  }

  async open(): Promise<void> {
    this.#runId = /^run_id:(\w+)/m.exec(await this.#client.info('server'))?.[1] ?? '';
    this.isMailcow = (await this.#client.exists('F2B_OPTIONS', 'F2B_REGEX', 'NETFILTER_LOG', 'F2B_ACTIVE_BANS')) > 0;
  }

  position(at: number): Cursor {
    return JSON.stringify({ at, runId: this.#runId, jails: [...this.#jails] } satisfies Position);
  }

  /** The state if it differs from the one told last, or was not told for a while. */
  async poll(now: number): Promise<Snapshot | undefined> {
    const isDue = now - this.#toldAt >= REFRESH_MS || this.#keys !== this.keys;
    const lengths = `${await this.#client.hlen('F2B_ACTIVE_BANS')} ${await this.#client.hlen('F2B_PERM_BANS')}`;
    const isLarge = (this.#active?.size ?? 0) > LARGE_HASH;
    if (!isDue && lengths === this.#lengths && isLarge && now - this.#readAt < LARGE_HASH_EVERY_MS) return undefined;
    const [hash, permanent] = [
      await this.#client.hgetall('F2B_ACTIVE_BANS'),
      (await this.#client.hkeys('F2B_PERM_BANS')).sort(),
    ];
    const { bans, garbage } = readActiveBans(hash);
    if (garbage.length > 0) this.#onGarbage(garbage);
    const before = this.#active;
    const beforeAt = this.#readAt;
    this.#lengths = lengths;
    this.#readAt = now;
    const isSame = before !== undefined && isSameBans(before, bans) && this.#permanent === permanent.join();
    if (isSame && !isDue) return undefined;
    const cleared = await this.#whyCleared(before, bans, beforeAt, now);
    this.#active = bans;
    this.#permanent = permanent.join();
    this.#keys = this.keys;
    this.#toldAt = now;
    for (const { jail } of this.keys) this.#jails.add(jail);
    return {
      at: now,
      jails: [...this.#jails],
      bans: [
        ...[...bans].map(([network, until]) => ({ jail: 'netfilter', network, ...(until !== undefined && { until }) })),
        ...this.keys,
      ],
      denylist: readNetworks(permanent),
      ...(cleared !== undefined && { cleared }),
    };
  }

  /** Why bans that had time left are gone, if it was not a person. */
  async #whyCleared(
    before: ActiveBans | undefined,
    bans: ActiveBans,
    beforeAt: number,
    now: number,
  ): Promise<string | undefined> {
    if (before === undefined) {
      if (this.#last === undefined) return undefined;
      if (this.#last.runId !== this.#runId) return 'Redis was restarted, and netfilter with it';
      return clearReason(
        messagesSince(await this.#client.lrange('NETFILTER_LOG', 0, FIRST_RECORDS - 1), this.#last.at),
      );
    }
    const unexpired = [...before].filter(([, until]) => until !== undefined && now < until - PURGE_TICK_MS);
    const lost = unexpired.filter(([network]) => !bans.has(network));
    if (lost.length === 0) return undefined;
    const records = await this.#client.lrange('NETFILTER_LOG', 0, RECORDS - 1);
    const messages = messagesSince(records, beforeAt);
    const reason = clearReason(messages);
    if (reason !== undefined) return reason;
    // Several that were lifted together, one by one in the log.
    if (lost.every(([network]) => messages.includes(`Unbanning ${network}`))) return undefined;
    return lost.length > 1 && lost.length === unexpired.length ? 'all of them vanished from Redis at once' : undefined;
  }
}

function readPosition(cursor: Cursor | undefined): Position | undefined {
  if (cursor === undefined) return undefined;
  try {
    return Position.parse(JSON.parse(cursor));
  } catch {
    return undefined;
  }
}

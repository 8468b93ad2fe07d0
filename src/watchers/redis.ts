import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Network } from '../core/network.ts';
import { safeText } from '../core/text.ts';
import type { Batch, Cursor, RedisAddress, Watcher, WatcherDefinition } from '../core/watcher.ts';
import { connectRedis, explainRedisError, redisOf } from './redis-connection.ts';
import { BanHashes, isDue } from './redis-hashes.ts';
import { HEALTH_EVERY_MS, NetfilterHealth } from './redis-health.ts';
import { scanKeyBans } from './redis-keys.ts';
import { Looks } from './redis-looks.ts';

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
  byDefault: true,
  tellsOf: () => true,
  create: (name, options, tools) => new RedisWatcher(name, options, redisOf(name, tools), tools.clock, tools.logger),
};

const KEYS_EVERY_MS = 10_000;
const TOLD_GARBAGE = 100;

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
  readonly #toldGarbage = new Set<string>();
  #isTooManyTold = false;

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
    let client: Redis | undefined;
    const end = () => client?.disconnect();
    signal.addEventListener('abort', end, { once: true });
    try {
      client = await connectRedis(this.#address, signal);
      yield* this.#read(client, from, signal);
    } catch (error) {
      if (!signal.aborted) throw explainRedisError(error, 'Redis cannot be read');
    } finally {
      signal.removeEventListener('abort', end);
      client?.disconnect();
    }
  }

  async *#read(client: Redis, from: Cursor | undefined, signal: AbortSignal): AsyncIterable<Batch> {
    const { poll_interval_ms: everyMs, fail2ban_keys: wantedKeys } = this.#options;
    const hashes = new BanHashes(client, from, (fields) => this.#tellGarbage(fields));
    await hashes.open();
    this.#health.begin();
    let isMailcow = false;
    let polledAt: number | undefined;
    let checkedAt: number | undefined;
    let scannedAt: number | undefined;
    while (!signal.aborted) {
      // The whole state first: it tells why a field is gone, which a look at the field cannot.
      const observations = polledAt === undefined ? [] : await this.#looks.make(client, hashes.spellings);
      if (observations.length > 0) yield { observations };
      const now = this.#clock.now();
      const isWanted = this.#looks.takeOverfull();
      if (isWanted || isDue(polledAt, everyMs, now)) {
        polledAt = now;
        let health: Batch['health'];
        if (isDue(checkedAt, HEALTH_EVERY_MS, now)) {
          checkedAt = now;
          isMailcow ||= await hashes.isMailcow();
          const report = isMailcow ? await this.#health.check(client, now) : undefined;
          if (report !== undefined) health = [report];
        }
        // Once told of, such keys are followed to their end.
        const keys = wantedKeys ?? (isMailcow && scannedAt === undefined ? undefined : 'fail2ban:*');
        if (keys !== undefined && isDue(scannedAt, KEYS_EVERY_MS, now)) {
          scannedAt = now;
          const found = await scanKeyBans(client, keys, now);
          if (!found.isComplete) this.#tellTooMany(found.bans.length);
          hashes.setKeys(found);
        }
        const snapshot = await hashes.poll(now, { isWanted });
        yield {
          observations: [],
          ...(snapshot !== undefined && { snapshot, cursor: hashes.position(now) }),
          ...(health !== undefined && { health }),
        };
      }
      const untilPoll = (polledAt ?? now) + everyMs - this.#clock.now();
      await this.#looks.sleep(Math.min(untilPoll, everyMs), signal);
    }
  }

  #tellGarbage(fields: readonly string[]): void {
    for (const field of fields) {
      if (this.#toldGarbage.size >= TOLD_GARBAGE) return;
      const shown = safeText(field, 100);
      if (this.#toldGarbage.has(shown)) continue;
      this.#toldGarbage.add(shown);
      this.#logger.warn({ field: shown }, 'F2B_ACTIVE_BANS holds something that is no network with a time');
    }
  }

  #tellTooMany(kept: number): void {
    if (this.#isTooManyTold) return;
    this.#isTooManyTold = true;
    this.#logger.warn({ kept }, 'there are more keys that stand for bans than can be kept; ends of bans are not told');
  }
}

import type { Redis } from 'ioredis';
import { TransientError } from '../../core/errors.ts';
import { type Network, parseNetwork } from '../../core/network.ts';
import type { ListingUnbanner, StandingBan } from '../../core/unbanner.ts';
import type { RedisAddress } from '../../core/watcher.ts';
import { connectRedis, explainRedisError } from '../../watchers/redis-connection.ts';

const JAIL = 'netfilter';
const BANS = 'F2B_ACTIVE_BANS';
const QUEUE = 'F2B_QUEUE_UNBAN';
const ALLOWLIST = 'F2B_WHITELIST';
const DENYLIST = 'F2B_BLACKLIST';
/** Netfilter works its queue off every ten seconds. */
const TAKES_MS = 12_000;
/** A hash with more fields is not looked through for another spelling: that would hold Redis up. */
const MOST_FIELDS = 50_000;
/** So often the bans may change between the look and the order. */
const MOST_TRIES = 50;
const RIGHTS = '~F2B_* +hget +hexists +hlen +hkeys +hset +hsetnx +hdel +eval';
const NO_SCRIPTS = /\bNOPERM\b.*\beval\b/;

/** Lifts mailcow's bans by the queue in its Redis: what netfilter does with a button of mailcow's web interface. */
export function createRedisUnbanner(address: RedisAddress): ListingUnbanner {
  const use = <T>(signal: AbortSignal, work: (client: Redis) => Promise<T>) => withRedis(address, signal, work);
  const add =
    (list: string) =>
    (_jail: string, network: Network, signal: AbortSignal, onAbsent: () => void = () => {}): Promise<boolean> =>
      use(signal, async (client) => {
        if ((await spellingIn(client, list, network)) !== undefined) return false;
        onAbsent();
        return (await client.hsetnx(list, network, '1')) === 1;
      });
  return {
    name: 'redis',
    takesMs: TAKES_MS,
    covers: (jail) => jail === JAIL,
    look: (_jail, network, signal) => use(signal, (client) => readBan(client, network)),
    lift: (_jail, network, signal) => use(signal, (client) => queue(client, network)),
    allow: add(ALLOWLIST),
    deny: (jail, network, signal) => add(DENYLIST)(jail, network, signal),
    disallow: (_jail, network, signal) =>
      use(signal, async (client) => {
        const field = await spellingIn(client, ALLOWLIST, network);
        return field !== undefined && (await client.hdel(ALLOWLIST, field)) === 1;
      }),
    standing: (signal) =>
      use(signal, async (client) =>
        (await client.hkeys(BANS)).flatMap((field) => {
          const network = parseNetwork(field);
          return network === undefined ? [] : [{ jail: JAIL, network }];
        }),
      ),
  };
}

async function readBan(client: Redis, network: Network): Promise<StandingBan | undefined> {
  const field = await spellingIn(client, BANS, network);
  const value = field === undefined ? null : await client.hget(BANS, field);
  if (value === null) return undefined;
  return { until: /^\d{1,11}$/.test(value) ? Number(value) * 1_000 : undefined };
}

/** Orders what is banned, in one step: between a look and the order nothing can happen. */
const ORDER = `
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], '1')
return 1`;

/**
 * A script, as WATCH gives up wherever others are being banned, and that is when lifts are asked for; a user of Redis who
 * may run none makes do with it. Should the ban end before netfilter comes to the order, netfilter drops it.
 */
async function queue(client: Redis, network: Network): Promise<boolean> {
  const field = await spellingIn(client, BANS, network);
  if (field === undefined) return false;
  try {
    return (await client.eval(ORDER, 2, BANS, QUEUE, field)) === 1;
  } catch (error) {
    if (!NO_SCRIPTS.test(String(error))) throw error;
    return await queueWatching(client, field);
  }
}

/** https://redis.io/docs/latest/develop/interact/transactions/#optimistic-locking-using-check-and-set */
async function queueWatching(client: Redis, field: string): Promise<boolean> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    await client.watch(BANS);
    if ((await client.hexists(BANS, field)) === 0) return false;
    const done = await client.multi().hset(QUEUE, field, '1').exec();
    if (done === null) continue;
    const error = done[0]?.[0];
    if (error != null) throw error;
    return true;
  }
  throw new TransientError('the bans change too fast to lift one without the right +eval in Redis');
}

/** The field as it is spelt there: netfilter takes nothing else. */
async function spellingIn(client: Redis, hash: string, network: Network): Promise<string | undefined> {
  if ((await client.hexists(hash, network)) === 1) return network;
  if ((await client.hlen(hash)) > MOST_FIELDS) return undefined;
  return (await client.hkeys(hash)).find((field) => parseNetwork(field) === network);
}

/** A connection for as long as the work takes: there is hardly ever any. */
async function withRedis<T>(
  address: RedisAddress,
  signal: AbortSignal,
  work: (client: Redis) => Promise<T>,
): Promise<T> {
  const client = await connectRedis(address, signal);
  const end = () => client.disconnect();
  signal.addEventListener('abort', end, { once: true });
  try {
    return await work(client);
  } catch (error) {
    throw explainRefusal(error);
  } finally {
    signal.removeEventListener('abort', end);
    client.disconnect();
  }
}

function explainRefusal(error: unknown): unknown {
  // What is wrong with an order in a transaction comes as the cause of its failure.
  const errors =
    error instanceof Error && 'previousErrors' in error ? [error, ...asList(error.previousErrors)] : [error];
  const text = errors.map(String).join(' ');
  if (/\bNOPERM\b|ACL failure in script|can't run this command/.test(text)) {
    return new TransientError(`Redis does not permit the user to lift bans: it needs the rights ${RIGHTS}`, {
      refusal: true,
    });
  }
  if (/\bREADONLY\b/.test(text)) {
    return new TransientError('this Redis is a read-only replica: redis.url must name the one that netfilter uses', {
      refusal: true,
    });
  }
  return explainRedisError(error, 'Redis failed');
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

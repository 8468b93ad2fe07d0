import type { Redis } from 'ioredis';
import { TransientError } from '../../core/errors.ts';
import { type Network, parseNetwork } from '../../core/network.ts';
import type { StandingBan, Unbanner } from '../../core/unbanner.ts';
import type { RedisAddress } from '../../core/watcher.ts';
import { connectRedis, explainRedisError } from '../../watchers/redis-connection.ts';

const BANS = 'F2B_ACTIVE_BANS';
const QUEUE = 'F2B_QUEUE_UNBAN';
const ALLOWLIST = 'F2B_WHITELIST';
const DENYLIST = 'F2B_BLACKLIST';
/** Netfilter works its queue off every ten seconds. */
const TAKES_MS = 12_000;
/** Fields that are looked through for another spelling. */
const MOST_FIELDS = 50_000;
/** Lifts mailcow's bans by the queue in its Redis: what netfilter does with a button of mailcow's web interface. */
export function createRedisUnbanner(address: RedisAddress): Unbanner {
  const use = <T>(signal: AbortSignal, work: (client: Redis) => Promise<T>) => withRedis(address, signal, work);
  const add = (list: string) => (_jail: string, network: Network, signal: AbortSignal) =>
    use(signal, async (client) => {
      if ((await spellingIn(client, list, network)) !== undefined) return false;
      return (await client.hsetnx(list, network, '1')) === 1;
    });
  return {
    name: 'redis',
    takesMs: TAKES_MS,
    covers: (jail) => jail === 'netfilter',
    look: (_jail, network, signal) => use(signal, async (client) => await readBan(client, network)),
    lift: (_jail, network, signal) => use(signal, async (client) => await queue(client, network)),
    allow: add(ALLOWLIST),
    deny: add(DENYLIST),
    disallow: (_jail, network, signal) =>
      use(signal, async (client) => {
        const field = await spellingIn(client, ALLOWLIST, network);
        return field !== undefined && (await client.hdel(ALLOWLIST, field)) === 1;
      }),
  };
}

async function readBan(client: Redis, network: Network): Promise<StandingBan | undefined> {
  const field = await spellingIn(client, BANS, network);
  const value = field === undefined ? null : await client.hget(BANS, field);
  if (value === null) return undefined;
  return { until: /^\d{1,12}(?:\.\d+)?$/.test(value) ? Number(value) * 1000 : undefined };
}

/** Should it end before netfilter comes to it, netfilter drops the entry. */
async function queue(client: Redis, network: Network): Promise<boolean> {
  const field = await spellingIn(client, BANS, network);
  if (field === undefined) return false;
  await client.hset(QUEUE, field, '1');
  return true;
}

/** The field as it is spelt there: netfilter takes nothing else. */
async function spellingIn(client: Redis, hash: string, network: Network): Promise<string | undefined> {
  if ((await client.hexists(hash, network)) === 1) return network;
  if ((await client.hlen(hash)) > MOST_FIELDS) return undefined;
  return (await client.hkeys(hash)).find((field) => parseNetwork(field) === network);
}

/** A connection for as long as the work takes. */
async function withRedis<T>(
  address: RedisAddress,
  signal: AbortSignal,
  work: (client: Redis) => Promise<T>,
): Promise<T> {
  const client = await connectRedis(address, signal);
  try {
    return await work(client);
  } catch (error) {
    throw explainUnban(error);
  } finally {
    client.disconnect();
  }
}

function explainUnban(error: unknown): unknown {
  const text = error instanceof Error ? error.message : '';
  if (/\bNOPERM\b/.test(text)) {
    return new TransientError(
      `Redis does not permit this: the user needs HGET, HKEYS, HLEN, HEXISTS, HSET, HSETNX and HDEL on F2B_*: ${text}`,
    );
  }
  if (/\bREADONLY\b/.test(text))
    return new TransientError('this Redis is a read-only replica: name the one that netfilter uses');
  return explainRedisError(error, 'Redis failed');
}

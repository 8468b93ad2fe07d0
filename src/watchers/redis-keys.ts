import type { Redis } from 'ioredis';
import { type Network, parseNetwork } from '../core/network.ts';

/** A ban that some stacks keep as a key, `fail2ban:<address>`, with its end as the time to live. */
export interface KeyBan {
  jail: string;
  network: Network;
  /** ms since the epoch; Infinity for a key that does not expire. */
  until: number;
}

const SCAN_COUNT = 1_000;
const MOST_KEYS = 100_000;
const JAIL = /^[A-Za-z][\w.-]{0,63}$/;
/** One more than a jail's name may have: a value can be anything, and of any length. */
const VALUE_END = 64;

/**
 * All keys that match the pattern and name an address; walked in steps that do not hold Redis up. Not complete where
 * there are more than can be kept.
 */
export async function scanKeyBans(
  client: Redis,
  pattern: string,
  now: number,
  most = MOST_KEYS,
): Promise<{ bans: KeyBan[]; isComplete: boolean }> {
  const prefix = pattern.slice(0, -1);
  const found = new Map<string, KeyBan>();
  let cursor = '0';
  do {
    const [next, keys] = await client.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT);
    cursor = next;
    for (const ban of await readKeys(client, keys, prefix, now)) {
      const name = `${ban.jail} ${ban.network}`;
      if (found.has(name)) continue;
      if (found.size >= most) return { bans: [...found.values()], isComplete: false };
      found.set(name, ban);
    }
  } while (cursor !== '0');
  return { bans: [...found.values()], isComplete: true };
}

async function readKeys(client: Redis, keys: readonly string[], prefix: string, now: number): Promise<KeyBan[]> {
  const named = keys.flatMap((key) => {
    const place = readKey(key.slice(prefix.length));
    return place === undefined ? [] : [{ key, ...place }];
  });
  if (named.length === 0) return [];
  const pipeline = client.pipeline();
  for (const { key } of named) pipeline.getrange(key, 0, VALUE_END).pttl(key);
  const answers = (await pipeline.exec()) ?? [];
  return named.flatMap(({ network, jail }, index) => {
    const [valueError, value] = answers[index * 2] ?? [];
    const [ttlError, ttl] = answers[index * 2 + 1] ?? [];
    // Nothing is known of it, which is not the same as that it is gone.
    if (ttlError != null) throw ttlError;
    // -2: gone meanwhile; -1: without an end.
    if (typeof ttl !== 'number' || ttl === -2) return [];
    const told = valueError == null && typeof value === 'string' && JAIL.test(value) ? value : undefined;
    return [{ jail: jail ?? told ?? 'fail2ban', network, until: ttl < 0 ? Number.POSITIVE_INFINITY : now + ttl }];
  });
}

/** `203.0.113.7`, `2001:db8::7`, or with a jail in front: `sshd:203.0.113.7`. */
function readKey(rest: string): { network: Network; jail?: string } | undefined {
  const network = parseNetwork(rest);
  if (network !== undefined) return { network };
  const colon = rest.indexOf(':');
  const jail = rest.slice(0, Math.max(colon, 0));
  const behind = JAIL.test(jail) ? parseNetwork(rest.slice(colon + 1)) : undefined;
  return behind === undefined ? undefined : { network: behind, jail };
}

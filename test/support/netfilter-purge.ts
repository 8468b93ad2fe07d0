import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';

export interface NetfilterPurge {
  /** What netfilter printed of it, in order; it is in NETFILTER_LOG, too. */
  readonly printed: string[];
  /** Networks whose ban it lifted. */
  readonly lifted: string[];
  stop(): Promise<void>;
}

/**
 * Plays the part of netfilter that lifts bans: every `everyMs` (ten seconds in the real one) it works off F2B_QUEUE_UNBAN,
 * takes a field that is spelt as the ban is, and drops any other. It knows the bans that it has made itself: `forgotten` are
 * those that an earlier life of it left in the hash.
 * https://github.com/mailcow/mailcow-dockerized/blob/master/data/Dockerfiles/netfilter/main.py (autopurge, unban)
 */
export function startPurge(client: Redis, { everyMs = 200, forgotten = [] as string[] } = {}): NetfilterPurge {
  const printed: string[] = [];
  const lifted: string[] = [];
  const stop = new AbortController();
  const print = async (message: string) => {
    printed.push(message);
    await client.lpush(
      'NETFILTER_LOG',
      JSON.stringify({ time: Math.round(Date.now() / 1_000), priority: 'info', message }),
    );
  };
  const work = async () => {
    for (const field of Object.keys(await client.hgetall('F2B_QUEUE_UNBAN'))) {
      if (!forgotten.includes(field) && (await client.hexists('F2B_ACTIVE_BANS', field)) === 1) {
        await print(`Unbanning ${field}`);
        await client.hdel('F2B_ACTIVE_BANS', field);
        lifted.push(field);
      } else {
        await print(`${field} is not banned, skipping unban and deleting from queue (if any)`);
      }
      await client.hdel('F2B_QUEUE_UNBAN', field);
    }
  };
  const done = (async () => {
    while (!stop.signal.aborted) {
      await sleep(everyMs, undefined, { signal: stop.signal }).catch(() => {});
      if (!stop.signal.aborted) await work().catch(() => {});
    }
  })();
  return {
    printed,
    lifted,
    async stop() {
      stop.abort();
      await done;
    },
  };
}

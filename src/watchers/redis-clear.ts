import type { Redis } from 'ioredis';
import type { Network } from '../core/network.ts';
import { RESTART_MARKER, readMessages, STOP_MARKER } from './redis-log.ts';

/** A marker may be this much older than the look that saw every ban still stand: a stop takes its time. */
const BEFORE_MS = 2_000;
/** A stop that lifts thousands of bans one by one goes on until none was lifted for this long. */
const STOP_GOES_ON_MS = 10_000;

const RESTARTED = 'netfilter restarted';
const STOPPED = 'netfilter was stopped';
const VANISHED = 'all of them vanished from Redis at once';
const REDIS_RESTARTED = 'Redis was restarted, and netfilter with it';

/** Bans that stood at the last look, had time left, and are gone. */
export interface Loss {
  networks: readonly Network[];
  /** Nothing that had time left is still there. */
  isAll: boolean;
  /** When all of them were last seen, in ms since the epoch. */
  lastSeenAt: number;
}

/** Tells bans that netfilter dropped, all at once, from those that a person lifted. */
export class ClearReasons {
  #stoppingUntil = 0;

  /** Why they are gone, for a person; undefined if they were lifted one by one. */
  async ofLoss(client: Redis, loss: Loss, now: number): Promise<string | undefined> {
    const messages = await readMessages(client, loss.lastSeenAt - BEFORE_MS, isMarker);
    const marker = messages.at(-1);
    if (marker === RESTART_MARKER) return RESTARTED;
    if (marker === STOP_MARKER || now < this.#stoppingUntil) {
      this.#stoppingUntil = now + STOP_GOES_ON_MS;
      return STOPPED;
    }
    const said = new Set(messages);
    if (!loss.isAll || loss.networks.every((network) => said.has(`Unbanning ${network}`))) return undefined;
    if (loss.networks.length > 1) return VANISHED;
    // It empties the hash a while before it listens and says so.
    const [, listeners] = (await client.pubsub('NUMSUB', 'F2B_CHANNEL')) as [string, number | string];
    return Number(listeners) === 0 ? RESTARTED : undefined;
  }

  /** Why bans may be missing that stood when cowbell, or Redis, was last here. */
  async ofAbsence(client: Redis, since: number, isOtherRedis: boolean): Promise<string | undefined> {
    if (isOtherRedis) return REDIS_RESTARTED;
    const marker = (await readMessages(client, since, isMarker)).at(-1);
    if (marker === RESTART_MARKER) return RESTARTED;
    return marker === STOP_MARKER ? STOPPED : undefined;
  }
}

/** The newest of the two says what happened last. */
function isMarker(message: string): boolean {
  return message === RESTART_MARKER || message === STOP_MARKER;
}

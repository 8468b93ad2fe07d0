import type { Redis } from 'ioredis';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Cursor, LogChunk, LogSource, RedisAddress } from '../core/watcher.ts';
import { chunksOf, type ListReading } from './list-chunks.ts';
import { countFresh, formatPlace, isNewest, type ListPlace, parsePlace, placeAt } from './list-place.ts';
import { connectRedis, explainRedisError } from './redis-connection.ts';

const POLL_MS = 1_000;
/** How far back reading begins where there is no cursor yet. */
const LOOK_BACK_MS = 600_000;
/** Mailcow trims its lists to 10 000 by default; LOG_LINES may say more. */
const MOST_RECORDS = 50_000;
/** Read at first, to see whether anything is new. */
const FIRST_LOOK = 64;
/** A look at the newest record alone can be deceived by others that are the same, but not for long. */
const FULL_LOOK_EVERY = 30;

export interface RedisListOptions {
  key: string;
  address: RedisAddress;
  clock: Clock;
  logger: Logger;
  pollMs?: number;
  /** The line that a record stands for; a program's log line if not given. Undefined for what is none. */
  textOf?: (record: unknown, raw: string) => string | undefined;
}

/**
 * A log that mailcow keeps as a Redis list, the newest first. The place is found again by overlap; where more records
 * were trimmed away than could be read in time, the chunk says that some were missed.
 */
export function createRedisList(options: RedisListOptions): LogSource {
  return {
    name: `list ${options.key}`,
    async *read(from: Cursor | undefined, signal: AbortSignal): AsyncIterable<LogChunk> {
      let client: Redis | undefined;
      const end = () => client?.disconnect();
      signal.addEventListener('abort', end, { once: true });
      try {
        client = await connectRedis(options.address, signal);
        yield* follow(client, options, parsePlace(from), signal);
      } catch (error) {
        if (!signal.aborted) throw explainRedisError(error, `the list ${options.key} cannot be read`);
      } finally {
        signal.removeEventListener('abort', end);
        client?.disconnect();
      }
    },
  };
}

async function* follow(
  client: Redis,
  options: RedisListOptions,
  from: ListPlace | undefined,
  signal: AbortSignal,
): AsyncIterable<LogChunk> {
  const { key, clock, logger, pollMs = POLL_MS } = options;
  let place = from;
  for (let poll = 0; !signal.aborted; poll++) {
    if (place !== undefined && poll % FULL_LOOK_EVERY !== 0 && (await isUnchanged(client, key, place))) {
      yield { lines: [] };
      await clock.sleep(pollMs, signal);
      continue;
    }
    const reading = await readFresh(client, key, place);
    const { length, records, fresh } = reading;
    const isMissed = fresh === undefined && place !== undefined;
    if (isMissed) logger.warn({ list: key, length }, 'records of a list were trimmed away before they could be read');
    const now = clock.now();
    yield* chunksOf(reading, {
      now,
      since: place === undefined ? now - LOOK_BACK_MS : undefined,
      missed: isMissed ? `records of ${key} were trimmed away before they could be read` : undefined,
      formatCursor: formatPlace,
      textOf: options.textOf,
    });
    place = placeAt(length, records);
    await clock.sleep(pollMs, signal);
  }
}

/** Whether the list looks as it was left: as long, and with the same record in front. */
async function isUnchanged(client: Redis, key: string, place: ListPlace): Promise<boolean> {
  const [length, newest] = await Promise.all([client.llen(key), client.lindex(key, 0)]);
  return length === place.length && isNewest(place, newest);
}

/** The newest records, as many as it takes to find the place again; all of them if it is not among them. */
async function readFresh(client: Redis, key: string, place: ListPlace | undefined): Promise<ListReading> {
  for (let wanted = place === undefined ? MOST_RECORDS : FIRST_LOOK; ; wanted = MOST_RECORDS) {
    const [lengthAnswer, rangeAnswer] =
      (await client
        .multi()
        .llen(key)
        .lrange(key, 0, wanted - 1)
        .exec()) ?? [];
    const error = lengthAnswer?.[0] ?? rangeAnswer?.[0];
    if (error) throw error;
    const length = Number(lengthAnswer?.[1] ?? 0);
    const records = (rangeAnswer?.[1] ?? []) as string[];
    const fresh = place === undefined ? undefined : countFresh(place, length, records);
    if (fresh !== undefined || wanted === MOST_RECORDS || records.length < wanted) return { length, records, fresh };
  }
}

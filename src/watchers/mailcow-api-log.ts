import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { TransientError } from '../core/errors.ts';
import type { HttpClient } from '../core/http.ts';
import type { Logger } from '../core/logger.ts';
import type { Cursor, LogChunk, LogSource, MailcowApiAddress } from '../core/watcher.ts';
import { chunksOf, type ListReading } from './list-chunks.ts';
import { countFresh, ListPlace, placeAt } from './list-place.ts';
import { createMailcowApi, type MailcowApi } from './mailcow-api-client.ts';
import { RECORD_COUNTS, readRecords } from './mailcow-api-words.ts';
import { untilNextPoll } from './poll-times.ts';

const POLL_MS = 30_000;
/** How far back reading begins where there is no cursor yet. */
const LOOK_BACK_MS = 600_000;
/** Logs that the API gives out as mailcow keeps them in Redis. */
type ApiLogName = 'netfilter' | 'postfix' | 'dovecot' | 'sogo' | 'ratelimited';

export interface MailcowApiLogOptions {
  /** As it is named in `/api/v1/get/logs/…`. */
  log: ApiLogName;
  address: MailcowApiAddress;
  http: HttpClient;
  clock: Clock;
  logger: Logger;
  pollMs?: number;
  /** The line that a record stands for; a program's log line if not given. Undefined for what is none. */
  textOf?: (record: unknown, raw: string) => string | undefined;
}

/** A place of another source is none of ours: the same records look otherwise there. */
const Place = z.object({ api: ListPlace });
const formatCursor = (place: ListPlace): Cursor => JSON.stringify({ api: place } satisfies z.infer<typeof Place>);

/**
 * A log that mailcow keeps as a list, read by its API. The place is found again by overlap, among ever more records; where
 * more came than mailcow gives out, the chunk says that some were missed.
 */
export function createMailcowApiLog(options: MailcowApiLogOptions): LogSource {
  return {
    name: `mailcow's log ${options.log}`,
    async *read(from: Cursor | undefined, signal: AbortSignal): AsyncIterable<LogChunk> {
      try {
        yield* follow(createMailcowApi(options), options, readPlace(from), signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
  };
}

async function* follow(
  api: MailcowApi,
  { log, clock, logger, pollMs = POLL_MS, textOf }: MailcowApiLogOptions,
  from: ListPlace | undefined,
  signal: AbortSignal,
): AsyncIterable<LogChunk> {
  let place = from;
  while (!signal.aborted) {
    const now = clock.now();
    const since = place === undefined ? now - LOOK_BACK_MS : undefined;
    const reading = await readFresh(api, log, place, signal);
    const { length, records, fresh } = reading;
    const isMissed = fresh === undefined && place !== undefined;
    if (isMissed) logger.warn({ log, read: records.length }, 'more records came than mailcow gives out');
    yield* chunksOf(reading, {
      now,
      since,
      missed: isMissed ? `more records of mailcow's log ${log} came than its API gives out` : undefined,
      formatCursor,
      textOf,
    });
    place = placeAt(length, records);
    await clock.sleep(untilNextPoll(clock.now(), pollMs), signal);
  }
}

/** The newest records: as many as it takes to find the place again, or all that are given out. */
async function readFresh(
  api: MailcowApi,
  log: ApiLogName,
  place: ListPlace | undefined,
  signal: AbortSignal,
): Promise<ListReading> {
  let reading: ListReading | undefined;
  for (const count of place === undefined ? RECORD_COUNTS.slice(1, 2) : RECORD_COUNTS) {
    const answer = await api.get(`logs/${log}/${count}`, signal);
    if (answer === undefined) break;
    const records = readRecords(answer).map((record) => JSON.stringify(record));
    // Some releases give one more than was asked for.
    const length = records.length < count ? records.length : undefined;
    reading = { length, records, fresh: place && countFresh(place, length, records) };
    if (reading.fresh !== undefined || length !== undefined) break;
  }
  if (reading === undefined) throw new TransientError(`a hundred records of mailcow's log ${log} are too long to read`);
  return reading;
}

function readPlace(cursor: Cursor | undefined): ListPlace | undefined {
  if (cursor === undefined) return undefined;
  try {
    return Place.parse(JSON.parse(cursor)).api;
  } catch {
    return undefined;
  }
}

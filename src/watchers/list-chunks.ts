import { toRfc3339 } from '../core/clock.ts';
import type { Cursor, LogChunk, LogLine } from '../core/watcher.ts';
import { type ListPlace, placeAt } from './list-place.ts';
import { recordText, recordTime } from './redis-record.ts';

/** Lines of one chunk. */
const CHUNK = 500;

/** What was read of a list of records, JSON each, the newest first. */
export interface ListReading {
  /** How many records the list has; undefined where that is only known to be more than were read. */
  length: number | undefined;
  records: readonly string[];
  /** How many of them, from the newest on, were not read before; undefined where that cannot be told. */
  fresh: number | undefined;
}

export interface ListReader {
  /** ms since the epoch. */
  now: number;
  /** Older records are passed over. */
  since?: number | undefined;
  /** Records in front of these were lost: what happened, for a person. */
  missed?: string | undefined;
  formatCursor(place: ListPlace): Cursor;
  /** The line that a record stands for; a program's log line if not given. Undefined for what is none. */
  textOf?: ((record: unknown, raw: string) => string | undefined) | undefined;
}

/** The fresh records from the oldest on, each chunk with the place behind it; one without lines if there are none. */
export function* chunksOf({ length, records, fresh }: ListReading, reader: ListReader): Iterable<LogChunk> {
  const { now, since = Number.NEGATIVE_INFINITY, formatCursor, textOf = recordText } = reader;
  let { missed } = reader;
  let end = fresh ?? records.length;
  do {
    const start = Math.max(0, end - CHUNK);
    const lines: LogLine[] = [];
    for (let index = end - 1; index >= start; index--) {
      const raw = records[index] ?? '';
      const record = parseJson(raw);
      const text = textOf(record, raw);
      // Times are rounded, and may lie ahead.
      const at = Math.min(recordTime(record) ?? now, now);
      if (text !== undefined && at >= since) lines.push({ stamp: toRfc3339(at), text });
    }
    const cursor = formatCursor(placeAt(length === undefined ? undefined : length - start, records, start));
    yield { lines, cursor, ...(missed !== undefined && { missed }) };
    missed = undefined;
    end = start;
  } while (end > 0);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

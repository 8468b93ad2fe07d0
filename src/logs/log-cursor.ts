import { z } from 'zod';
import type { Cursor, LogLine } from '../core/watcher.ts';

/** Containers whose place is kept: the running one and those that went before it. */
const KEPT = 8;
/**
 * Reading resumes this much before the last line: lines of stdout and stderr stand in the order in which they were
 * written, which is milliseconds off that of their stamps when the machine is busy, and the engine goes by the stamps.
 */
const OVERLAP_MS = 1_000;
/** How long a line that does not end keeps reading from resuming behind it. */
const LONGEST_OPEN_MS = 600_000;

/** Id, stamp, seen, newest, open, as in `Place`. */
const Stored = z.array(
  z.tuple([z.string(), z.iso.datetime({ offset: true }), z.int().positive(), z.string(), z.string()]),
);

/** The last line of a container that was seen, and what it takes to find it again. */
export interface Place {
  stamp: string;
  /** How many lines with this stamp were seen, this one included. */
  seen: number;
  /** The newest stamp of all lines that were seen: what is newer was not. */
  newest: string;
  /** Stamp of a line before it whose end had not come; empty if there was none. */
  open: string;
}

/** How far the logs of containers were read, in a form that survives a restart. */
export class LogCursor {
  /** The one read last stands last. */
  readonly #places = new Map<string, Place>();

  constructor(cursor: Cursor | undefined) {
    for (const [id, stamp, seen, newest, open] of parse(cursor)) this.#places.set(id, { stamp, seen, newest, open });
  }

  placeOf(containerId: string): Place | undefined {
    return this.#places.get(containerId);
  }

  /** The time of the newest line of any container, in ms since the epoch. */
  get newestAt(): number | undefined {
    const times = [...this.#places.values()].map(({ stamp }) => Date.parse(stamp));
    return times.length === 0 ? undefined : Math.max(...times);
  }

  /** Takes note of lines that were read, in order, and of a line still open behind them. */
  advance(containerId: string, lines: readonly LogLine[], open = ''): void {
    const last = lines.at(-1);
    if (last === undefined) return;
    let seen = 0;
    while (seen < lines.length && lines[lines.length - 1 - seen]?.stamp === last.stamp) seen++;
    const before = this.#places.get(containerId);
    if (seen === lines.length && before?.stamp === last.stamp) seen += before.seen;
    let newest = before?.newest ?? '';
    for (const { stamp } of lines) if (stamp > newest) newest = stamp;
    this.#places.delete(containerId);
    this.#places.set(containerId, { stamp: last.stamp, seen, newest, open });
    const oldest = this.#places.size > KEPT ? this.#places.keys().next().value : undefined;
    if (oldest !== undefined) this.#places.delete(oldest);
  }

  toString(): Cursor {
    return JSON.stringify(
      [...this.#places].map(([id, { stamp, seen, newest, open }]) => [id, stamp, seen, newest, open]),
    );
  }
}

function parse(cursor: Cursor | undefined): z.infer<typeof Stored> {
  if (cursor === undefined) return [];
  try {
    return Stored.parse(JSON.parse(cursor));
  } catch {
    return [];
  }
}

/** From when on to read so that the line at a place, and all that come after it, are among what is read. */
export function resumeAt({ stamp, open }: Place): number {
  const at = Date.parse(stamp);
  const openAt = open === '' ? at : Math.max(Date.parse(open), at - LONGEST_OPEN_MS);
  return Math.min(at, openAt) - OVERLAP_MS;
}

/** Drops from the front what was seen before: everything up to the line at a place. */
export function createSkipper(place: Place | undefined): (lines: LogLine[]) => LogLine[] {
  let isPast = place === undefined;
  let toFind = place?.seen ?? 0;
  return (lines) => {
    if (isPast || place === undefined) return lines;
    for (const [index, { stamp }] of lines.entries()) {
      // The line may be gone, as logs are rotated.
      if (stamp > place.newest) {
        isPast = true;
        return lines.slice(index);
      }
      if (stamp !== place.stamp) continue;
      toFind--;
      if (toFind > 0) continue;
      isPast = true;
      return lines.slice(index + 1);
    }
    return [];
  };
}

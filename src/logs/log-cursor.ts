import { z } from 'zod';
import type { Cursor, LogLine } from '../core/watcher.ts';

/** Containers whose place is kept: the running one and those that went before it. */
const KEPT = 8;

const Stored = z.array(z.tuple([z.string(), z.string(), z.int().nonnegative()]));

interface Place {
  /** Stamp of the last line that was seen. */
  stamp: string;
  /** How many lines with this stamp were seen. */
  seen: number;
}

/** How far the logs of containers were read, in an order that survives a restart: stamp and count of its lines. */
export class LogCursor {
  /** The one read last stands last. */
  readonly #places = new Map<string, Place>();

  constructor(cursor: Cursor | undefined) {
    for (const [id, stamp, seen] of parse(cursor)) this.#places.set(id, { stamp, seen });
  }

  placeOf(containerId: string): Place | undefined {
    return this.#places.get(containerId);
  }

  /** The newest stamp of any container. */
  get newest(): string | undefined {
    let newest: string | undefined;
    for (const { stamp } of this.#places.values()) if (newest === undefined || stamp > newest) newest = stamp;
    return newest;
  }

  /** Takes note of lines that were read, in order. */
  advance(containerId: string, lines: readonly LogLine[]): void {
    const last = lines.at(-1);
    if (last === undefined) return;
    let seen = 0;
    while (seen < lines.length && lines[lines.length - 1 - seen]?.stamp === last.stamp) seen++;
    const before = this.#places.get(containerId);
    if (seen === lines.length && before?.stamp === last.stamp) seen += before.seen;
    this.#places.delete(containerId);
    this.#places.set(containerId, { stamp: last.stamp, seen });
    const oldest = this.#places.size > KEPT ? this.#places.keys().next().value : undefined;
    if (oldest !== undefined) this.#places.delete(oldest);
  }

  toString(): Cursor {
    return JSON.stringify([...this.#places].map(([id, { stamp, seen }]) => [id, stamp, seen]));
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

/** Drops from the front what was seen before: lines of the stamp at which reading resumed. */
export function createSkipper(place: Place | undefined): (lines: LogLine[]) => LogLine[] {
  if (place === undefined) return (lines) => lines;
  let toSkip = place.seen;
  let isPast = false;
  return (lines) => {
    if (isPast) return lines;
    let index = 0;
    for (; index < lines.length; index++) {
      const stamp = lines[index]?.stamp ?? '';
      if (stamp < place.stamp) continue;
      if (stamp > place.stamp || toSkip === 0) {
        isPast = true;
        break;
      }
      toSkip--;
    }
    return index === 0 ? lines : lines.slice(index);
  };
}

/** `2026-11-23T11:54:15.934288306Z` as the engine takes it: epoch seconds and nanoseconds. */
export function toSince(stamp: string): string {
  const seconds = Math.floor(Date.parse(stamp) / 1000);
  const nanoseconds = /\.(\d{1,9})/.exec(stamp)?.[1]?.padEnd(9, '0') ?? '000000000';
  return `${seconds}.${nanoseconds}`;
}

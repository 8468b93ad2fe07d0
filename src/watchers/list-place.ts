import { hash } from 'node:crypto';
import { z } from 'zod';
import type { Cursor } from '../core/watcher.ts';

/** Records that are remembered: enough to find the place again, though some look the same. */
const REMEMBERED = 48;

/** Where reading a list of records ended: how long it was, if that is known, and its newest records, the newest first. */
export const ListPlace = z.object({
  length: z.int().nonnegative().optional(),
  newest: z.array(z.string().max(32)).max(REMEMBERED),
});
export type ListPlace = z.infer<typeof ListPlace>;

export function formatPlace(place: ListPlace): Cursor {
  return JSON.stringify(place);
}

export function parsePlace(cursor: Cursor | undefined): ListPlace | undefined {
  if (cursor === undefined) return undefined;
  try {
    return ListPlace.parse(JSON.parse(cursor));
  } catch {
    return undefined;
  }
}

/** The place in front of the newest of `records`; they are given newest first, as is what they are a part of. */
export function placeAt(length: number | undefined, records: readonly string[], from = 0): ListPlace {
  const newest = records.slice(from, from + REMEMBERED).map(digest);
  return length === undefined ? { newest } : { length, newest };
}

/** Whether this is the record in front of the place; null where a list is empty. */
export function isNewest({ newest }: ListPlace, record: string | null): boolean {
  return record === null ? newest.length === 0 : newest[0] === digest(record);
}

function digest(record: string): string {
  return record.length <= 24 ? record : hash('sha1', record, 'base64').slice(0, 16);
}

/**
 * How many of `records`, the newest first, came after `place`; undefined if that place is not among them. The list grows
 * at its front, is trimmed at its end, and may lose single records. It has no numbers, its records may all be the same
 * and their times run ahead: so the place is where the remembered records lie over those that are there, as near as can
 * be to where the list's length says. `length` is undefined where the list is only known to be longer than `records`.
 */
export function countFresh(
  place: ListPlace,
  length: number | undefined,
  records: readonly string[],
): number | undefined {
  if (place.newest.length === 0) return place.length === 0 && records.length === length ? length : undefined;
  const digests = records.map(digest);
  // Without a trim in between it grew by just this much; with one, by more.
  const least = length === undefined || place.length === undefined ? 0 : Math.max(0, length - place.length);
  for (const [from, to] of [
    [least, records.length],
    [0, Math.min(least, records.length)],
  ] as const) {
    for (let at = from; at < to; at++) if (liesOver(place.newest, digests, at, length)) return at;
  }
  for (let at = 0; at < records.length; at++) if (liesOverGaps(place.newest, digests, at)) return at;
  return undefined;
}

/** Every remembered record is there in its place, as far as the list goes. */
function liesOver(
  newest: readonly string[],
  digests: readonly string[],
  at: number,
  length = Number.POSITIVE_INFINITY,
): boolean {
  const overlap = Math.min(newest.length, digests.length - at);
  // What is remembered may hang over the end of the list, not over the end of what was read of it.
  if (overlap < newest.length && digests.length < length) return false;
  for (let index = 0; index < overlap; index++) if (digests[at + index] !== newest[index]) return false;
  return true;
}

/** The same, where up to half of the remembered records have been taken out since. */
function liesOverGaps(newest: readonly string[], digests: readonly string[], at: number): boolean {
  let index = at;
  let found = 0;
  for (const record of newest) {
    if (digests[index] !== record) continue;
    index++;
    found++;
  }
  return found * 2 >= newest.length;
}

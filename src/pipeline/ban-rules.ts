import type { EndReason } from '../core/event.ts';
import type { BanRecord } from '../ledger/bans.ts';

/** Netfilter looks for expired bans every ten seconds: a field may live that much past its time. */
export const PURGE_TICK_MS = 10_000;
/** `until` has moved only if it moved by more than this: every further failure moves it by its own delay. */
export const EXTENSION_MS = 60_000;
/** How long a state that was read before a clear or an unban may still arrive. */
const ECHO_MS = 15_000;

/**
 * Why a ban is over that nobody is known to have lifted. A ban of unknown length is taken to have run its course: that
 * is how nearly all of them end, and its log line is the same.
 */
export function decideEnd(ban: Pick<BanRecord, 'jail' | 'until' | 'permanent'>, at: number): EndReason {
  if (ban.permanent) return 'lifted';
  // Only netfilter looks at its bans from time to time; elsewhere clocks and roundings are all that differs.
  const toleranceMs = ban.jail === 'netfilter' ? PURGE_TICK_MS : 2_000;
  return ban.until === undefined || at >= ban.until - toleranceMs ? 'expired' : 'lifted';
}

/**
 * Whether an entry of the state can be a ban that has just begun. Entries that others left there, without a time or with
 * one long gone, stay for ever: netfilter does not act on them.
 */
export function isCredible(until: number | undefined, now: number): boolean {
  return until !== undefined && until > now - 6 * PURGE_TICK_MS;
}

/**
 * Whether a standing ban that the state shows is only the afterimage of one that has just ended: the hash is read
 * while netfilter is still emptying it. A new ban of the same network has a new `until`.
 */
export function isEcho(ended: BanRecord | undefined, until: number | undefined, now: number): boolean {
  if (ended?.endedAt === undefined || now - ended.endedAt > ECHO_MS) return false;
  return isSameEnd(until, ended.until);
}

/** Whether two ends are the same one, read at different times. */
export function isSameEnd(a: number | undefined, b: number | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Math.abs(a - b) < 1_000;
}

/** The end that a log line's rounded length gives; a length of 0 minutes says only that it is less than one. */
export function untilFromMinutes(at: number, minutes: number | undefined): number | undefined {
  return minutes === undefined || minutes <= 0 ? undefined : boundUntil(at + minutes * 60_000);
}

/** The last moment that RFC 3339 can write. */
const LAST_MS = Date.UTC(9999, 11, 31);

/** An end beyond all time is no end: whoever wrote it, it must be possible to store and to tell. */
export function boundUntil(until: number | undefined): number | undefined {
  return until === undefined || until <= LAST_MS ? until : Number.POSITIVE_INFINITY;
}

/**
 * Whether a ban that only a log line told of can be over by `now` by itself, so that its absence says nothing against
 * the line. Without a known end it was logged as `0 minutes`: it lasts less than one.
 */
export function mayBeOver(ban: Pick<BanRecord, 'startedAt' | 'until'>, now: number): boolean {
  return now >= (ban.until ?? ban.startedAt + 60_000);
}

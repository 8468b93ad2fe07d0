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
export function decideEnd(ban: Pick<BanRecord, 'until' | 'permanent'>, at: number): EndReason {
  if (ban.permanent) return 'lifted';
  return ban.until === undefined || at >= ban.until - PURGE_TICK_MS ? 'expired' : 'lifted';
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
  if (until === undefined || ended.until === undefined) return until === ended.until;
  return Math.abs(until - ended.until) < 1_000;
}

/** The end that a log line's rounded length gives; a length of 0 minutes says only that it is less than one. */
export function untilFromMinutes(at: number, minutes: number | undefined): number | undefined {
  return minutes === undefined || minutes <= 0 ? undefined : at + minutes * 60_000;
}

/**
 * Whether a ban that only a log line told of can be over by `now` by itself, so that its absence says nothing against
 * the line. Without a known end it was logged as `0 minutes`: it lasts less than one.
 */
export function mayBeOver(ban: Pick<BanRecord, 'startedAt' | 'until'>, now: number): boolean {
  return now >= (ban.until ?? ban.startedAt + 60_000);
}

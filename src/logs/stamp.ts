import { TransientError } from '../core/errors.ts';
import { safeText } from '../core/text.ts';

/** `2026-11-23T11:54:15.934288306+01:00`, and some room. */
export const LONGEST_STAMP = 40;
const SHORTEST_STAMP = 20;
const BLANK = 32;
const DASH = 45;
const CAPITAL_T = 84;
const CAPITAL_Z = 90;

/** The stamp that the engine put in front of what stands at `from`; throws `TransientError` where there is none. */
export function readStamp(bytes: Buffer, from: number, to: number): string {
  const blank = bytes.indexOf(BLANK, from);
  const length = blank - from;
  const isStamp =
    length >= SHORTEST_STAMP &&
    length <= LONGEST_STAMP &&
    blank < to &&
    bytes[from + 4] === DASH &&
    bytes[from + 10] === CAPITAL_T;
  if (!isStamp) {
    const text = safeText(bytes.toString('utf8', from, Math.min(to, from + 400)), 200);
    throw new TransientError(`the Docker Engine sends a log line without a time stamp: ${text}`);
  }
  return bytes.toString('latin1', from, blank);
}

/** The same moment in UTC, in which stamps can be compared as texts; journald's come in the engine's own zone. */
export function toUtcStamp(stamp: string): string {
  if (stamp.charCodeAt(stamp.length - 1) === CAPITAL_Z) return stamp;
  const fraction = /\.\d+/.exec(stamp)?.[0] ?? '';
  return `${new Date(Date.parse(stamp)).toISOString().slice(0, 19)}${fraction}Z`;
}

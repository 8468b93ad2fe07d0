/**
 * How long to wait for the next of the moments that lie `everyMs` apart, `offsetMs` behind the full ones of the clock:
 * polls that take turns keep doing so, however long each of them takes. A moment less than half the time away is left out.
 */
export function untilNextPoll(now: number, everyMs: number, offsetMs = 0): number {
  const sinceLast = (now - offsetMs) % everyMs;
  const left = everyMs - sinceLast;
  return left < everyMs / 2 ? left + everyMs : left;
}

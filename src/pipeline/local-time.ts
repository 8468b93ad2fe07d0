import { Temporal } from 'temporal-polyfill';
import { type QuietHours, type Schedule, WEEKDAYS } from '../core/schedule.ts';

/** Times of the day where a person lives: the clock changes twice a year there, and some times come twice or not at all. */

/** When the quiet hours of now end, in ms since the epoch; undefined outside of them. */
export function quietUntil({ from, to, days, timeZone }: QuietHours, now: number): number | undefined {
  const today = dateAt(now, timeZone);
  // They may have begun yesterday.
  for (const date of [today.subtract({ days: 1 }), today]) {
    const day = WEEKDAYS[date.dayOfWeek - 1];
    if (day === undefined || !days.includes(day)) continue;
    const start = instantOf(date, from, timeZone);
    const end = instantOf(to <= from ? date.add({ days: 1 }) : date, to, timeZone);
    if (start <= now && now < end) return end;
  }
  return undefined;
}

/** The first time of a schedule behind `after`, in ms since the epoch. */
export function nextAfter({ at, day, timeZone }: Schedule, after: number): number {
  let date = dateAt(after, timeZone);
  for (;;) {
    const isDay = day === undefined || WEEKDAYS[date.dayOfWeek - 1] === day;
    const time = isDay ? instantOf(date, at, timeZone) : 0;
    if (isDay && time > after) return time;
    date = date.add({ days: 1 });
  }
}

/** The last time of a schedule at or before `now`. */
export function lastBefore(schedule: Schedule, now: number): number {
  const daysBack = schedule.day === undefined ? 2 : 8;
  let time = nextAfter(schedule, now - daysBack * 86_400_000);
  for (let next = time; next <= now; next = nextAfter(schedule, next)) time = next;
  return time;
}

function dateAt(ms: number, timeZone: string): Temporal.PlainDate {
  return Temporal.Instant.fromEpochMilliseconds(Math.floor(ms)).toZonedDateTimeISO(timeZone).toPlainDate();
}

/** A time that the clock leaps over is as much later; of one that comes twice the first is meant. */
function instantOf(date: Temporal.PlainDate, time: string, timeZone: string): number {
  return date.toZonedDateTime({ timeZone, plainTime: Temporal.PlainTime.from(time) }).epochMilliseconds;
}

/** Counts by the hour of the day in a time zone, 24 of them; `counted` begins with the oldest, in ms since the epoch. */
export function hoursOfDay(counted: Iterable<{ at: number; count: number }>, timeZone: string): number[] {
  const hours = Array.from({ length: 24 }, () => 0);
  let offsetMs = 0;
  let changesAt = Number.NEGATIVE_INFINITY;
  for (const { at, count } of counted) {
    if (at >= changesAt) {
      const there = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timeZone);
      offsetMs = there.offsetNanoseconds / 1e6;
      changesAt = there.getTimeZoneTransition('next')?.epochMilliseconds ?? Number.POSITIVE_INFINITY;
    }
    const hour = Math.floor((at + offsetMs) / 3_600_000) % 24;
    hours[hour] = (hours[hour] ?? 0) + count;
  }
  return hours;
}

import { sanitizeLine } from './text.ts';

/** Writes times, in ms since the epoch: `2026-11-23 12:18 CET`, or `23. Nov. 2026, 12:18 MEZ` with a locale (BCP 47). */
export function timeFormat(timeZone: string, locale?: string): (ms: number) => string {
  const format = new Intl.DateTimeFormat(locale ?? 'en-GB', {
    timeZone,
    year: 'numeric',
    month: locale === undefined ? '2-digit' : 'short',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'short',
    ...(locale === undefined && { hourCycle: 'h23' }),
  });
  if (locale !== undefined) return (ms) => sanitizeLine(format.format(ms));
  return (ms) => {
    const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
    return `${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute} ${parts.timeZoneName}`;
  };
}

import { CommandFailure } from './command.ts';

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const LONGEST_MS = 365 * 86_400_000;

/** `30m`, `1h`, `7d` in ms; throws `CommandFailure` for anything else, for nothing and for more than a year. */
export function parseDuration(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNITS[unit] ?? 0);
  if (ms > 0 && ms <= LONGEST_MS) return ms;
  throw new CommandFailure(`${text} is no time: write 30m, 1h or 7d, a year at most`);
}

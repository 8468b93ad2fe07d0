import type { Config } from '../config/schema.ts';
import { systemClock, toRfc3339 } from '../core/clock.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { PeriodSummary } from '../pipeline/describe-period.ts';
import { type AddCommand, CONFIG_OPTION } from './command.ts';
import { parseDuration } from './duration.ts';
import { openConfiguredLedger } from './state.ts';

const DAY_MS = 86_400_000;
/** Lengths of the parts that a period is shown in; the shortest that makes few enough is taken. */
const PARTS_MS = [60_000, 300_000, 900_000, 3_600_000, DAY_MS, 7 * DAY_MS, 30 * DAY_MS];
const MOST_PARTS = 31;

/** What `cowbell stats` shows, and what `--json` prints; times RFC 3339 UTC. */
export interface Stats extends Omit<PeriodSummary, 'before'> {
  host: string;
  time_zone: string;
  /** The period before; own users and rejects are left out where they are no longer known. */
  before?: Partial<PeriodSummary['totals']>;
  /** Bans by the hour of the day in the time zone, 24 of them. */
  hours_of_day: number[];
  /** Since when the ledger knows of bans, and of what is only told as an event: own users and rejects. */
  known_since: string;
  events_known_since: string;
}

export const addStats: AddCommand = (program, context) => {
  program
    .command('stats')
    .description('sum up the bans of the last days: who, from where, how many, when')
    .option(...CONFIG_OPTION)
    .option('-s, --since <time>', 'how far to look back: 12h, 7d, 90d', '7d')
    .option('--json', 'as one JSON object')
    .action(async ({ config: file, since, json = false }: { config?: string; since: string; json?: boolean }) => {
      const sinceMs = parseDuration(since);
      const { ledger, config } = await openConfiguredLedger(context, file);
      try {
        const { hoursOfDay } = await import('../pipeline/local-time.ts');
        const stats = await statsOf(ledger, config, sinceMs, hoursOfDay);
        if (json) context.stdout.write(`${JSON.stringify(stats)}\n`);
        else {
          const { renderStats } = await import('./stats-text.ts');
          const { columns = 80, isTTY = false } = context.stdout as { columns?: number; isTTY?: boolean };
          const paint = isTTY && !context.env.NO_COLOR;
          context.stdout.write(renderStats(stats, { columns, paint, locale: config.locale }));
        }
      } finally {
        ledger.close();
      }
    });
};

async function statsOf(
  ledger: Ledger,
  { host, time_zone, retention }: Config,
  sinceMs: number,
  hoursOfDay: (counted: Iterable<{ at: number; count: number }>, timeZone: string) => number[],
): Promise<Stats> {
  const { describePeriod } = await import('../pipeline/describe-period.ts');
  const to = systemClock.now();
  const from = to - sinceMs;
  const partMs = PARTS_MS.find((each) => sinceMs / each <= MOST_PARTS) ?? DAY_MS;
  const parts = Math.max(1, Math.round(sinceMs / partMs));
  const startedAt = Number(ledger.meta('first_started_at') ?? 0);
  const knownSince = Math.max(startedAt, to - retention.bans_days * DAY_MS);
  const eventsSince = Math.max(startedAt, to - retention.events_days * DAY_MS);
  const hasBefore = knownSince <= from - sinceMs;
  return ledger.snapshot(() => {
    const previous = { from: from - sinceMs, to: from, parts };
    const { before, ...summary } = describePeriod(ledger, { from, to, parts }, hasBefore ? previous : undefined);
    const { own_users: _, rejects: __, ...ofBans } = before ?? {};
    return {
      host,
      time_zone,
      ...summary,
      ...(before !== undefined && { before: eventsSince <= previous.from ? before : ofBans }),
      hours_of_day: hoursOfDay(ledger.bansByQuarter(from, to), time_zone),
      known_since: toRfc3339(knownSince),
      events_known_since: toRfc3339(eventsSince),
    };
  });
}

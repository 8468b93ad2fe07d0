import { toRfc3339 } from '../core/clock.ts';
import type { BanEvent } from '../core/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Totals } from '../ledger/report.ts';

/** What a digest says of a stretch of time, and `cowbell stats` as well. */
export type PeriodSummary = Omit<Extract<BanEvent, { type: 'digest' }>['digest'], 'period'>;

/** A stretch of time, in ms since the epoch; its end is not part of it. */
export interface Period {
  from: number;
  to: number;
  /** Into how many equal parts bans over time are divided. */
  parts: number;
}

/** Sums up a period from the ledger, and compares it with the one before where there is one. */
export function describePeriod(ledger: Ledger, { from, to, parts }: Period, before?: Period): PeriodSummary {
  const report = ledger.report(from, to);
  return {
    from: toRfc3339(from),
    to: toRfc3339(to),
    totals: totalsOf(report),
    ...(before !== undefined && { before: totalsOf(ledger.totals(before.from, before.to)) }),
    standing: report.standing,
    bans_over_time: ledger.bansOverTime(from, to, parts),
    ...(before !== undefined && {
      bans_over_time_before: ledger.bansOverTime(before.from, before.to, before.parts),
    }),
    offenders: report.offenders,
    services: report.services,
    countries: report.countries,
    jails: report.jails,
    known_users: report.knownUsers,
    end_reasons: report.endReasons,
    decisions: report.decisions,
  };
}

function totalsOf({ bans, networks, attempts, ownUsers, lifted, rejects }: Totals): PeriodSummary['totals'] {
  return { bans, networks, attempts, own_users: ownUsers, lifted, rejects };
}

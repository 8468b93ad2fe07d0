import { holdingOf, type Network, networksOverlap } from '../core/network.ts';
import type { Opinion } from '../core/reputation.ts';
import type { BanRecord } from '../ledger/bans.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { countriesOf, subjectsOf } from './judge.ts';
import { decide, type PolicyInput, type PolicySettings, type Verdict } from './policy.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** What the policy would have done with one ban. */
export interface Retold {
  ban: BanRecord;
  verdict: Verdict;
  /** It would have been lifted, and a network that overlaps it was banned again within the window. */
  failedAgain: boolean;
}

/**
 * Decides on past bans, the oldest first, as these settings would have, with the lifts that this makes. Scores are those that
 * were asked for at the time and are still kept; own users are as they are known today.
 */
export function backtest(
  ledger: Ledger,
  bans: readonly BanRecord[],
  settings: PolicySettings,
  historyDays: number,
  sources: readonly string[],
): Retold[] {
  const windowMs = settings.lift_window_hours * HOUR_MS;
  const inOrder = [...bans].sort((a, b) => a.startedAt - b.startedAt);
  const lifts: { at: number; network: Network }[] = [];
  return inOrder.map((ban, index) => {
    const now = ban.startedAt;
    const holding = holdingOf(ban.network);
    const before = (each: BanRecord) => each.network === ban.network && now - each.startedAt <= historyDays * DAY_MS;
    const opinions = keptOpinions(ban, ledger, sources);
    const score = opinions === undefined ? undefined : Math.max(...opinions.map((opinion) => opinion.score));
    const input: PolicyInput = {
      now,
      ban: { ...ban, services: ban.reasons?.services ?? [] },
      // Nothing but the server's own state confirms a ban.
      isStanding: ban.confirmed,
      score,
      scoreNote: opinions === undefined ? 'none is kept' : [...new Set(opinions.map((each) => each.source))].join(', '),
      countries: countriesOf(ban),
      knownUsers: ledger.knownUsers
        .inside(ban.network, now - settings.known_user_max_age_days * DAY_MS)
        .map((user) => ({ ...user, lastAt: Math.min(user.lastAt, now) })),
      previousBans: inOrder.slice(0, index).filter(before).length,
      lifts: lifts
        .filter(({ at, network }) => now - at < windowMs && networksOverlap(network, holding))
        .map(({ at }) => at),
      liftsInHour: lifts.filter(({ at }) => now - at < HOUR_MS).length,
    };
    const verdict = decide(input, settings);
    if (verdict.action === 'lift') lifts.push({ at: now, network: ban.network });
    const next = (each: BanRecord) => each.startedAt - now <= windowMs && networksOverlap(each.network, holding);
    return { ban, verdict, failedAgain: verdict.action === 'lift' && inOrder.slice(index + 1).some(next) };
  });
}

/** What is kept on all of those who would be asked about; undefined where one of them is not known. */
function keptOpinions(ban: BanRecord, ledger: Ledger, sources: readonly string[]): Opinion[] | undefined {
  const kept = subjectsOf(ban).map((subject) =>
    sources.flatMap((source) => ledger.opinions.get(source, subject)?.opinion ?? []),
  );
  return kept.every((opinions) => opinions.length > 0) ? kept.flat() : undefined;
}

import { hostOf, type Network, networkWithin } from '../core/network.ts';
import type { BanRecord } from '../ledger/bans.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { countriesOf } from './judge.ts';
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
    const before = (each: BanRecord) => each.network === ban.network && now - each.startedAt <= historyDays * DAY_MS;
    const host = hostOf(ban.network);
    const kept = host === undefined ? [] : sources.map((source) => ledger.opinions.get(source, host)?.opinion);
    const known = kept.filter((opinion) => opinion !== undefined);
    const score = known.length === 0 ? undefined : Math.max(...known.map((opinion) => opinion.score));
    const input: PolicyInput = {
      now,
      ban: { ...ban, services: ban.reasons?.services ?? [] },
      // Nothing but the server's own state confirms a ban.
      isStanding: ban.confirmed,
      score,
      scoreNote: score === undefined ? 'none is kept' : known.map(({ source }) => source).join(', '),
      countries: countriesOf(ban),
      knownUsers: ledger.knownUsers
        .inside(ban.network, now - settings.known_user_max_age_days * DAY_MS)
        .map((user) => ({ ...user, lastAt: Math.min(user.lastAt, now) })),
      previousBans: inOrder.slice(0, index).filter(before).length,
      lifts: lifts
        .filter(({ at, network }) => now - at < windowMs && overlaps(network, ban.network))
        .map(({ at }) => at),
      liftsInHour: lifts.filter(({ at }) => now - at < HOUR_MS).length,
    };
    const verdict = decide(input, settings);
    if (verdict.action === 'lift') lifts.push({ at: now, network: ban.network });
    const next = (each: BanRecord) => each.startedAt - now <= windowMs && overlaps(each.network, ban.network);
    return { ban, verdict, failedAgain: verdict.action === 'lift' && inOrder.slice(index + 1).some(next) };
  });
}

function overlaps(a: Network, b: Network): boolean {
  return networkWithin(a, b) || networkWithin(b, a);
}

import type { Banned, Cleared, Observation, Unbanned } from '../core/observation.ts';
import type { BanRecord } from '../ledger/bans.ts';
import { boundUntil, decideEnd, untilFromMinutes } from './ban-rules.ts';
import type { Folding } from './folding.ts';
import { isClearing, noteClear, settleLeaving } from './leaving.ts';

/**
 * What a log says. Where a witness can look at the server's own state, a log line is only a hint: it makes cowbell look,
 * and the ban is told when the state has it. Elsewhere the line is all there is.
 */
export function foldLog(fold: Folding, observation: Observation): void {
  switch (observation.kind) {
    case 'banned':
      return foldBanned(fold, observation);
    case 'unbanned':
      return foldUnbanned(fold, observation);
    case 'cleared':
      return foldCleared(fold, observation);
    case 'auth-failed':
      return fold.ledger.evidence.add(observation, fold.source);
    case 'denylisted':
      // The state tells of it within a second, and only of what is so.
      if (fold.isWitnessReady('netfilter')) return;
      if (fold.ledger.denylist.add(observation.network, observation.at) && !fold.isBeforeFirstStart(observation.at)) {
        fold.episodes.denylist('denylist.added', observation.network, fold.source, observation.at);
      }
      return;
    case 'undenylisted':
      if (fold.isWitnessReady('netfilter')) return fold.noteRemoval(observation.network);
      if (fold.ledger.denylist.remove(observation.network)) {
        fold.episodes.denylist('denylist.removed', observation.network, fold.source, observation.at);
      }
      return;
    case 'rejected':
      return fold.summaries.addReject(observation, fold.now);
    case 'rate-limited':
      return fold.summaries.addRateLimit(observation, fold.now);
    case 'authenticated':
      return fold.ledger.knownUsers.add(observation.ip, observation.account, observation.at);
  }
}

function foldBanned(fold: Folding, seen: Banned): void {
  const until = boundUntil(seen.until) ?? untilFromMinutes(seen.at, seen.minutes);
  const standing = fold.ledger.bans.standing(seen.jail, seen.network);
  // One that was about to be over is over: this is another.
  if (standing?.leaving) settleLeaving(fold, standing.jail);
  const known = standing?.leaving ? undefined : standing;
  if (known !== undefined) return foldRepeat(fold, known, seen, until);
  const ban = fold.ledger.bans.add({
    jail: seen.jail,
    network: seen.network,
    state: 'suspected',
    startedAt: seen.at,
    until: until === Number.POSITIVE_INFINITY ? undefined : until,
    permanent: until === Number.POSITIVE_INFINITY,
    logged: true,
    tells: { [fold.source]: 1 },
    claimed: seen.claimed === true,
    late: fold.isLate(seen.at),
    adopted: seen.restored === true || fold.isBeforeFirstStart(seen.at),
    seenAt: fold.now,
    sources: [fold.source],
  });
  if (!fold.hasWitness(seen.jail)) return fold.episodes.start(ban);
  fold.awaitWitness(ban, 'banned');
}

function foldRepeat(fold: Folding, ban: BanRecord, seen: Banned, until: number | undefined): void {
  if (seen.restored !== true) {
    // Two logs may tell of the same: the one that said so most often counts.
    const tells = (ban.tells[fold.source] ?? 0) + 1;
    ban.tells[fold.source] = tells;
    ban.repeats = Math.max(ban.repeats, tells - 1);
  }
  if (!ban.logged && ban.state === 'suspected') ban.startedAt = Math.min(ban.startedAt, seen.at);
  ban.logged = true;
  ban.claimed ||= seen.claimed === true;
  if (!ban.sources.includes(fold.source)) ban.sources.push(fold.source);
  if (ban.state === 'suspected' && ban.confirmed) return fold.episodes.start(ban);
  // The state knows the exact end; a line gives it in whole minutes.
  if (!ban.confirmed && until !== undefined) fold.episodes.setUntil(ban, until);
  fold.ledger.bans.save(ban);
}

function foldUnbanned(fold: Folding, seen: Unbanned): void {
  const ban = fold.ledger.bans.standing(seen.jail, seen.network);
  // `Unbanning` is also printed for networks that were never banned.
  if (ban === undefined || seen.at < ban.startedAt) return;
  if (!fold.hasWitness(seen.jail)) return fold.episodes.end(ban, seen.at, decideEnd(ban, seen.at));
  // While netfilter drops all, it names each of them.
  if (isClearing(fold, ban, seen.at)) return;
  if (ban.leaving) return fold.episodes.end(ban, ban.endedAt ?? seen.at, 'lifted');
  if (ban.state === 'open') {
    fold.noteUnban(ban);
    return fold.look(ban, 'unbanned');
  }
  if (ban.late) {
    fold.episodes.start(ban);
    fold.episodes.end(ban, seen.at, decideEnd(ban, seen.at));
  }
}

/** A state that was read this long after a clear is not undone by it. */
const CLEAR_REACH_MS = 5_000;

function foldCleared(fold: Folding, seen: Cleared): void {
  // Anyone may have written the line; that the bans are gone is for the state to show.
  if (fold.isWitnessReady(seen.jail)) {
    noteClear(fold, seen.jail, seen.at, seen.reason);
    for (const ban of fold.ledger.bans.allStanding(seen.jail)) {
      // At once: a network may be banned anew before the state is next read as a whole.
      if (ban.state === 'open' && !ban.leaving && ban.startedAt <= seen.at) fold.look(ban, 'unbanned');
    }
    return;
  }
  const gone: BanRecord[] = [];
  for (const ban of fold.ledger.bans.allStanding(seen.jail)) {
    if (ban.startedAt > seen.at || (ban.confirmed && ban.seenAt > seen.at + CLEAR_REACH_MS)) continue;
    if (ban.state === 'suspected') {
      fold.episodes.start(ban);
    }
    gone.push(ban);
  }
  fold.episodes.clear(seen.jail, gone, seen.at, seen.reason);
}

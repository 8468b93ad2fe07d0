import type { Network } from '../core/network.ts';
import type { Observation } from '../core/observation.ts';
import type { Snapshot } from '../core/watcher.ts';
import type { BanOutline, BanRecord } from '../ledger/bans.ts';
import { decideEnd, isCredible, isEcho, isSameEnd, mayBeOver } from './ban-rules.ts';
import type { Folding } from './folding.ts';
import { leave, noteClearSeen, settleLeaving } from './leaving.ts';

/** What the server's own state says of one network: it stands. */
export function foldState(fold: Folding, observation: Observation): void {
  if (observation.kind === 'banned') {
    foldStanding(fold, observation.jail, observation.network, observation.until, { isFirst: false });
  } else if (observation.kind === 'unbanned') {
    const ban = fold.ledger.bans.standing(observation.jail, observation.network);
    if (ban !== undefined) foldAbsent(fold, ban, observation.at);
  }
}

/** The whole state of some jails at one moment: what is new, what has moved, what is gone. */
export function foldSnapshot(fold: Folding, snapshot: Snapshot): void {
  const isFirst = fold.ledger.meta(`adopted:${fold.source}`) === undefined;
  const adopted: BanRecord[] = [];
  const outlines = new Map([...jailsOf(snapshot)].map((jail) => [jail, fold.ledger.bans.outlines(jail)]));
  const listed = new Set<string>();
  for (const { jail, network, until } of snapshot.bans) {
    const outline = outlines.get(jail)?.get(network);
    if (outline !== undefined) listed.add(outline.id);
    // Nearly all of a large state is as it was: that costs a look, and no writing.
    if (outline !== undefined && isAsTold(outline, until) && !fold.isCatchingUp()) continue;
    const ban = foldStanding(fold, jail, network, until, { isFirst });
    if (ban?.adopted) adopted.push(ban);
  }
  const vanished: BanRecord[] = [];
  for (const jail of snapshot.jails) {
    for (const outline of outlines.get(jail)?.values() ?? []) {
      // What was learned after this state was read is newer than it.
      if (listed.has(outline.id) || isNewer(outline, snapshot, fold)) continue;
      const ban = fold.ledger.bans.byId(outline.id);
      const isHint = ban?.state === 'suspected' && !ban.confirmed;
      if (ban !== undefined && ban.state !== 'ended' && !isHint && !ban.leaving) vanished.push(ban);
    }
  }
  foldVanished(fold, vanished, snapshot);
  const denylisted = snapshot.denylist === undefined ? 0 : foldDenylist(fold, snapshot.denylist, snapshot.at, isFirst);
  if (snapshot.allowlist !== undefined) foldAllowlist(fold, snapshot.allowlist, snapshot.at);
  if (isFirst) {
    fold.ledger.setMeta(`adopted:${fold.source}`, String(fold.now));
    fold.episodes.adopt(fold.source, adopted, denylisted);
  }
}

function jailsOf({ jails, bans }: Snapshot): Set<string> {
  return new Set([...jails, ...bans.map(({ jail }) => jail)]);
}

/** A clock that was set back makes everything look newer: what lies ahead of now does not count. */
function isNewer({ seenAt }: BanOutline, { at }: Snapshot, { now }: Folding): boolean {
  return seenAt > at && seenAt <= now;
}

function isAsTold(outline: BanOutline, until: number | undefined): boolean {
  if (!outline.isSettled) return false;
  return until === Number.POSITIVE_INFINITY ? outline.permanent === 1 : outline.until === (until ?? null);
}

function foldStanding(
  fold: Folding,
  jail: string,
  network: Network,
  until: number | undefined,
  { isFirst }: { isFirst: boolean },
): BanRecord | undefined {
  const standing = fold.ledger.bans.standing(jail, network);
  const isAnother = standing?.leaving === true && !isSameEnd(standing.until, until);
  if (isAnother) settleLeaving(fold, jail);
  const known = isAnother ? undefined : standing;
  const isKnownToBeConfirmed = known?.confirmed === true;
  const ban = known ?? newStanding(fold, jail, network, until, isFirst);
  if (ban === undefined) return undefined;
  ban.confirmed = true;
  fold.forgetUnban(ban);
  ban.seenAt = fold.now;
  if (ban.leaving) {
    ban.leaving = false;
    ban.endedAt = undefined;
    ban.dueAt = undefined;
  }
  // A ban that only a log had told of no longer needs its end to be guessed.
  if (ban.state === 'open' && !isKnownToBeConfirmed) ban.dueAt = undefined;
  if (!ban.sources.includes(fold.source)) ban.sources.push(fold.source);
  fold.episodes.setUntil(ban, until);
  if (ban.state === 'suspected' && (ban.logged || ban.adopted || !fold.hasLog(jail))) fold.episodes.start(ban);
  else {
    // Its log lines are about to arrive, and with them the reason.
    if (ban.state === 'suspected' && !isKnownToBeConfirmed) fold.settle(ban);
    fold.ledger.bans.save(ban);
  }
  return ban;
}

function newStanding(
  fold: Folding,
  jail: string,
  network: Network,
  until: number | undefined,
  isFirst: boolean,
): BanRecord | undefined {
  if (!isCredible(until, fold.now) || isEcho(fold.ledger.bans.lastEnded(jail, network), until, fold.now)) {
    return undefined;
  }
  return fold.ledger.bans.add({
    jail,
    network,
    state: 'suspected',
    startedAt: fold.now,
    seenAt: fold.now,
    adopted: isFirst,
    late: fold.isCatchingUp(),
  });
}

function foldAbsent(fold: Folding, ban: BanRecord, at: number): void {
  if (ban.state === 'open') return leave(fold, ban, at);
  if (ban.confirmed) {
    fold.episodes.start(ban);
    return fold.episodes.end(ban, at, decideEnd(ban, at));
  }
  if (ban.late && mayBeOver(ban, fold.now)) {
    fold.episodes.start(ban);
    return fold.episodes.end(ban, ban.until ?? at, 'expired');
  }
  fold.refute(ban);
}

function foldVanished(fold: Folding, vanished: readonly BanRecord[], snapshot: Snapshot): void {
  const early: BanRecord[] = [];
  for (const ban of vanished) {
    if (ban.state === 'suspected') fold.episodes.start(ban);
    if (decideEnd(ban, snapshot.at) === 'expired') fold.episodes.end(ban, snapshot.at, 'expired');
    else early.push(ban);
  }
  if (snapshot.cleared !== undefined) noteClearSeen(fold, early, snapshot.at, snapshot.cleared);
  for (const ban of early) leave(fold, ban, snapshot.at);
}

/** Returns how many were found on the very first look: those are adopted, not told. */
function foldDenylist(fold: Folding, networks: readonly string[], at: number, isFirst: boolean): number {
  let adopted = 0;
  for (const network of networks) {
    if (!fold.ledger.denylist.add(network, at)) continue;
    if (isFirst) adopted++;
    else fold.episodes.denylist('denylist.added', network, fold.source, at);
  }
  const present = new Set(networks);
  fold.ledger.denylist.markMissing(present, at);
  for (const network of fold.takeRemovals()) {
    // The log has said so, and now it is so.
    if (present.has(network) || !fold.ledger.denylist.remove(network)) continue;
    fold.episodes.denylist('denylist.removed', network, fold.source, at);
  }
  return adopted;
}

/** What was there at the very first look is nobody's news. Netfilter leaves this list alone: what is gone was removed. */
function foldAllowlist(fold: Folding, entries: readonly string[], at: number): void {
  const { allowlist } = fold.ledger;
  const isFirst = fold.ledger.meta(`allowlist:${fold.source}`) === undefined;
  for (const entry of entries) {
    if (allowlist.add(entry, at) && !isFirst) fold.episodes.allowlist('allowlist.added', entry, fold.source, at);
  }
  allowlist.markMissing(new Set(entries), at);
  for (const entry of allowlist.missingSince(at)) {
    allowlist.remove(entry);
    fold.episodes.allowlist('allowlist.removed', entry, fold.source, at);
  }
  if (isFirst) fold.ledger.setMeta(`allowlist:${fold.source}`, String(fold.now));
}

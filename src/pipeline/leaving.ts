import { z } from 'zod';
import type { BanRecord } from '../ledger/bans.ts';
import { decideEnd, mayBeOver } from './ban-rules.ts';
import type { Folding } from './folding.ts';

/** How far from a clear a ban may vanish and still have been dropped by it: netfilter takes its time over thousands. */
const CLEAR_REACH_MS = 15_000;

const ClearNote = z.object({ at: z.number(), reason: z.string().optional() });
type ClearNote = z.infer<typeof ClearNote>;

/** Something says that every ban of the jail was dropped; which ones are gone is for the state to show. */
export function noteClear(fold: Folding, jail: string, at: number, reason: string | undefined): void {
  // What an earlier one took, and the state has shown to be gone, is told by itself.
  settleLeaving(fold, jail, { onlyCleared: true });
  fold.ledger.setMeta(`clear:${jail}`, JSON.stringify({ at, reason }));
  for (const ban of fold.ledger.bans.allStanding(jail)) {
    // What only the log has told of, and is older, the state will not confirm any more.
    if (ban.state !== 'suspected' || ban.confirmed || ban.startedAt > at) continue;
    if (ban.late || mayBeOver(ban, fold.now)) {
      fold.episodes.start(ban);
      fold.episodes.end(ban, Math.min(at, ban.until ?? at), decideEnd(ban, at) === 'expired' ? 'expired' : 'cleared');
    }
  }
}

/** The state shows that all was dropped; what a log has just said of it says more. */
export function noteClearSeen(fold: Folding, bans: readonly BanRecord[], at: number, reason: string): void {
  for (const [jail, gone] of Map.groupBy(bans, (ban) => ban.jail)) {
    const said = readNote(fold.ledger.meta(`clear:${jail}`));
    if (gone.every((ban) => isTakenBy(said, ban, at))) continue;
    fold.ledger.setMeta(`clear:${jail}`, JSON.stringify({ at, reason }));
  }
}

/** Whether all bans were said to be dropped just before, this one among them. */
export function isClearing(fold: Folding, ban: BanRecord, at: number): boolean {
  return isTakenBy(readNote(fold.ledger.meta(`clear:${ban.jail}`)), ban, at);
}

function isTakenBy(note: ClearNote | undefined, ban: BanRecord, at: number): boolean {
  // One that began after it was not there to be dropped.
  return note !== undefined && ban.startedAt <= note.at && Math.abs(at - note.at) <= CLEAR_REACH_MS;
}

/** It is gone. Before its time, a person lifted it or netfilter dropped everything: which one shows within seconds. */
export function leave(fold: Folding, ban: BanRecord, at: number): void {
  if (ban.leaving) return;
  if (decideEnd(ban, at) === 'expired') return fold.episodes.end(ban, at, 'expired');
  if (fold.isUnbanNoted(ban)) return fold.episodes.end(ban, at, 'lifted');
  ban.leaving = true;
  ban.endedAt = at;
  fold.settle(ban);
  fold.ledger.bans.save(ban);
}

/** Tells of the bans of a jail that have left: those that a clear took in one message, the others one by one. */
export function settleLeaving(fold: Folding, jail: string, { onlyCleared = false } = {}): void {
  const note = readNote(fold.ledger.meta(`clear:${jail}`));
  const cleared: BanRecord[] = [];
  for (const ban of fold.ledger.bans.allStanding(jail)) {
    if (!ban.leaving) continue;
    const endedAt = ban.endedAt ?? fold.now;
    if (isTakenBy(note, ban, endedAt)) cleared.push(ban);
    else if (!onlyCleared) fold.episodes.end(ban, endedAt, 'lifted');
  }
  fold.episodes.clear(jail, cleared, note?.at ?? fold.now, note?.reason);
}

function readNote(text: string | undefined): ClearNote | undefined {
  return text === undefined ? undefined : ClearNote.parse(JSON.parse(text));
}

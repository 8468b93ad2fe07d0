import type { Clock } from '../core/clock.ts';
import { type Network, networkWithin, prefixOf } from '../core/network.ts';
import type { ListingUnbanner } from '../core/unbanner.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { type LiftOutcome, liftAndVerify } from './lift.ts';

/** A ban as the server has it, and who can lift it. */
export interface FoundBan {
  jail: string;
  network: Network;
  unbanner: ListingUnbanner;
}

export interface FoundBans {
  exact: FoundBan[];
  /** Bans of networks that this one is inside of, the narrowest first. */
  wider: FoundBan[];
  /** Bans inside of this network. */
  narrower: FoundBan[];
  /** Who could not be asked, and why. */
  problems: { name: string; error: unknown }[];
}

/** Bans that have to do with a network, in one jail or in all. */
export async function findBans(
  network: Network,
  unbanners: readonly ListingUnbanner[],
  jail: string | undefined,
  signal: AbortSignal,
): Promise<FoundBans> {
  const asked = unbanners.filter((each) => jail === undefined || each.covers(jail));
  const answers = await Promise.allSettled(asked.map((each) => each.standing(signal)));
  const found: FoundBans = { exact: [], wider: [], narrower: [], problems: [] };
  for (const [index, unbanner] of asked.entries()) {
    const answer = answers[index];
    if (answer?.status !== 'fulfilled') {
      found.problems.push({ name: unbanner.name, error: answer?.reason });
      continue;
    }
    for (const ban of answer.value) {
      if (jail !== undefined && ban.jail !== jail) continue;
      if (ban.network === network) found.exact.push({ ...ban, unbanner });
      else if (networkWithin(network, ban.network)) found.wider.push({ ...ban, unbanner });
      else if (networkWithin(ban.network, network)) found.narrower.push({ ...ban, unbanner });
    }
  }
  found.wider.sort((a, b) => prefixOf(b.network) - prefixOf(a.network));
  return found;
}

/**
 * Lifts a ban because a person wants it, and waits until it is gone. What is done is in the ledger before it is done, so
 * that the daemon knows whose doing the end of the ban is.
 */
export async function liftByHand(
  { jail, network, unbanner }: FoundBan,
  { ledger, clock }: { ledger: Ledger; clock: Clock },
  signal: AbortSignal,
): Promise<LiftOutcome> {
  const record = ledger.bans.standing(jail, network);
  const write = (action: string, details: object) => {
    ledger.audit.add({ at: clock.now(), by: 'person', action, network, jail, banId: record?.id, details });
  };
  const means = unbanner.name;
  ledger.transaction(() => {
    write('lift', { means });
    if (record !== undefined) ledger.decisions.liftByHand(record, clock.now());
  });
  const outcome = (await liftAndVerify({
    decision: { jail, network, sentAt: undefined },
    // A person means what is banned now, whenever that began.
    until: undefined,
    unbanner,
    clock,
    onOrder(at) {
      if (record !== undefined) ledger.decisions.sent(record.id, at);
    },
    signal,
  })) ?? { kind: 'failed', reason: 'nobody waited for it' };
  ledger.transaction(() => {
    write(outcome.kind, outcome.kind === 'failed' ? { means, reason: outcome.reason } : { means });
    if (record !== undefined) ledger.decisions.move(record.id, 'lifting', outcome.kind, clock.now());
  });
  return outcome;
}

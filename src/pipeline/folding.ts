import type { Network } from '../core/network.ts';
import type { BanRecord } from '../ledger/bans.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Episodes } from './episodes.ts';
import type { Summaries } from './summaries.ts';

/** A lookup to be made once the transaction that asks for it is committed. */
export interface Look {
  jail: string;
  network: Network;
  expected: 'banned' | 'unbanned';
}

/** What folding one batch into the ledger needs to know and may do. */
export interface Folding {
  readonly ledger: Ledger;
  readonly episodes: Episodes;
  readonly summaries: Summaries;
  /** The watcher that the batch is from. */
  readonly source: string;
  readonly now: number;
  /** It happened before this process started. */
  isLate(at: number): boolean;
  /** It happened before cowbell ever ran on this ledger. */
  isBeforeFirstStart(at: number): boolean;
  /** The watcher has not yet shown what it found at the start. */
  isCatchingUp(): boolean;
  hasWitness(jail: string): boolean;
  isWitnessReady(jail: string): boolean;
  /** Whether a log watcher reads about this jail. */
  hasLog(jail: string): boolean;
  look(ban: BanRecord, expected: Look['expected']): void;
  /** Looks, and comes back to the ban if no answer arrives. */
  awaitWitness(ban: BanRecord, expected: Look['expected']): void;
  /** Comes back to the ban after the settling time. */
  settle(ban: BanRecord): void;
  /** A log line says that it is lifted. */
  noteUnban(ban: BanRecord): void;
  isUnbanNoted(ban: BanRecord): boolean;
  /** The state has it still: whoever wrote the line, it was not so. */
  forgetUnban(ban: BanRecord): void;
  /** A log line says that the network is no longer denylisted. */
  noteRemoval(network: Network): void;
  /** Networks of which that was said since the last time; each is given once. */
  takeRemovals(): Network[];
  /** The server's state says that the log's word is not so. */
  refute(ban: BanRecord): void;
}

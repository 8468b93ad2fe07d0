import type { Ip } from '../core/network.ts';

/** What a third party thinks of an address. */
export interface Reputation {
  /** Who says so: `abuseipdb`. */
  source: string;
  /** 0 (nothing known against it: no proof of innocence) to 100. */
  score: number;
  /** How many reports the score rests on, where the source says so. */
  reports?: number;
  /** When it was asked, ms since the epoch: an answer from a cache is older than now. */
  checkedAt: number;
}

/** Somebody who can be asked about addresses. */
export interface ReputationSource {
  readonly name: string;
  /**
   * What is known of the address; undefined when nothing is. Throws `TransientError` when there is no answer now, the
   * daily budget being spent included, and `PermanentError` when there never will be: a wrong key.
   */
  lookUp(ip: Ip, signal: AbortSignal): Promise<Reputation | undefined>;
}

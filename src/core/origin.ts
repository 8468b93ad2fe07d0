import type { Ip } from './network.ts';

/** Where an address is and whose network it is in; what is left out is unknown. */
export interface Origin {
  /** ISO 3166-1 alpha-2. */
  country?: string;
  /** Number of the autonomous system. */
  asn?: number;
  /** Who runs it: text that anybody may have registered, on one line and cut. */
  asName?: string;
}

/** Looks an address up in what is on this machine. Never throws, never waits for anybody. */
export type OriginOf = (ip: Ip) => Origin;

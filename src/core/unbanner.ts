import type { Network } from './network.ts';

/** A ban as the server itself has it. */
export interface StandingBan {
  /** ms since the epoch, infinite where the ban has no end; undefined where the server does not say. */
  until: number | undefined;
}

/**
 * A way to lift a ban. It acts on nothing that the server does not have: what a log line says is not asked here. Every
 * call throws `TransientError` or `PermanentError` with what to do; none retries.
 */
export interface Unbanner {
  /** `redis`, `mailcow-api`, `fail2ban-client`. */
  readonly name: string;
  /** How long the server takes at most until a lift or an entry in a list is in force, in ms. */
  readonly takesMs: number;
  /** How often it may be asked whether a lift is done, in ms; every second if left out. */
  readonly lookEveryMs?: number;
  /** Whether bans of this jail are its business. */
  covers(jail: string): boolean;
  /** The ban as it stands now; undefined if the server has none of exactly this network. */
  look(jail: string, network: Network, signal: AbortSignal): Promise<StandingBan | undefined>;
  /**
   * Asks the server to lift the ban of exactly this network. False, with nothing done, if it has none. To ask twice does
   * no harm; that it is gone is for `look` to show. A `TransientError` that is no refusal leaves open whether it was asked.
   */
  lift(jail: string, network: Network, signal: AbortSignal): Promise<boolean>;
  /**
   * Puts a network on the server's allowlist; false if it is there already, and so not ours to take off again. `onAbsent` is
   * called once it is known not to be there, before it is put there: an entry that is to have an end is noted down then.
   */
  allow(jail: string, network: Network, signal: AbortSignal, onAbsent?: () => void): Promise<boolean>;
  /** Why `disallow` never works, and what to do; left out where it does. */
  readonly cannotDisallow?: string;
  /** Takes it off again; false if it is not there. */
  disallow(jail: string, network: Network, signal: AbortSignal): Promise<boolean>;
  /**
   * Bans a network until a person takes it back, or, where a server knows no such bans, for as long as bans last there; false
   * if it is banned so already.
   */
  deny(jail: string, network: Network, signal: AbortSignal): Promise<boolean>;
}

/** One that can also say what is banned, for a person who names a network and no jail. */
export interface ListingUnbanner extends Unbanner {
  /** All bans that stand in the jails that it covers. */
  standing(signal: AbortSignal): Promise<{ jail: string; network: Network }[]>;
}

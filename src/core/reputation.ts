import type { z } from 'zod';
import type { Clock } from './clock.ts';
import type { HttpClient } from './http.ts';
import type { Ip, Network } from './network.ts';

/** What somebody thinks of an address, or of the worst one in a network. */
export interface Opinion {
  /** Who says so: `abuseipdb`. */
  source: string;
  /** 0 (nothing known against it: no proof of innocence) to 100. */
  score: number;
  /** How many reports the score rests on, where the source says so. */
  reports?: number | undefined;
  /** What it rests on, for a person. */
  note?: string | undefined;
  /** ISO 3166-1 alpha-2, where the source says so. */
  country?: string | undefined;
  /** When it was asked, ms since the epoch: an answer from a cache is older than now. */
  checkedAt: number;
}

/** Somebody who can be asked about addresses. */
export interface ReputationSource {
  readonly name: string;
  /** How long what it says is good for, in ms; 0 where it is asked anew each time. */
  readonly cacheMs: number;
  /**
   * What is known of the address; undefined when this source has no opinion of it. Throws `TransientError` when there is
   * no answer now, the daily budget being spent included, and `PermanentError` when there never will be: a wrong key, or,
   * with `isPayload`, an address that it can say nothing of.
   */
  lookUp(ip: Ip, signal: AbortSignal): Promise<Opinion | undefined>;
  /** The same of the worst address in a network; left out by sources that cannot say. Undefined also where it is too wide. */
  lookUpNetwork?(network: Network, signal: AbortSignal): Promise<Opinion | undefined>;
  /** Tries it, at the cost of one call at most, and says what was found; throws as `lookUp` does. */
  probe(signal: AbortSignal): Promise<string>;
}

/** What is told of an address that was banned: nothing of whom it tried to be, or of whom it attacked. */
export interface AbuseReport {
  ip: Ip;
  /** When it was banned, ms since the epoch. */
  at: number;
  attempts: number;
  /** `smtp`, `imap`, `sogo` … */
  services: readonly string[];
}

/**
 * What came of a report. `known`: there is one of us already, of the last minutes; `spent`: no more are taken today; `refused`:
 * this one never will be.
 */
export type ReportOutcome = { kind: 'taken' | 'known' } | { kind: 'spent' | 'refused'; reason: string };

/** Somebody who can be told of addresses. */
export interface AbuseReporter {
  readonly name: string;
  /** Throws `TransientError` when there is no answer now, and `PermanentError` where nothing is taken until a person acts. */
  report(report: AbuseReport, signal: AbortSignal): Promise<ReportOutcome>;
}

/** Calls that a far side takes in a day, counted across restarts. */
export interface Budget {
  /** Takes one call of today's; false if none is left. */
  take(call: string, daily: number): boolean;
  /** The far side says that there are no more until then, ms since the epoch. */
  spend(call: string, until: number): void;
  /** How many were made today. */
  used(call: string): number;
}

/** What a source is handed to work with. */
export interface ReputationTools {
  http: HttpClient;
  clock: Clock;
  /** The budget of this source alone. */
  budget: Budget;
}

/** One kind of source as the registry knows it. */
export interface ReputationDefinition<Options extends z.ZodObject = z.ZodObject> {
  /** Its key below `reputation`, and its name. */
  type: string;
  /** One line for the generated documentation; says what is sent to whom. */
  summary: string;
  options: Options;
  /** What is wrong with what an option names, for a person: looked at when the configuration is read. */
  mistakes?(options: z.output<Options>): { option: string; message: string }[];
  /** Opens nothing: no socket, timer or file. */
  create(options: z.output<Options>, tools: ReputationTools): ReputationSource;
  /** Where it can be told of addresses, too: has an option `report`, and is asked only where that is given. */
  createReporter?(options: z.output<Options>, tools: ReputationTools): AbuseReporter;
}

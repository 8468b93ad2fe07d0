import type { z } from 'zod';
import type { Clock } from './clock.ts';
import type { BanEvent } from './event.ts';
import type { HttpClient } from './http.ts';

/** What a lane hands to a notifier: one delivery, sent again under the same id until it is accepted. */
export interface Delivery {
  /** Stable across retries and crashes: sent along as `webhook-id`, so that a receiver can drop a repeat. */
  readonly id: string;
  /** Oldest first, at least one. */
  readonly events: readonly BanEvent[];
}

/** Sends events to one destination. Retry, order, grouping and the logging of failures are the lane's work. */
export interface Notifier {
  /**
   * Resolves once the far side accepted the delivery. Throws `TransientError` (later) or `PermanentError` (never); never
   * retries, drops repeats, or logs its own failure.
   */
  notify(delivery: Delivery, signal: AbortSignal): Promise<void>;
}

/** How a lane paces one notifier. */
export interface LanePace {
  /** After a message, what follows within this time is sent as one message at its end. */
  groupIntervalMs: number;
  /** Most events in one delivery. */
  maxEvents: number;
}

/** What a notifier is handed to work with. */
export interface NotifierTools {
  http: HttpClient;
  clock: Clock;
  /** For the notifier that writes to the terminal. */
  stdout: NodeJS.WritableStream;
}

/** One kind of notifier as the registry knows it: its options with their defaults, its pace, how to build it. */
export interface NotifierDefinition<Options extends z.ZodObject = z.ZodObject> {
  type: string;
  /** One line for the generated documentation. */
  summary: string;
  /** Options of this kind alone; `type`, `name`, `events` and `group_interval_ms` are common to all. */
  options: Options;
  pace: LanePace;
  /** Opens nothing: no socket, timer or file. */
  create(options: z.output<Options>, tools: NotifierTools): Notifier;
}

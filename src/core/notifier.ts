import type { z } from 'zod';
import type { Clock } from './clock.ts';
import type { BanEvent, BanEventType } from './event.ts';
import type { HttpClient } from './http.ts';
import type { Mailer } from './mail.ts';
import type { Message } from './message.ts';

/** What a lane hands to a notifier: one delivery, sent again under the same id until it is accepted. */
export interface Delivery {
  /** Stable across retries and crashes: sent along as `webhook-id`, so that a receiver can drop a repeat. */
  readonly id: string;
  /** How many events, at least one. */
  readonly size: number;
  /** Oldest first; read from the ledger as they are asked for, as there may be thousands after an outage. */
  readonly events: Iterable<BanEvent>;
}

/** Sends events to one destination. Retry, order, grouping and the logging of failures are the lane's work. */
export interface Notifier {
  /**
   * Resolves once the far side accepted the delivery. Throws `TransientError` (later) or `PermanentError` (never); never
   * retries, drops repeats, or logs its own failure.
   */
  notify(delivery: Delivery, signal: AbortSignal): Promise<void>;
  /**
   * The far side refused the payload of `notify` (`PermanentError.isPayload`): sends what matters most of it, short and
   * without markup. Left out where there is nothing simpler to send.
   */
  notifyPlainly?(delivery: Delivery, signal: AbortSignal): Promise<void>;
  /** The far side said that it would refuse what comes before then, in ms since the epoch; the lane waits. */
  restUntil?(): number;
}

/** How a lane paces one notifier. */
export interface LanePace {
  /** After a message, what follows within this time is sent as one message at its end. */
  groupIntervalMs: number;
  /** Least time between two messages, whatever the configuration says: the limit that the service documents. */
  minIntervalMs: number;
  /** Most events in one delivery. */
  maxEvents: number;
}

/** What a notifier is handed to work with. */
export interface NotifierTools {
  http: HttpClient;
  mailer: Mailer;
  clock: Clock;
  /**
   * The message about the events of a delivery, in the words and the time zone that this notifier is configured for. Lets
   * others have their turn where there are thousands.
   */
  compose(events: Iterable<BanEvent>): Message | Promise<Message>;
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
  /** Whether a person reads what it sends, made by `compose`, or a program that takes the events as they are. */
  audience: 'people' | 'programs';
  /** The kinds of events that it makes something of, where that is not all: it is sent those unless asked otherwise. */
  events?: readonly BanEventType[];
  pace: LanePace;
  /** Most events in one delivery, where the options decide that. */
  eventsAtOnce?: (options: z.output<Options>) => number | undefined;
  /** Opens nothing: no socket, timer or file. */
  create(options: z.output<Options>, tools: NotifierTools): Notifier;
}

import type { Delivery } from './notifier.ts';

/**
 * What consumers are still owed. A claimed delivery keeps its id and its events until it is delivered or parked, also
 * across a crash: what is sent again is the same thing under the same id.
 */
export interface Outbox {
  /**
   * The delivery to make next: the one that was claimed and not finished, else a new one of the oldest owed events
   * (`limit` at most). Undefined when nothing is owed.
   */
  claim(consumer: string, limit: number, options?: ClaimOptions): Delivery | undefined;
  /** The far side accepted it. */
  delivered(consumer: string, deliveryId: string): void;
  /** An attempt failed and will be repeated: counted, and kept with its reason for whoever looks. */
  failed(consumer: string, deliveryId: string, reason: string): void;
  /** It will never be accepted as it is: set aside with the reason until a person retries or drops it. */
  park(consumer: string, deliveryId: string, reason: string): void;
  /** It need not be sent: what it holds is owed no longer. */
  skip(consumer: string, deliveryId: string): void;
  /** Gives up what happened before this time (ms since the epoch) and is not yet claimed; returns how many events. */
  expire(consumer: string, before: number): number;
  /** Events owed to the consumer, claimed ones included, parked ones not; of those not yet claimed only the urgent, if asked. */
  owed(consumer: string, options?: { urgentOnly?: boolean }): number;
  /** When the oldest of what `owed` counts was recorded, ms since the epoch. */
  oldestAt(consumer: string, options?: { urgentOnly?: boolean }): number | undefined;
  /**
   * An attempt failed, and the far side takes nothing until a person acts: kept with the reason until `resume`, by whatever
   * process.
   */
  parkLane(consumer: string, deliveryId: string, reason: string): void;
  isLaneParked(consumer: string): boolean;
  resumeLane(consumer: string): void;
}

export interface ClaimOptions {
  /** New deliveries hold urgent events alone. */
  urgentOnly?: boolean;
  /** What came since joins the claimed one, under a new id. */
  merge?: boolean;
}

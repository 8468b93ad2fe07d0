import type { Delivery } from './notifier.ts';

/**
 * What consumers are still owed. A claimed delivery keeps its id and its events until it is delivered or parked, also
 * across a crash: what is sent again is the same thing under the same id. What may be about thousands of events is done in
 * slices, so that whoever shares the process waits for none of it.
 */
export interface Outbox {
  /** The delivery to make next: the one that is claimed, else a new one of the oldest owed events: `limit` at most, a slice at first. */
  claim(consumer: string, limit: number, options?: ClaimOptions): Claim | undefined;
  /** Adds a slice of what else is owed to the claimed delivery, which gets a new id; undefined where nothing was added. */
  extend(consumer: string, limit: number, options?: ClaimOptions): Delivery | undefined;
  /** Gives back a slice of the claimed delivery: owed as before. Returns whether there is more of it. */
  release(consumer: string): boolean;
  /** Whether the claimed delivery holds anything that is not urgent. */
  holdsUnurgent(consumer: string): boolean;
  /** The far side accepted it. */
  delivered(consumer: string, deliveryId: string): void;
  /** An attempt failed and will be repeated: counted, and kept with its reason for whoever looks. */
  failed(consumer: string, deliveryId: string, reason: string): void;
  /** It will never be accepted as it is: set aside with the reason until a person retries or drops it. */
  park(consumer: string, deliveryId: string, reason: string): void;
  /**
   * A slice of the claimed delivery need not be sent, and is owed no longer; digests stay, as they were made for this
   * consumer. Returns whether there is more to skip.
   */
  skip(consumer: string): boolean;
  /**
   * Gives up a slice of what happened before this time (ms since the epoch); returns how many events. Of the claimed
   * delivery each event, which gives it a new id, or, if `whole`, all of them once the last is too old.
   */
  expire(consumer: string, before: number, claimed: 'each' | 'whole'): number;
  /** Events owed to the consumer, claimed ones included, parked ones not; of those not yet claimed only the urgent, if asked. */
  owed(consumer: string, options?: ClaimOptions): number;
  /** When the oldest of what `owed` counts was recorded, ms since the epoch. */
  oldestAt(consumer: string, options?: ClaimOptions): number | undefined;
  /**
   * An attempt failed, and the far side takes nothing until a person acts: kept with the reason until `resume`, by whatever
   * process.
   */
  parkLane(consumer: string, deliveryId: string, reason: string): void;
  isLaneParked(consumer: string): boolean;
  resumeLane(consumer: string): void;
}

export interface ClaimOptions {
  /** Of what is not yet claimed, urgent events alone. */
  urgentOnly?: boolean;
}

export interface Claim extends Delivery {
  /** It was not claimed before, and nobody can have seen its id. */
  readonly isNew: boolean;
}

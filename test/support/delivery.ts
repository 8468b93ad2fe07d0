import type { BanEvent } from '../../src/core/event.ts';
import type { Delivery } from '../../src/core/notifier.ts';

/** A delivery of these events. */
export function deliveryOf(id: string, events: readonly BanEvent[]): Delivery {
  return { id, size: events.length, events };
}

import type { BanEvent } from '../core/event.ts';
import { composeBan } from './compose-ban.ts';
import { composeGroup } from './compose-group.ts';
import { composeOther } from './compose-other.ts';
import type { Message } from './message.ts';

/** One message for all the events of a delivery. */
export function composeMessage(events: readonly BanEvent[]): Message {
  const [first] = events;
  if (first === undefined || events.length > 1) return composeGroup(events);
  return 'ban' in first ? composeBan(first) : composeOther(first);
}

import type { BanEvent } from '../core/event.ts';
import type { Message } from '../core/message.ts';
import { composeBan } from './compose-ban.ts';
import { composeGroup } from './compose-group.ts';
import { composeOther } from './compose-other.ts';

/** One message for all the events of a delivery. */
export function composeMessage(events: Iterable<BanEvent>): Message {
  const [first, second] = events;
  if (first === undefined || second !== undefined) return composeGroup(events);
  return 'ban' in first ? composeBan(first) : composeOther(first);
}

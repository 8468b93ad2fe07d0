import type { BanEvent } from '../core/event.ts';
import type { Message } from '../core/message.ts';
import { composeBan } from './compose-ban.ts';
import { composeGroup } from './compose-group.ts';
import { composeOther } from './compose-other.ts';
import { composeUnban } from './compose-unban.ts';

/** One message for all the events of a delivery. */
export function composeMessage(events: Iterable<BanEvent>): Message {
  const [first, second] = events;
  if (first === undefined || second !== undefined) return composeGroup(events);
  if (first.type === 'unban.decided' || first.type === 'unban.failed') return composeUnban(first);
  return 'ban' in first ? composeBan(first) : composeOther(first);
}

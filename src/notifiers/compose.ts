import type { BanEvent } from '../core/event.ts';
import type { Message } from '../core/message.ts';
import { composeBan } from './compose-ban.ts';
import { composeGroup } from './compose-group.ts';
import { composeOther } from './compose-other.ts';
import { composeUnban } from './compose-unban.ts';
import { GroupTally } from './group-tally.ts';

/** What one message is about, gathered event by event: a single one as it is, several as their tally. */
export class Told {
  #first: BanEvent | undefined;
  #tally: GroupTally | undefined;

  add(event: BanEvent): void {
    if (this.#first === undefined) {
      this.#first = event;
      return;
    }
    this.#tally ??= talliedFrom([this.#first]);
    this.#tally.add(event);
  }

  /** The event, where it is the only one. */
  get only(): BanEvent | undefined {
    return this.#tally === undefined ? this.#first : undefined;
  }

  get tally(): GroupTally {
    return this.#tally ?? talliedFrom(this.#first === undefined ? [] : [this.#first]);
  }
}

function talliedFrom(events: readonly BanEvent[]): GroupTally {
  const tally = new GroupTally();
  for (const event of events) tally.add(event);
  return tally;
}

/** One message for all that is told. */
export function composeTold(told: Told): Message {
  const { only } = told;
  if (only === undefined) return composeGroup(told.tally);
  if (only.type === 'unban.decided' || only.type === 'unban.failed') return composeUnban(only);
  return 'ban' in only ? composeBan(only) : composeOther(only);
}

/** The same, of all the events of a delivery at once. */
export function composeMessage(events: Iterable<BanEvent>): Message {
  const told = new Told();
  for (const event of events) told.add(event);
  return composeTold(told);
}

import type { BanEvent } from '../core/event.ts';
import { code, joinLines, type Line, type Message, type Part, words } from '../core/message.ts';
import { formatCount, formatDuration, plural } from '../core/text.ts';
import { whoOf } from './compose-ban.ts';

/** Entries that one fact lists. */
const LISTED = 5;

export type Counts = Pick<Message, 'tone' | 'title' | 'lead'> & Partial<Message>;

/** What was refused in one window: how many, why, and who the worst were. */
export function describeRejects({ rejects }: Extract<BanEvent, { type: 'reject.summary' }>): Counts {
  const { total, temporary, addresses, services, reasons, dnsbls, networks } = rejects;
  const spanMs = Date.parse(rejects.until) - Date.parse(rejects.since);
  const again = temporary > 0 ? ` ${formatCount(temporary)} of them may try again later.` : '';
  return {
    tone: 'quiet',
    title: [`${plural(total, 'reject')} from ${plural(addresses, 'address', 'addresses')}${within(spanMs)}`],
    lead: [[`Refused by the mail server; nobody was banned for it.${again}`]],
    facts: [
      { label: 'Why', value: counted(reasons) },
      { label: 'Listed by', value: counted(dnsbls) },
      { label: 'Where', value: counted(services) },
      { label: 'Worst networks', value: tally(networks.map(({ network, count }) => [whoOf(network), count])) },
    ].filter(({ value }) => value.length > 0),
  };
}

/** An account that sends too much: told at once, later as a count. */
export function describeRateLimit({ ratelimit }: Extract<BanEvent, { type: 'ratelimit.applied' }>): Counts {
  const { account, limit, count, recipients, addresses } = ratelimit;
  const spanMs = Date.parse(ratelimit.until) - Date.parse(ratelimit.since);
  const who: Line = account === undefined ? ['an unknown account'] : [code(account)];
  const to = recipients > 0 ? ` to ${plural(recipients, 'recipient')}` : '';
  return {
    tone: 'trouble',
    title: ['Rate limit for ', ...who],
    lead: [[`${plural(count, 'mail')}${to} held back${within(spanMs)}. Was its password stolen?`]],
    facts: [
      { label: 'Limit', value: [words(limit, 64)] },
      { label: 'From', value: joinLines(addresses.slice(0, LISTED).map((address): Line => [code(address)])) },
    ].filter(({ value }) => value.length > 0),
  };
}

function within(spanMs: number): string {
  return spanMs >= 1_000 ? ` within ${formatDuration(spanMs)}` : '';
}

export function counted(list: readonly { name: string; count: number }[]): Line {
  return tally(list.map(({ name, count }) => [words(name, 80), count]));
}

export function tally(list: readonly (readonly [Part, number])[]): Line {
  const listed = list.slice(0, LISTED).map(([part, count]): Line => [part, ` ×${formatCount(count)}`]);
  return joinLines(listed, ', ').concat(list.length > LISTED ? [` and ${list.length - LISTED} more`] : []);
}

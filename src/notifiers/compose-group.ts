import type { Ban, BanEvent } from '../core/event.ts';
import { formatDuration, plural } from '../core/text.ts';
import { lengthOf, whoOf } from './compose-ban.ts';
import { eventLine, type OtherEvent } from './compose-other.ts';
import { ICONS, joinLines, type Line, type Message, type Part, type Tone } from './message.ts';

/** Lines that one message lists of each kind; the rest is counted. */
const LISTED = 10;

/** A message about many events: exact counts, own users first, then the worst offenders. */
export function composeGroup(events: readonly BanEvent[]): Message {
  const bans = events.filter((event) => 'ban' in event);
  const started = bans.filter((event) => event.type === 'ban.started').map((event) => event.ban);
  const ended = bans.filter((event) => event.type === 'ban.ended').map((event) => event.ban);
  const extended = bans.length - started.length - ended.length;
  const others = events.filter((event): event is OtherEvent => !('ban' in event));
  const own = started.filter((ban) => ban.known_users.length > 0);
  const counts = [
    ...(started.length > 0 ? [plural(started.length, 'ban')] : []),
    ...(ended.length > 0 ? [`${plural(ended.length, 'ban')} ended`] : []),
    ...(extended > 0 ? [`${plural(extended, 'ban')} extended`] : []),
    ...(others.length > 0 ? [plural(others.length, 'other event')] : []),
  ];
  const times = events.map((event) => Date.parse(event.at));
  const at = Math.max(...times);
  const spanMs = at - Math.min(...times);
  return {
    tone: toneOf(own.length, started.length, others),
    title: [`${counts.join(', ')}${spanMs >= 1000 ? ` within ${formatDuration(spanMs)}` : ''}`],
    lead: own.length > 0 ? [[`${plural(own.length, 'ban')} hit your own users.`]] : [],
    facts: groupFacts(started, ended),
    notes: [],
    items: [...otherItems(others), ...banItems(started, own), ...endedItems(ended, started.length)],
    evidence: [],
    footer: events[0]?.host ?? '',
    at,
  };
}

function toneOf(own: number, started: number, others: readonly BanEvent[]): Tone {
  if (own > 0) return 'own';
  if (others.some((event) => event.type === 'source.down')) return 'trouble';
  if (started > 0) return 'ban';
  return others.some((event) => event.type === 'bans.cleared') ? 'cleared' : 'end';
}

function groupFacts(started: readonly Ban[], ended: readonly Ban[]): Message['facts'] {
  const facts: { label: string; value: Line }[] = [];
  const services = countBy(started, (ban) => ban.services);
  if (services.length > 0) facts.push({ label: 'Services', value: countLine(services) });
  const attempts = started.reduce((sum, ban) => sum + ban.attempts, 0);
  if (attempts > 0) facts.push({ label: 'Failed attempts', value: [plural(attempts, 'attempt')] });
  const countries = countBy(started, (ban) => ban.offenders.slice(0, 1).flatMap(({ country }) => country ?? []));
  if (countries.length > 0) facts.push({ label: 'Countries', value: countLine(countries) });
  const reasons = countBy(ended, (ban) => [ban.end_reason ?? 'expired']);
  if (reasons.length > 0) facts.push({ label: 'Ended', value: countLine(reasons) });
  return facts;
}

function otherItems(others: readonly OtherEvent[]): Line[] {
  const listed = others.slice(0, LISTED).map((event): Line => [`${iconOf(event)} `, ...eventLine(event)]);
  return others.length > LISTED ? [...listed, [`and ${others.length - LISTED} more`]] : listed;
}

function iconOf(event: BanEvent): string {
  if (event.type === 'source.down') return ICONS.trouble;
  if (event.type === 'source.up') return ICONS.recovered;
  return event.type === 'bans.cleared' ? ICONS.cleared : ICONS.quiet;
}

function banItems(started: readonly Ban[], own: readonly Ban[]): Line[] {
  const strangers = started.filter((ban) => ban.known_users.length === 0).sort((a, b) => b.attempts - a.attempts);
  const listed = [...own, ...strangers].slice(0, LISTED);
  const lines = listed.map(banLine);
  return started.length > listed.length
    ? [...lines, [`and ${plural(started.length - listed.length, 'more ban')}`]]
    : lines;
}

function banLine(ban: Ban): Line {
  const length = lengthOf(ban);
  const account = ban.accounts[0];
  const users = ban.known_users.slice(0, 2).map((user): Line => [{ code: user.name }]);
  const parts: Part[] = [
    ...(users.length > 0 ? [`${ICONS.own} `] : []),
    whoOf(ban.network),
    ...(length === undefined ? [] : [` for ${length}`]),
    ...(ban.attempts > 0 ? [`, ${plural(ban.attempts, 'attempt')}`] : []),
    ...(ban.services.length > 0 ? [` on ${ban.services.join(', ')}`] : []),
    ...(account === undefined ? [] : [' as ', { code: account.name }]),
    ...(users.length === 0 ? [] : [', used by ', ...joinLines(users)]),
  ];
  return parts;
}

function endedItems(ended: readonly Ban[], started: number): Line[] {
  if (started > 0 || ended.length === 0) return [];
  const lines = ended.slice(0, LISTED).map((ban): Line => [whoOf(ban.network), ` ${ban.end_reason ?? 'expired'}`]);
  return ended.length > LISTED ? [...lines, [`and ${ended.length - LISTED} more`]] : lines;
}

function countBy(bans: readonly Ban[], keysOf: (ban: Ban) => readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const ban of bans) for (const key of keysOf(ban)) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).slice(0, LISTED);
}

function countLine(counts: readonly [string, number][]): Line {
  return [counts.map(([name, count]) => `${name} ${count}`).join(', ')];
}

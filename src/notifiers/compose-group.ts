import type { Ban, BanEvent } from '../core/event.ts';
import { formatCount, formatDuration, plural } from '../core/text.ts';
import { lengthOf, servicesOf, whoOf } from './compose-ban.ts';
import { eventLine, type OtherEvent } from './compose-other.ts';
import { code, footer, ICONS, joinLines, type Line, type Message, type Tone, words } from './message.ts';

/** Bans that one message lists; the rest is counted. */
const LISTED = 10;
/** More than there are reasons for; a bound all the same. */
const MOST_LISTED = 20;

/** What a person must not miss among many: listed whole, in front. */
const NEWS: readonly BanEvent['type'][] = ['source.down', 'source.up', 'bans.cleared'];

const OTHER_WORDS: Record<OtherEvent['type'], string> = {
  'source.down': 'source down',
  'source.up': 'source up again',
  'bans.cleared': 'all bans cleared',
  'bans.adopted': 'bans adopted',
  'denylist.added': 'denylisted',
  'denylist.removed': 'no longer denylisted',
  'allowlist.added': 'allowlisted',
  'allowlist.removed': 'no longer allowlisted',
  'reject.summary': 'rejects counted',
  'ratelimit.applied': 'rate limit',
};

/** A message about many events: exact counts, own users first, then the worst offenders. */
export function composeGroup(events: readonly BanEvent[]): Message {
  const bans = events.filter((event) => 'ban' in event);
  const started = bans.filter((event) => event.type === 'ban.started').map((event) => event.ban);
  const ended = bans.filter((event) => event.type === 'ban.ended').map((event) => event.ban);
  const extended = bans.length - started.length - ended.length;
  const others = events.filter((event): event is OtherEvent => !('ban' in event));
  const news = others.filter((event) => NEWS.includes(event.type));
  const own = started.filter((ban) => ban.known_users.length > 0);
  const counts = [
    ...(started.length > 0 ? [plural(started.length, 'ban')] : []),
    ...(ended.length > 0 ? [`${formatCount(ended.length)} ended`] : []),
    ...(extended > 0 ? [`${formatCount(extended)} extended`] : []),
    ...(others.length > 0 ? [plural(others.length, bans.length > 0 ? 'other event' : 'event')] : []),
  ];
  const times = events.map((event) => Date.parse(event.at));
  const at = Math.max(...times);
  const spanMs = at - Math.min(...times);
  const isTest = events.length > 0 && events.every((event) => event.test);
  return {
    tone: toneOf(own.length, started.length, others),
    title: [
      `${isTest ? 'Test: ' : ''}${counts.join(', ')}${spanMs >= 1000 ? ` within ${formatDuration(spanMs)}` : ''}`,
    ],
    lead: own.length > 0 ? [[`${plural(own.length, 'ban')} hit your own users.`]] : [],
    facts: groupFacts(started, ended, others),
    notes: groupNotes(started),
    items: [
      ...listOf(own.map(banLine), MOST_LISTED, 'more of your own users'),
      ...listOf(news.map(otherLine), MOST_LISTED, 'more'),
      ...strangerItems(started, LISTED - own.length),
      ...listOf(others.filter((event) => !news.includes(event)).map(otherLine), LISTED, 'more'),
      ...(started.length === 0 ? listOf(ended.map(endedLine), LISTED, 'more ended') : []),
    ],
    evidence: [],
    footer: footer(...new Set(events.map((event) => event.host))),
    at,
  };
}

/** As many lines as allowed, then how many there are besides. */
function listOf(lines: readonly Line[], most: number, more: string): Line[] {
  if (lines.length <= most) return [...lines];
  return [...lines.slice(0, most), [`and ${formatCount(lines.length - most)} ${more}`]];
}

function toneOf(own: number, started: number, others: readonly BanEvent[]): Tone {
  if (own > 0) return 'own';
  if (others.some((event) => event.type === 'source.down')) return 'trouble';
  if (started > 0) return 'ban';
  return others.some((event) => event.type === 'bans.cleared') ? 'cleared' : 'end';
}

function groupFacts(started: readonly Ban[], ended: readonly Ban[], others: readonly OtherEvent[]): Message['facts'] {
  const attempts = started.reduce((sum, ban) => sum + ban.attempts, 0);
  const facts: Message['facts'] = [
    { label: 'Services', value: countLine(countBy(started, (ban) => ban.services)) },
    { label: 'Failed attempts', value: attempts > 0 ? [formatCount(attempts)] : [] },
    {
      label: 'Countries',
      value: countLine(countBy(started, (ban) => ban.offenders.slice(0, 1).flatMap(({ country }) => country ?? []))),
    },
    { label: 'Ended', value: countLine(countBy(ended, (ban) => [ban.end_reason ?? 'expired'])) },
    { label: 'Other events', value: countLine(countBy(others, (event) => [OTHER_WORDS[event.type]])) },
  ];
  return facts.filter(({ value }) => value.length > 0);
}

function groupNotes(started: readonly Ban[]): Line[] {
  const late = started.filter((ban) => ban.late).length;
  const claimed = started.filter((ban) => ban.claimed).length;
  const unconfirmed = started.filter((ban) => !ban.confirmed).length;
  return [
    ...(late > 0 ? [[`${plural(late, 'ban')} began while cowbell was not running.`]] : []),
    ...(claimed > 0 ? [[`${plural(claimed, 'address', 'addresses')} may be innocent: the client wrote them.`]] : []),
    ...(unconfirmed > 0 ? [[`${plural(unconfirmed, 'ban')} known from the log alone.`]] : []),
  ];
}

function otherLine(event: OtherEvent): Line {
  return [`${iconOf(event)} `, ...eventLine(event)];
}

function iconOf(event: OtherEvent): string {
  if (event.type === 'source.down') return ICONS.trouble;
  if (event.type === 'source.up') return ICONS.recovered;
  if (event.type === 'denylist.added') return ICONS.denied;
  if (event.type === 'allowlist.added' || event.type === 'ratelimit.applied') return ICONS.trouble;
  return event.type === 'bans.cleared' ? ICONS.cleared : ICONS.quiet;
}

function strangerItems(started: readonly Ban[], most: number): Line[] {
  const strangers = started.filter((ban) => ban.known_users.length === 0).sort((a, b) => b.attempts - a.attempts);
  return listOf(strangers.map(banLine), Math.max(most, 3), strangers.length - most === 1 ? 'more ban' : 'more bans');
}

function banLine(ban: Ban): Line {
  const length = lengthOf(ban);
  const account = ban.accounts[0];
  const users = ban.known_users.slice(0, 2).map((user): Line => [code(user.name)]);
  const services = servicesOf(ban);
  return [
    ...(users.length > 0 ? [`${ICONS.own} `] : []),
    whoOf(ban.network),
    ...(length === undefined ? [] : [` for ${length}`]),
    ...(ban.attempts > 0 ? [`, ${plural(ban.attempts, 'attempt')}`] : []),
    ...(services.length > 0 ? [' on ', ...services] : []),
    ...(account === undefined ? [] : [' as ', code(account.name)]),
    ...(users.length === 0 ? [] : [', used by ', ...joinLines(users)]),
  ];
}

function endedLine(ban: Ban): Line {
  return [whoOf(ban.network), ` ${ban.end_reason ?? 'expired'}`];
}

function countBy<T>(things: readonly T[], keysOf: (thing: T) => readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const thing of things) for (const key of keysOf(thing)) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).slice(0, LISTED);
}

function countLine(counts: readonly [string, number][]): Line {
  return joinLines(
    counts.map(([name, count]): Line => [words(name, 32), ` ${formatCount(count)}`]),
    ', ',
  );
}

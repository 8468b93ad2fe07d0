import type { Ban, BanEvent, EndReason } from '../core/event.ts';
import {
  code,
  footer,
  ICONS,
  joinLines,
  type Line,
  type Message,
  moment,
  type Part,
  type Tone,
  words,
} from '../core/message.ts';
import { formatCount, formatDuration, plural } from '../core/text.ts';
import { lengthOf, servicesOf, whoOf } from './compose-ban.ts';
import { eventLine, type OtherEvent } from './compose-other.ts';
import { unbanLine, unbanTone } from './compose-unban.ts';
import { commonest, type GroupTally, LISTED } from './group-tally.ts';

/** Entries that one fact lists. */
const COUNTED = 10;

/** What took longer is told with its times. */
const LONG_MS = 60_000;

const END_WORDS: Record<EndReason, string> = {
  expired: 'expired',
  lifted: 'lifted',
  'lifted-by-cowbell': 'lifted by cowbell',
  cleared: 'dropped',
};

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
  'notifier.down': 'notifier down',
  'notifier.up': 'notifier up again',
  'notifier.refused': 'alert refused',
  digest: 'digest',
};

/** What was decided on bans, as it is counted: `2 lifted by cowbell`. */
const DECISION_WORDS = {
  failed: 'could not be lifted',
  lift: 'lifted by cowbell',
  'would-lift': 'would be lifted',
  keep: 'left to stand',
} as const;

const TROUBLES: readonly BanEvent['type'][] = [
  'source.down',
  'notifier.down',
  'notifier.refused',
  'allowlist.added',
  'ratelimit.applied',
];

/** A message about many events: exact counts, own users first, then the worst offenders. */
export function composeGroup(tally: GroupTally): Message {
  const spanMs = tally.lastAt - tally.firstAt;
  const isTest = tally.total > 0 && tally.tests === tally.total;
  const { started, own, newsCount, endedAlone } = tally;
  const strangers = started - own;
  const decisions = sumOf(tally.decisions);
  const listed = Math.max(LISTED - own, 3);
  return {
    tone: toneOf(tally),
    title: [`${isTest ? 'Test: ' : ''}${countsOf(tally)}${spanMs >= 1000 ? ` within ${formatDuration(spanMs)}` : ''}`],
    lead: own > 0 ? [[`${plural(own, 'ban')} hit your own users.`]] : [],
    facts: groupFacts(tally),
    notes: groupNotes(tally),
    items: [
      ...listOf(tally.ownBans, own, 'of your own users', (ban) => banLine(ban, tally)),
      ...listOf(tally.news, newsCount, '', otherLine),
      ...listOf(tally.decided, decisions, decisions === 1 ? 'decision' : 'decisions', (event) => [
        `${ICONS[unbanTone(event)]} `,
        ...unbanLine(event),
      ]),
      ...listOf(tally.worst.slice(0, listed), strangers, strangers - listed === 1 ? 'ban' : 'bans', (ban) =>
        banLine(ban, tally),
      ),
      ...listOf(tally.quiet, tally.others - newsCount, '', otherLine),
      ...(started === 0 ? listOf(tally.endedBans, endedAlone, 'ended', endedLine) : []),
    ],
    evidence: [],
    footer: footer(...tally.hosts),
    at: tally.lastAt,
  };
}

/** `37 bans (3 of them over), 4 ended, 1 other event`. */
function countsOf({ started, over, endedAlone, extended, others, decisions }: GroupTally): string {
  const bans = [
    ...(started > 0 ? [`${plural(started, 'ban')}${over > 0 ? ` (${formatCount(over)} of them over)` : ''}`] : []),
    ...(endedAlone > 0 ? [`${formatCount(endedAlone)} ended`] : []),
    ...(extended > 0 ? [`${formatCount(extended)} extended`] : []),
  ];
  for (const [decision, word] of Object.entries(DECISION_WORDS)) {
    const count = decisions.get(decision as keyof typeof DECISION_WORDS) ?? 0;
    if (count > 0) bans.push(`${formatCount(count)} ${word}`);
  }
  return [...bans, ...(others > 0 ? [plural(others, bans.length > 0 ? 'other event' : 'event')] : [])].join(', ');
}

function sumOf(counts: ReadonlyMap<unknown, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

/** Those that were kept, then how many there are besides. */
function listOf<T>(kept: readonly T[], total: number, noun: string, lineOf: (thing: T) => Line): Line[] {
  const rest = total - kept.length;
  const lines = kept.map(lineOf);
  return rest > 0 ? [...lines, [`and ${formatCount(rest)} more${noun === '' ? '' : ` ${noun}`}`]] : lines;
}

function toneOf({ own, started, otherTypes, decisions }: GroupTally): Tone {
  if (own > 0) return 'own';
  if (otherTypes.has('source.down') || otherTypes.has('notifier.down') || decisions.has('failed')) return 'trouble';
  if (started > 0) return 'ban';
  return otherTypes.has('bans.cleared') ? 'cleared' : 'end';
}

function groupFacts(tally: GroupTally): Message['facts'] {
  const otherTypes = new Map([...tally.otherTypes].map(([type, count]) => [OTHER_WORDS[type], count]));
  const endReasons = new Map([...tally.endReasons].map(([reason, count]) => [END_WORDS[reason], count]));
  const facts: Message['facts'] = [
    { label: 'When', value: whenOf(tally) },
    { label: 'Services', value: countLine(tally.services, { unknown: tally.ofNoService }) },
    { label: 'Failed attempts', value: tally.attempts > 0 ? [formatCount(tally.attempts)] : [] },
    { label: 'Countries', value: countLine(tally.countries, { unknown: tally.ofNoCountry }) },
    // One ban in each says no more than the list does.
    { label: 'Networks', value: countLine(tally.neighbourhoods, { show: code, least: 2 }) },
    { label: 'Ended', value: countLine(endReasons) },
    { label: 'Other events', value: countLine(otherTypes) },
  ];
  return facts.filter(({ value }) => value.length > 0);
}

/** Where it is not just now. */
function whenOf({ firstAt, lastAt }: GroupTally): Line {
  return lastAt - firstAt >= LONG_MS ? [moment(firstAt), ' to ', moment(lastAt)] : [];
}

function groupNotes({ late, claimed, unconfirmed }: GroupTally): Line[] {
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
  if (TROUBLES.includes(event.type)) return ICONS.trouble;
  if (event.type === 'source.up' || event.type === 'notifier.up') return ICONS.recovered;
  if (event.type === 'denylist.added') return ICONS.denied;
  return event.type === 'bans.cleared' ? ICONS.cleared : ICONS.quiet;
}

function banLine(ban: Ban, tally: GroupTally): Line {
  const end = tally.endOf.get(ban.id);
  const length = lengthOf(ban);
  const account = ban.accounts[0];
  const country = ban.offenders[0]?.country;
  const users = ban.known_users.slice(0, 2).map((user): Line => [code(user.name)]);
  const services = servicesOf(ban);
  return [
    ...(users.length > 0 ? [`${ICONS.own} `] : []),
    whoOf(ban.network),
    ...(country === undefined ? [] : [' (', words(country, 8), ')']),
    ...(length === undefined ? [] : [` for ${length}`]),
    ...(ban.attempts > 0 ? [`, ${plural(ban.attempts, 'attempt')}`] : []),
    ...(services.length > 0 ? [' on ', ...services] : []),
    ...(account === undefined ? [] : [' as ', code(account.name)]),
    ...(users.length === 0 ? [] : [', used by ', ...joinLines(users)]),
    ...(end === undefined ? [] : [` (${END_WORDS[end]})`]),
  ];
}

function endedLine(ban: Ban): Line {
  return [whoOf(ban.network), ` ${END_WORDS[ban.end_reason ?? 'expired']}`];
}

interface CountLineOptions {
  show?: (name: string) => Part;
  /** What is counted less often is not named. */
  least?: number;
  /** Those that none of the names is known of. */
  unknown?: number;
}

/** `smtp 40, imap 9 and 3 in 2 others, 1 unknown`: the commonest by name, all of them in the sum. */
function countLine(counts: ReadonlyMap<string, number>, options: CountLineOptions = {}): Line {
  const { show = (name) => words(name, 32), least = 1, unknown = 0 } = options;
  const named = commonest(counts, COUNTED).filter(([, count]) => count >= least);
  if (named.length === 0) return [];
  const others = counts.size - named.length;
  const rest = sumOf(counts) - sumOf(new Map(named));
  const line = joinLines(
    named.map(([name, count]): Line => [show(name), ` ${formatCount(count)}`]),
    ', ',
  );
  return [
    ...line,
    ...(others > 0 ? [` and ${formatCount(rest)} in ${plural(others, 'other')}`] : []),
    ...(unknown > 0 ? [`, ${formatCount(unknown)} unknown`] : []),
  ];
}

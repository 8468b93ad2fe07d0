import type { Ban, BanEvent } from '../core/event.ts';
import {
  code,
  footer,
  ICONS,
  joinLines,
  type Line,
  type Message,
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
  // One ban in each says no more than the list does.
  const crowded = new Map([...tally.neighbourhoods].filter(([, bans]) => bans > 1));
  const otherTypes = new Map([...tally.otherTypes].map(([type, count]) => [OTHER_WORDS[type], count]));
  const facts: Message['facts'] = [
    { label: 'Services', value: countLine(tally.services) },
    { label: 'Failed attempts', value: tally.attempts > 0 ? [formatCount(tally.attempts)] : [] },
    { label: 'Countries', value: countLine(tally.countries) },
    { label: 'Networks', value: countLine(crowded, code) },
    { label: 'Ended', value: countLine(tally.endReasons) },
    { label: 'Other events', value: countLine(otherTypes) },
  ];
  return facts.filter(({ value }) => value.length > 0);
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
    ...(end === undefined ? [] : [` (${end})`]),
  ];
}

function endedLine(ban: Ban): Line {
  return [whoOf(ban.network), ` ${ban.end_reason ?? 'expired'}`];
}

function countLine(counts: ReadonlyMap<string, number>, show = (name: string): Part => words(name, 32)): Line {
  return joinLines(
    commonest(counts, COUNTED).map(([name, count]): Line => [show(name), ` ${formatCount(count)}`]),
    ', ',
  );
}

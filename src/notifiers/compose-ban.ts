import type { Ban, BanEvent } from '../core/event.ts';
import { hostOf, type Network } from '../core/network.ts';
import { formatDuration, plural } from '../core/text.ts';
import { joinLines, type Line, type Message, type Part } from './message.ts';

type BanTold = Extract<BanEvent, { ban: Ban }>;

/** Names that one line lists; the rest is counted. */
const NAMED = 3;

const END_WORDS = {
  expired: 'expired',
  lifted: 'was lifted by a person',
  'lifted-by-cowbell': 'was lifted by cowbell',
  cleared: 'was dropped by a restart of netfilter',
} as const;

/** A message about one ban. */
export function composeBan(event: BanTold): Message {
  const { ban } = event;
  const isOwn = ban.known_users.length > 0;
  return {
    tone: event.type === 'ban.ended' ? 'end' : isOwn ? 'own' : 'ban',
    title: [...(event.test ? ['Test: '] : []), ...titleOf(event)],
    lead: [...(isOwn ? [ownUsers(ban)] : []), ...whyLines(ban)],
    facts: factsOf(event),
    notes: notesOf(event),
    items: [],
    evidence: event.type === 'ban.started' ? ban.evidence : [],
    footer: `${ban.host} · ${ban.jail}`,
    at: Date.parse(event.at),
  };
}

/** The address of a single host, the network of many. */
export function whoOf(network: string): Part {
  return { code: hostOf(network as Network) ?? network };
}

/** `30 min`, `good`, or undefined where the end is unknown. */
export function lengthOf(ban: Ban): string | undefined {
  if (ban.permanent) return 'good';
  if (ban.until === undefined) return undefined;
  return formatDuration(Date.parse(ban.until) - Date.parse(ban.started_at));
}

function titleOf({ type, ban }: BanTold): Line {
  const who = whoOf(ban.network);
  if (type === 'ban.ended') return ['Ban of ', who, ` ${END_WORDS[ban.end_reason ?? 'expired']}`];
  const length = lengthOf(ban);
  const verb =
    type === 'ban.extended' ? 'Ban extended: ' : ban.known_users.length > 0 ? 'Your own user was banned: ' : 'Banned ';
  return [verb, who, ...(length === undefined ? [] : [` for ${length}`])];
}

function ownUsers(ban: Ban): Line {
  const users = ban.known_users.slice(0, NAMED).map((user): Line => [{ code: user.name }]);
  const rest = ban.known_users.length - users.length;
  const names = joinLines([...users, ...(rest > 0 ? [[plural(rest, 'other')]] : [])]);
  return ['Logs in from there: ', ...names];
}

/** `10 failed logins on smtp as info@example.org and 2 others`. */
function whyLines(ban: Ban): Line[] {
  if (ban.attempts === 0) return [];
  const named = ban.accounts.slice(0, NAMED - 1).map((account): Line => [{ code: account.name }]);
  const rest = ban.accounts.length - named.length;
  const accounts = joinLines([...named, ...(rest > 0 ? [[plural(rest, 'other')]] : [])]);
  const what = ban.accounts.length > 0 ? 'failed login' : 'failed attempt';
  return [
    [
      plural(ban.attempts, what),
      ...(ban.services.length > 0 ? [` on ${ban.services.join(', ')}`] : []),
      ...(accounts.length > 0 ? [' as ', ...accounts] : []),
    ],
  ];
}

function factsOf({ type, ban }: BanTold): Message['facts'] {
  const facts: { label: string; value: Line }[] = [];
  if (type === 'ban.ended') {
    const length = Date.parse(ban.ended_at ?? ban.started_at) - Date.parse(ban.started_at);
    facts.push({ label: 'Stood for', value: [formatDuration(length)] });
  } else if (ban.until !== undefined) {
    const until = Date.parse(ban.until);
    facts.push({
      label: 'Until',
      value: [
        { time: until, as: 'moment' },
        { time: until, as: 'distance' },
      ],
    });
  } else if (ban.permanent) facts.push({ label: 'Until', value: ['a person lifts it'] });
  const place = placeOf(ban);
  if (place !== undefined) facts.push({ label: 'From', value: [place] });
  if (hostOf(ban.network as Network) === undefined && ban.offenders.length > 0) {
    facts.push({ label: 'Offenders', value: tally(ban.offenders.map(({ ip, attempts }) => [ip, attempts])) });
  }
  if (ban.accounts.length > 0) {
    facts.push({ label: 'Accounts tried', value: tally(ban.accounts.map(({ name, attempts }) => [name, attempts])) });
  }
  if (ban.reputation !== undefined) {
    const { source, score, reports } = ban.reputation;
    const detail = reports === undefined ? '' : `, ${plural(reports, 'report')}`;
    facts.push({ label: 'Reputation', value: [`${source}: ${score} of 100${detail}`] });
  }
  if (ban.history !== undefined && ban.history.bans > 1) {
    const { bans, window_days, first_seen_at } = ban.history;
    const first: Part = { time: Date.parse(first_seen_at), as: 'moment' };
    facts.push({ label: 'History', value: [`${ordinal(bans)} ban in ${window_days} days, first seen `, first] });
  }
  return facts;
}

function placeOf(ban: Ban): string | undefined {
  const worst = ban.offenders[0];
  const parts = [worst?.country, worst?.as_name, worst?.asn === undefined ? undefined : `AS${worst.asn}`];
  const known = parts.filter((part) => part !== undefined && part !== '');
  return known.length === 0 ? undefined : known.join(' · ');
}

function tally(counts: readonly [string, number][]): Line {
  const listed = counts.slice(0, 5).map(([name, count]): Line => [{ code: name }, ` ×${count}`]);
  return joinLines(listed, ', ').concat(counts.length > 5 ? [` and ${counts.length - 5} more`] : []);
}

function notesOf({ type, ban }: BanTold): Line[] {
  const notes: Line[] = [];
  if (ban.late) notes.push(['It happened while cowbell was not running.']);
  if (ban.claimed)
    notes.push(['The address stands in a part of the line that the client wrote: it may be an innocent one.']);
  if (!ban.confirmed && type === 'ban.started') notes.push(['Only the log says so; nothing else could confirm it.']);
  if (type === 'ban.ended' && ban.end_reason !== 'cleared' && ban.repeats > 0 && ban.jail === 'netfilter') {
    notes.push([
      'The ban was repeated while it stood: mailcow’s firewall may keep dropping this address until netfilter restarts ',
      '(mailcow issue 5879).',
    ]);
  }
  return notes;
}

function ordinal(count: number): string {
  const tail = count % 100 > 10 && count % 100 < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][count % 10] ?? 'th');
  return `${count}${tail}`;
}

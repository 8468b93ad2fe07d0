import type { Ban, BanEvent } from '../core/event.ts';
import {
  code,
  distance,
  evidenceLines,
  footer,
  joinLines,
  type Line,
  type Message,
  moment,
  type Part,
  words,
} from '../core/message.ts';
import { hostOf, type Network } from '../core/network.ts';
import { formatCount, formatDuration, plural } from '../core/text.ts';
import { countryName } from './country-name.ts';

type BanTold = Extract<BanEvent, { type: 'ban.started' | 'ban.extended' | 'ban.ended' }>;

/** Names that one line lists; the rest is counted. */
const NAMED = 3;
/** Entries that one fact lists. */
const LISTED = 5;
const LONGEST_HOSTNAME = 64;

const END_WORDS = {
  expired: 'expired',
  lifted: 'was lifted',
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
    evidence: event.type === 'ban.started' ? evidenceLines(ban.evidence) : [],
    footer: footer(ban.host, ban.jail),
    at: Date.parse(event.at),
  };
}

/** The address of a single host, the network of many. */
export function whoOf(network: string): Part {
  return code(hostOf(network as Network) ?? network);
}

/** `smtp, imap`. */
export function servicesOf(ban: Ban): Line {
  return joinLines(
    ban.services.slice(0, NAMED).map((service) => [words(service, 32)]),
    ', ',
  );
}

/** `30 min`, `good`, or undefined where the end is unknown. */
export function lengthOf(ban: Ban): string | undefined {
  if (ban.permanent) return 'good';
  if (ban.until === undefined) return undefined;
  const ms = Date.parse(ban.until) - Date.parse(ban.started_at);
  // A ban that was found by looking began up to a second before it was seen.
  const missing = (60_000 - (ms % 60_000)) % 60_000;
  return ms > 0 ? formatDuration(missing <= 1_500 ? ms + missing : ms) : undefined;
}

function titleOf({ type, ban }: BanTold): Line {
  const who = whoOf(ban.network);
  if (type === 'ban.ended') {
    const ms = Date.parse(ban.ended_at ?? ban.started_at) - Date.parse(ban.started_at);
    const after = ms > 0 ? ` after ${formatDuration(ms)}` : '';
    return ['Ban of ', who, ` ${END_WORDS[ban.end_reason ?? 'expired']}${after}`];
  }
  const length = lengthOf(ban);
  const forLength = length === undefined ? [] : [` for ${length}`];
  if (type === 'ban.extended')
    return ['Ban extended: ', who, ...forLength, ...(length === undefined ? [] : [' in all'])];
  if (ban.known_users.length === 0) return ['Banned ', who, ...forLength];
  const [noun, verb] = ban.known_users.length === 1 ? ['user', 'was'] : ['users', 'were'];
  return [`Your own ${noun} `, ...nameSome(ban.known_users, 1), ` ${verb} banned: `, who, ...forLength];
}

/** `Logs in from there: anna@example.org (41 logins, the last 2026-11-22 18:04) and 2 others`. */
export function ownUsers(ban: Ban): Line {
  const users = ban.known_users.slice(0, NAMED).map(({ name, logins, last_seen_at }): Line => {
    const last = moment(Date.parse(last_seen_at));
    return [code(name), ` (${plural(logins, 'login')}, the last `, last, ')'];
  });
  const rest = ban.known_users.length - users.length;
  return ['Logs in from there: ', ...joinLines([...users, ...(rest > 0 ? [[plural(rest, 'other')]] : [])])];
}

/** `a, b and 2 others`. */
function nameSome(list: readonly { name: string }[], most: number): Line {
  // The one that is left over is as short as its count.
  const count = list.length === most + 1 ? list.length : most;
  const named = list.slice(0, count).map(({ name }): Line => [code(name)]);
  const rest = list.length - named.length;
  return joinLines([...named, ...(rest > 0 ? [[plural(rest, 'other')]] : [])]);
}

/** `10 failed logins on smtp as info@example.org and 2 others`. */
function whyLines(ban: Ban): Line[] {
  const services = servicesOf(ban);
  const where: Line = services.length > 0 ? [' on ', ...services] : [];
  if (ban.attempts === 0) return where.length > 0 ? [['No failed attempt was seen', ...where]] : [];
  const accounts = nameSome(ban.accounts, NAMED - 1);
  return [
    [
      plural(ban.attempts, ban.accounts.length > 0 ? 'failed login' : 'failed attempt'),
      ...where,
      ...(accounts.length > 0 ? [' as ', ...accounts] : []),
    ],
  ];
}

function factsOf({ type, ban }: BanTold): Message['facts'] {
  const facts: { label: string; value: Line }[] = [];
  if (type !== 'ban.ended') facts.push(...untilFact(ban));
  const place = placeOf(ban);
  if (place.length > 0) facts.push({ label: 'From', value: place });
  if (hostOf(ban.network as Network) === undefined && ban.offenders.length > 0) {
    facts.push({ label: 'Offenders', value: tally(ban.offenders.map(({ ip, attempts }) => [ip, attempts])) });
  }
  if (ban.accounts.length > 0) {
    facts.push({ label: 'Accounts tried', value: tally(ban.accounts.map(({ name, attempts }) => [name, attempts])) });
  }
  if (ban.rejects !== undefined && ban.rejects > 0) {
    facts.push({ label: 'Also refused', value: [plural(ban.rejects, 'connection or mail', 'connections and mails')] });
  }
  if (ban.rules.length > 0) {
    const rules = ban.rules.slice(0, LISTED).map((rule): Line => [code(rule)]);
    facts.push({ label: ban.rules.length === 1 ? 'Rule' : 'Rules', value: joinLines(rules, ', ') });
  }
  facts.push(...reputationFact(ban));
  if (ban.history !== undefined && ban.history.bans > 1) {
    const { bans, window_days, first_seen_at } = ban.history;
    const first = moment(Date.parse(first_seen_at));
    facts.push({
      label: 'History',
      value: [`${ordinal(bans)} ban in ${plural(window_days, 'day')}, first seen `, first],
    });
  }
  return facts;
}

export function reputationFact({ reputation }: Ban): Message['facts'] {
  if (reputation === undefined) return [];
  const { source, score, reports } = reputation;
  const detail = reports === undefined ? '' : `, ${plural(reports, 'report')}`;
  return [
    {
      label: 'Reputation',
      value: [words(source, 32), ` ${Math.round(Math.min(Math.max(score, 0), 100))} of 100${detail}`],
    },
  ];
}

export function untilFact(ban: Ban): Message['facts'] {
  if (ban.until === undefined) return ban.permanent ? [{ label: 'Until', value: ['a person lifts it'] }] : [];
  const time = Date.parse(ban.until);
  return [
    {
      label: 'Until',
      value: [moment(time), distance(time)],
    },
  ];
}

/** Of a long name whose it is: its owner may put in front of that what he likes. */
function endOf(hostname: string): string {
  return hostname.length > LONGEST_HOSTNAME ? `…${hostname.slice(1 - LONGEST_HOSTNAME)}` : hostname;
}

/** `Netherlands, Some Net (AS64500)`: where the worst offender is from. */
function placeOf({ offenders: [worst] }: Ban): Line {
  const { country, asn, as_name, hostname } = worst ?? {};
  const number: Line = asn === undefined ? [] : [words(`AS${asn}`, 24)];
  const network: Line =
    as_name === undefined ? number : [words(as_name, 64), ...(number.length === 0 ? [] : [' (', ...number, ')'])];
  const parts: Line[] = [
    country === undefined ? [] : [words(countryName(country), 64)],
    network,
    hostname === undefined ? [] : [code(endOf(hostname))],
  ];
  return joinLines(
    parts.filter((part) => part.length > 0),
    ', ',
  );
}

function tally(counts: readonly [string, number][]): Line {
  const listed = counts.slice(0, LISTED).map(([name, count]): Line => [code(name), ` ×${formatCount(count)}`]);
  return joinLines(listed, ', ').concat(counts.length > LISTED ? [` and ${counts.length - LISTED} more`] : []);
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
  return `${formatCount(count)}${tail}`;
}

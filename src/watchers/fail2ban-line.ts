import { hostOf, parseNetwork } from '../core/network.ts';
import type { Statement } from '../core/observation.ts';
import { serviceOfName } from './failure-text.ts';
import { evidenceOf } from './redact.ts';

/**
 * The lines of fail2ban-server, of every version since 0.8 and at every verbosity: file, STDOUT, syslog, journal.
 * https://github.com/fail2ban/fail2ban/blob/1.0.2/fail2ban/helpers.py (getVerbosityFormat)
 */
export interface Fail2banLine {
  statements: Statement[];
  /** How the ban came about: only `ban` begins with the jail's own ban time. */
  verb?: 'ban' | 'restore' | 'repeat' | 'increase';
  /** How long an increased ban lasts from this line on, in milliseconds. */
  lastsMs?: number;
  sign?: Fail2banSign;
}

/** What a line tells of the server itself. */
export type Fail2banSign =
  | { sign: 'starting' | 'stopping' | 'stopped' }
  | { sign: 'jail-configured' | 'jail-stopped'; jail: string }
  | { sign: 'ban-time'; seconds: number };

interface Header {
  /** Last part of the logger's name, `actions`; unknown at -vv. */
  program: string | undefined;
  /** Its first four letters, as -vv cuts it to five; unknown for a journal line without one. */
  level: string | undefined;
  /** The line's own stamp, read as UTC: only differences of two of them mean something. */
  printedMs: number | undefined;
  message: string;
}

const DATE = String.raw`(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[,.]\d{1,6})?)`;
const LEVEL = '(CRITICAL|CRITI|ERROR|WARNING|WARNI|NOTICE|NOTIC|INFO|DEBUG)';

/** Syslog or journal in front; what follows begins with `fail2ban`. */
const SYSLOG =
  /^(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)) [\w.:-]{1,255} (?=fail2ban)/;
const TAG = /^fail2ban(?:-server)?(?:\[\d{1,10}\])?: (?=fail2ban|\d{4}-|\[|[A-Z]{4})/;

const DEFAULT = new RegExp(
  `^(?:${DATE} )?fail2ban((?:\\.\\w{1,32}){0,4}) {0,24}(?:\\[\\d{1,10}\\])?: {1,4}(?:${LEVEL} {1,9})?(?=[^ ]|$)`,
);
const LEVEL_ONLY = new RegExp(`^${LEVEL} {1,9}`);
const VERBOSE = new RegExp(`^ (?:${DATE} )?[0-9A-F]{6,16} ${LEVEL} {1,9}`);
const MORE_VERBOSE = new RegExp(
  `^ \\+ {0,5}\\d{1,12} [0-9A-F]{6,16} fail2ban((?:\\.\\w{1,32}){0,4}) {1,25}${LEVEL} {1,5}(?:\\| {0,15}[\\w.]{1,15}-\\d{1,2} {0,2}: \\w{1,20} {0,20}\\| {1,5})?`,
);

/** Everything that one line says; one `Ban` can name several addresses. */
export function readFail2banLine(text: string): Fail2banLine | undefined {
  const header = readHeader(text);
  if (header === undefined) return undefined;
  if (header.message.startsWith('[')) return readJailed(header, text);
  const sign = readSign(header);
  return sign && { statements: [], sign };
}

/** The first statement of a line. */
export function parseFail2banLine(text: string): Statement | undefined {
  return readFail2banLine(text)?.statements[0];
}

function readHeader(text: string): Header | undefined {
  if (text.startsWith(' ')) {
    const verbose = VERBOSE.exec(text);
    if (verbose !== null) return header(text, verbose[0], undefined, verbose[2], verbose[1]);
    const more = MORE_VERBOSE.exec(text);
    return more === null ? undefined : header(text, more[0], more[1], more[2]);
  }
  const syslog = SYSLOG.exec(text);
  let rest = syslog === null ? text : text.slice(syslog[0].length);
  const tag = TAG.exec(rest);
  if (tag !== null) rest = rest.slice(tag[0].length);
  const inner = DEFAULT.exec(rest);
  if (inner !== null && (inner[3] !== undefined || syslog !== null)) {
    return header(rest, inner[0], inner[2], inner[3], inner[1]);
  }
  if (tag === null) return undefined;
  const level = LEVEL_ONLY.exec(rest);
  return header(rest, level?.[0] ?? '', undefined, level?.[1]);
}

function header(
  text: string,
  head: string,
  program: string | undefined,
  level: string | undefined,
  date?: string,
): Header {
  return {
    program: program === undefined || program === '' ? undefined : program.slice(program.lastIndexOf('.') + 1),
    level: level?.slice(0, 4),
    printedMs: date === undefined ? undefined : dateMs(date),
    message: text.slice(head.length),
  };
}

const TARGET = '[0-9a-fA-F.:/]{2,50}';
const TARGETS = new RegExp(`^(Restore Ban|Ban|Unban) (${TARGET}(?:,? ${TARGET}){0,7})$`);
const REPEATED = new RegExp(`^(?:(${TARGET}) already banned|Reban (${TARGET})(?:, action '[^']{1,100}')?)$`);
const INCREASED = new RegExp(`^Increase Ban (${TARGET}) \\(\\d{1,9} # ([\\w :,]{1,40}) -> ([\\w :-]{1,40})\\)$`);
const FOUND = new RegExp(`^Found (${TARGET})(?: - ${DATE})?$`);
const FLUSHED = /^Flush (?:ticket\(s\) with \S{1,100}|ban list)$/;

function readJailed(header: Header, text: string): Fail2banLine | undefined {
  const head = /^\[([^[\]\s]{1,64})\] /.exec(header.message);
  if (head === null) return undefined;
  const jail = head[1] ?? '';
  const said = header.message.slice(head[0].length);
  const service = serviceOfName(jail);
  const facts = { jail, ...(service && { service }), line: evidenceOf(text) };

  const acted = TARGETS.exec(said);
  if (acted !== null) {
    if (!comesFrom(header, 'actions', 'NOTI', 'WARN')) return undefined;
    const kind = acted[1] === 'Unban' ? 'unbanned' : 'banned';
    const restored = acted[1] === 'Restore Ban';
    const statements = (acted[2] ?? '').split(/,? /).flatMap((target): Statement[] => {
      const place = placeOf(target);
      return place === undefined ? [] : [{ kind, ...facts, ...place, ...(restored && { restored }) } as Statement];
    });
    if (statements.length === 0) return undefined;
    return kind === 'unbanned' ? { statements } : { statements, verb: restored ? 'restore' : 'ban' };
  }

  const found = FOUND.exec(said);
  if (found !== null) {
    // The observer says `Found` again, with its own count: that is no further failure.
    if (!(header.program?.startsWith('filter') ?? true) || !hasLevel(header, 'INFO', 'NOTI')) return undefined;
    const ip = placeOf(found[1])?.ip;
    return ip && { statements: [{ kind: 'auth-failed', ...facts, ip }] };
  }

  const repeated = REPEATED.exec(said);
  if (repeated !== null) {
    if (!comesFrom(header, 'actions', 'DEBU', 'INFO', 'NOTI', 'WARN')) return undefined;
    const place = placeOf(repeated[1] ?? repeated[2]);
    return place && { statements: [{ kind: 'banned', ...facts, ...place }], verb: 'repeat' };
  }

  const increased = INCREASED.exec(said);
  if (increased !== null)
    return comesFrom(header, 'observer', 'NOTI') ? readIncrease(increased, header, facts) : undefined;

  if (FLUSHED.test(said) && comesFrom(header, 'actions', 'NOTI', 'INFO', 'DEBU')) {
    return { statements: [{ kind: 'cleared', ...facts, reason: 'fail2ban flushed the jail' }] };
  }
  return undefined;
}

function readIncrease(match: RegExpExecArray, header: Header, facts: { jail: string }): Fail2banLine | undefined {
  const place = placeOf(match[1]);
  if (place === undefined) return undefined;
  if (match[2] === 'permanent') {
    return { statements: [{ kind: 'banned', ...facts, ...place, until: Number.POSITIVE_INFINITY }], verb: 'increase' };
  }
  const seconds = durationSeconds(match[2] ?? '');
  // The end is printed in the zone of the line's own stamp, exact where the duration is rounded.
  const endMs = dateMs(match[3] ?? '');
  const lastsMs =
    endMs !== undefined && header.printedMs !== undefined ? endMs - header.printedMs : seconds && seconds * 1000;
  return {
    statements: [{ kind: 'banned', ...facts, ...place, ...(seconds !== undefined && { minutes: minutesOf(seconds) }) }],
    verb: 'increase',
    ...(lastsMs !== undefined && { lastsMs }),
  };
}

function readSign(header: Header): Fail2banSign | undefined {
  const { message } = header;
  if (!hasLevel(header, 'INFO')) return undefined;
  if (isOf(header, 'server')) {
    if (message.startsWith('Starting Fail2ban')) return { sign: 'starting' };
    if (message.startsWith('Shutdown in progress')) return { sign: 'stopping' };
    if (message === 'Exiting Fail2ban') return { sign: 'stopped' };
    const reloaded = /^Reload jail '([^']{1,64})'$/.exec(message);
    if (reloaded !== null) return { sign: 'jail-configured', jail: reloaded[1] ?? '' };
  }
  if (isOf(header, 'jail')) {
    const jail = /^(?:Creating new jail '([^']{1,64})'|Jail '([^']{1,64})' stopped)$/.exec(message);
    if (jail?.[1] !== undefined) return { sign: 'jail-configured', jail: jail[1] };
    if (jail?.[2] !== undefined) return { sign: 'jail-stopped', jail: jail[2] };
  }
  const banTime = isOf(header, 'actions') ? /^ {0,4}banTime: (-?\d{1,12})$/.exec(message) : null;
  return banTime === null ? undefined : { sign: 'ban-time', seconds: Number(banTime[1]) };
}

function isOf(header: Header, program: string): boolean {
  return header.program === undefined || header.program === program;
}

function hasLevel(header: Header, ...levels: string[]): boolean {
  return header.level === undefined || levels.includes(header.level);
}

function comesFrom(header: Header, program: string, ...levels: string[]): boolean {
  return isOf(header, program) && hasLevel(header, ...levels);
}

/** A ban's target may be anything that a person typed: only addresses and networks count. */
function placeOf(target: string | undefined) {
  const network = parseNetwork((target ?? '').toLowerCase());
  if (network === undefined) return undefined;
  const ip = hostOf(network);
  return ip === undefined ? { network } : { network, ip };
}

/** Minutes of a ban, whole where they are whole. */
export function minutesOf(seconds: number): number {
  return Math.round((seconds / 60) * 100) / 100;
}

const UNIT_SECONDS: Record<string, number> = { y: 31_536_000, w: 604_800, d: 86_400, h: 3_600, m: 60, s: 1 };

/** `24s`, `2d 7h 15m`; before 0.11 `1 day, 2:00:00` or `0:10:00`. */
function durationSeconds(text: string): number | undefined {
  const clock = /^(?:(\d{1,6}) ?d(?:ays?)?,? )?(\d{1,3}):(\d\d):(\d\d)$/.exec(text);
  if (clock !== null) {
    return Number(clock[1] ?? 0) * 86_400 + Number(clock[2]) * 3_600 + Number(clock[3]) * 60 + Number(clock[4]);
  }
  if (!/^\d{1,9}[ywdhms](?: \d{1,9}[ywdhms]){0,5}$/.test(text)) return undefined;
  return text
    .split(' ')
    .reduce((sum, part) => sum + Number.parseInt(part, 10) * (UNIT_SECONDS[part.slice(-1)] ?? 0), 0);
}

function dateMs(text: string): number | undefined {
  const ms = Date.parse(`${text.slice(0, 10)}T${text.slice(11).replace(',', '.')}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}

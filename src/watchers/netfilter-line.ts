import { hostOf, type Network, parseIp, parseNetwork } from '../core/network.ts';
import type { Statement } from '../core/observation.ts';
import { readFailureText, serviceOfName } from './failure-text.ts';
import { accountOf, evidenceOf } from './redact.ts';

/**
 * The lines of mailcow's netfilter container, in every wording since 2017. Since release 2025-10 a line begins with
 * `2026-11-23 11:48:41 CRIT: `, before that with the message itself.
 * https://github.com/mailcow/mailcow-dockerized/blob/master/data/Dockerfiles/netfilter/modules/Logger.py
 */

/** What a line tells of the life of netfilter itself. */
export type LifeSign =
  | { sign: 'started' }
  /** The first record of each life. */
  | { sign: 'listening' }
  | { sign: 'trouble'; cause: string }
  | { sign: 'counted'; network: Network };

export interface NetfilterLine {
  /** Whether it has today's prefix with time and level. */
  prefixed: boolean;
  statements: Statement[];
  signs: LifeSign[];
  /** The text in parentheses goes on in the next line: a name with a line break in it. */
  open: boolean;
}

type Level = 'CRIT' | 'WARN' | 'INFO';

/** A message with nothing in it that a client may choose; ends where the next one may begin. */
interface FixedMessage {
  pattern: RegExp;
  level: Level;
  /** It begins with a number or an address, and so with no capital letter. */
  isAddressFirst: boolean;
  /** Undefined for a match that does not hold after all. */
  read(match: RegExpExecArray): { statement?: Statement; sign?: LifeSign } | undefined;
}

const PREFIX = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (CRIT|WARN|INFO): /y;

const NETWORK = String.raw`[0-9a-f.:]{2,45}(?:\/(?:12[0-8]|1[01]\d|[1-9]?\d))?`;

const FIXED: readonly FixedMessage[] = [
  fixed('CRIT', `Banning (${NETWORK}) for (\\d{1,12}) minutes`, ([, net, minutes]) => banned(net, Number(minutes))),
  // Redis and the UI until 2019; without minutes.
  fixed('CRIT', `Banning (${NETWORK})`, ([, net]) => banned(net)),
  fixed('INFO', `Unbanning (${NETWORK})`, ([, net]) => {
    const network = parseNetwork(net ?? '');
    return network && { statement: { kind: 'unbanned', jail: 'netfilter', network, ...ipOf(network) } };
  }),
  fixed('CRIT', `Add(?:ed)? host/network (${NETWORK}) to (?:deny|black)list`, ([, net]) => listed('denylisted', net)),
  fixed('CRIT', `Remove(?:d)? host/network (${NETWORK}) from (?:deny|black)list`, ([, net]) =>
    listed('undenylisted', net),
  ),
  fixed('CRIT', `Blacklisting host/network (${NETWORK})`, ([, net]) => listed('denylisted', net)),
  fixed('INFO', '(?:Clearing all|Cleaning previously cached) bans', () => ({
    statement: { kind: 'cleared', jail: 'netfilter' },
  })),
  fixed('WARN', `\\d{1,9} more attempts (?:in the next \\d{1,12} seconds )?until (${NETWORK}) is banned`, ([, net]) => {
    const network = parseNetwork(net ?? '');
    return network && { sign: { sign: 'counted', network } };
  }),
  fixed('INFO', `Address ${NETWORK} is (?:allow|white)listed by rule ${NETWORK}`),
  fixed('INFO', `${NETWORK} is not banned, skipping unban and deleting from queue \\(if any\\)`),
  fixed('INFO', '(?:Allow|Deny|White|Black)list was changed, it has \\d{1,9} entries'),
  fixed('INFO', '(?:Watching|Subscribing to) Redis channel F2B_CHANNEL', () => ({ sign: { sign: 'listening' } })),
  fixed('INFO', 'Using (?:NF|IP)Tables backend', () => ({ sign: { sign: 'started' } })),
  fixed('INFO', 'Clear completed: ip6?'),
  fixed('INFO', 'Initializing mailcow netfilter chain'),
  fixed('INFO', 'MAILCOW ip6? chain created successfully\\.'),
  fixed('INFO', '(?:Setting|Skipping) MAILCOW isolation'),
  fixed('CRIT', '(?:MAILCOW target |Error in )[\\w/:, ]{1,80}restarting container(?: to fix it\\.\\.\\.)?', () => ({
    sign: { sign: 'trouble', cause: 'its chain was not in its place in the firewall' },
  })),
];

/** Messages that quote something: they go to the end of the line. */
const QUOTING: readonly { start: string; cause: string }[] = [
  { start: 'Error reading log line from pubsub', cause: 'it could not read from Redis' },
  { start: 'Could not read logline from pubsub', cause: 'it could not read from Redis' },
  { start: 'Failed logging to redis: ', cause: 'it lost its connection to Redis' },
  { start: 'Error loading F2B options: ', cause: 'its options in Redis could not be read' },
];

const MATCHED = /^([0-9a-f.:]{2,45}) matched rule id (\S{1,16})(?: in ([\w.-]{1,64}))?(?: \((.*))?$/s;

const NOTHING: NetfilterLine = { prefixed: false, statements: [], signs: [], open: false };

/** Everything that one line says. Two threads may print into one line, so there can be more than one message. */
export function readNetfilterLine(text: string): NetfilterLine {
  if (!mayBeOurs(text)) return NOTHING;
  const line: NetfilterLine = { prefixed: false, statements: [], signs: [], open: false };
  const evidence = () => evidenceOf(text);
  let at = 0;
  for (let count = 0; count < 4; count++) {
    PREFIX.lastIndex = at;
    const prefix = PREFIX.exec(text);
    if (prefix !== null) at += prefix[0].length;
    if (count === 0) line.prefixed = prefix !== null;
    // A process prints all of its lines in one format.
    else if (line.prefixed !== (prefix !== null)) return nothing(line);
    const level = prefix?.[1] as Level | undefined;
    const next = readFixed(text, at, level, line, evidence);
    if (next === undefined) return readRest(text.slice(at), level, line, evidence) ? line : nothing(line);
    if (next === text.length) return line;
    at = next;
  }
  return nothing(line);
}

function nothing({ prefixed }: NetfilterLine): NetfilterLine {
  return { ...NOTHING, prefixed };
}

/** The one statement of a line; of two that share a line the ban, else the first. */
export function parseNetfilterLine(text: string): Statement | undefined {
  const { statements } = readNetfilterLine(text);
  return statements.find((statement) => statement.kind === 'banned') ?? statements[0];
}

function readFixed(
  text: string,
  at: number,
  level: Level | undefined,
  line: NetfilterLine,
  evidence: () => string,
): number | undefined {
  const isAddress = startsWithAddress(text.charCodeAt(at));
  for (const message of FIXED) {
    if (message.isAddressFirst !== isAddress) continue;
    message.pattern.lastIndex = at;
    const match = message.pattern.exec(text);
    if (match === null) continue;
    if (level !== undefined && level !== message.level) return undefined;
    const said = message.read(match);
    if (said === undefined) return undefined;
    if (said.statement !== undefined) line.statements.push({ ...said.statement, line: evidence() });
    if (said.sign !== undefined) line.signs.push(said.sign);
    return at + match[0].length;
  }
  return undefined;
}

/** A message that quotes others, to the end of the line; false if there is none. */
function readRest(message: string, level: Level | undefined, line: NetfilterLine, evidence: () => string): boolean {
  const quoting = QUOTING.find(({ start }) => message.startsWith(start));
  if (quoting !== undefined) {
    line.signs.push({ sign: 'trouble', cause: quoting.cause });
    return true;
  }
  const match = MATCHED.exec(message);
  if (match === null || (level !== undefined && level !== 'WARN')) return false;
  const [, address = '', rule = '', container, quoted] = match;
  const ip = parseIp(address);
  if (ip === undefined) return false;
  const { text, open } = closeParenthesis(quoted ?? '');
  const failure = readFailureText(text);
  const service = failure.service ?? (container === undefined ? undefined : serviceOfName(container));
  const account = accountOf(failure.account);
  // An open text of the web login ends inside the name: the address that was counted was read out of it.
  const claimed = failure.addresses.some((named) => named !== ip) || (open && failure.service === 'ui');
  line.open = open;
  line.statements.push({
    kind: 'auth-failed',
    jail: 'netfilter',
    ip,
    ...(service && { service }),
    rule,
    ...(account !== undefined && { account }),
    ...(failure.reason && { reason: failure.reason }),
    ...(claimed && { claimed }),
    line: evidence(),
  });
  return true;
}

/**
 * The quoted text without its closing parenthesis. Where another thread's message is glued behind it, the text ends
 * there; that message is not read, as a client can write the same.
 */
function closeParenthesis(quoted: string): { text: string; open: boolean } {
  if (quoted === '') return { text: '', open: false };
  if (quoted.endsWith(')')) return { text: quoted.slice(0, -1), open: false };
  const close = quoted.lastIndexOf(')');
  if (close >= 0) {
    if (isFixed(quoted.slice(close + 1))) return { text: quoted.slice(0, close), open: false };
  }
  return { text: quoted, open: true };
}

/** Whether the text is one whole message without anything of a client's in it. */
function isFixed(text: string): boolean {
  PREFIX.lastIndex = 0;
  const prefix = PREFIX.exec(text);
  const line: NetfilterLine = { prefixed: false, statements: [], signs: [], open: false };
  const end = readFixed(text, prefix?.[0].length ?? 0, prefix?.[1] as Level | undefined, line, () => '');
  return end === text.length;
}

/** A cheap look before the patterns: a time or address, or the first letter of a message. */
function mayBeOurs(text: string): boolean {
  return startsWithAddress(text.charCodeAt(0)) || 'ABCDEFIMRSUW'.includes(text.charAt(0) || '-');
}

/** A digit, a colon, or a small letter from `a` to `f`. */
function startsWithAddress(first: number): boolean {
  return (first >= 48 && first <= 58) || (first >= 97 && first <= 102);
}

function fixed(level: Level, pattern: string, read: FixedMessage['read'] = () => ({})): FixedMessage {
  const isAddressFirst = pattern.startsWith('\\d') || pattern.startsWith(NETWORK);
  return { level, pattern: new RegExp(pattern, 'y'), isAddressFirst, read };
}

function banned(net: string | undefined, minutes?: number): { statement: Statement } | undefined {
  const network = parseNetwork(net ?? '');
  if (network === undefined) return undefined;
  return {
    statement: {
      kind: 'banned',
      jail: 'netfilter',
      network,
      ...ipOf(network),
      ...(minutes !== undefined && { minutes }),
    },
  };
}

function listed(kind: 'denylisted' | 'undenylisted', net: string | undefined): { statement: Statement } | undefined {
  const network = parseNetwork(net ?? '');
  return network && { statement: { kind, network, ...ipOf(network) } };
}

function ipOf(network: Network) {
  const ip = hostOf(network);
  return ip === undefined ? {} : { ip };
}

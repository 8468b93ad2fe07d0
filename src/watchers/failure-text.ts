import { type Ip, parseIp } from '../core/network.ts';
import type { Service } from '../core/observation.ts';

/**
 * What the text of a failed login says, as mailcow's netfilter quotes it behind `matched rule id`. The service is told
 * by the text, never by the rule's number: the numbers have moved seven times.
 */
export interface FailureText {
  service?: Service;
  /** As the client wrote it, uncut; may be empty. */
  account?: string;
  reason?: string;
  /** Addresses that stand where a program puts the client's. More than one: a client wrote something that looks so. */
  addresses: Ip[];
}

type Reader = (text: string) => FailureText | undefined;

const readers: readonly Reader[] = [readPostfix, readUi, readDovecotLogin, readDovecotAuth, readSogo];

/** `text` is a line without its syslog prefix; unknown lines give their first address at most. */
export function readFailureText(text: string): FailureText {
  const plain = text.replace(/^(?:(?:postfix|haproxy)\/[\w/-]{1,40}\[\d{1,10}\]|dovecot): /, '');
  for (const read of readers) {
    const found = read(plain);
    if (found !== undefined) return found;
  }
  return { ...guessService(plain), addresses: firstAddress(plain) };
}

function readPostfix(text: string): FailureText | undefined {
  const client =
    /^(warning: (?:non-SMTP command from )?|NOQUEUE: reject: RCPT from )([^\s[\]]{0,255})\[([0-9a-f.:]{2,45})\]/i.exec(
      text,
    );
  if (client === null) return undefined;
  const addresses = ips(client[3]);
  const rest = text.slice(client[0].length);
  if (text.startsWith('NOQUEUE')) {
    const postscreen = client[2] === '' && /^:\d/.test(rest);
    const reason = rest.includes('Protocol error') ? { reason: 'Protocol error' } : {};
    return { service: postscreen ? 'postscreen' : 'smtp', ...reason, addresses };
  }
  if (text.startsWith('warning: non-SMTP command')) return { service: 'smtp', reason: 'non-SMTP command', addresses };
  const sasl = /^: SASL ([\w-]{1,20}) authentication failed/.exec(rest);
  if (sasl === null) return { service: 'smtp', addresses };
  const user = rest.indexOf('sasl_username=');
  return {
    service: 'smtp',
    reason: `SASL ${sasl[1]} authentication failed`,
    ...(user < 0 ? {} : { account: rest.slice(user + 'sasl_username='.length) }),
    addresses,
  };
}

function readUi(text: string): FailureText | undefined {
  const head = /^(mailcow|Rspamd) UI: Invalid password (for )?/.exec(text);
  if (head === null) return undefined;
  // A name may hold ` by ` and addresses: the program's own address is the last thing in the line.
  const tail = /(?:^| )by ([0-9a-f.:]{2,45})$/.exec(text.slice(head[0].length));
  const name =
    head[2] === undefined
      ? undefined
      : text.slice(head[0].length, tail === null ? undefined : text.length - tail[0].length);
  return {
    service: head[1] === 'mailcow' ? 'ui' : 'rspamd-ui',
    reason: 'Invalid password',
    ...(name === undefined ? {} : { account: name }),
    addresses: [...firstAddress(text), ...(tail === null ? [] : ips(tail[1]))],
  };
}

const LOGIN_SERVICES: Record<string, Service> = {
  imap: 'imap',
  pop3: 'pop3',
  managesieve: 'sieve',
  sieve: 'sieve',
  submission: 'submission',
};

function readDovecotLogin(text: string): FailureText | undefined {
  const head = /^(imap|pop3|managesieve|sieve|submission)-login: (?:Info: )?([^:(]{1,80})/.exec(text);
  if (head === null) return undefined;
  const from = text.indexOf('user=<');
  const to = from < 0 ? -1 : text.indexOf('>, ', from);
  const rip = /, rip=([0-9a-f.:]{2,45})(?:,|$)/.exec(to < 0 ? text : text.slice(to));
  const service = LOGIN_SERVICES[head[1] ?? ''];
  return {
    ...(service === undefined ? {} : { service }),
    ...(to < 0 ? {} : { account: text.slice(from + 'user=<'.length, to) }),
    reason: (head[2] ?? '').trim(),
    addresses: ips(rip?.[1]),
  };
}

/** `auth-worker(7): conn unix:auth-worker (pid=1): sql(user,ip,<session>): Password mismatch (…)`. */
function readDovecotAuth(text: string): FailureText | undefined {
  let at = 0;
  for (let part = 0; part < 8; part++) {
    const backend = /^([a-z][\w-]{0,30})\((?!\d{1,10}\))(?!pid=)/.exec(text.slice(at, at + 64));
    if (backend !== null) return readBackend(text, at + backend[0].length);
    const next = text.indexOf(': ', at);
    if (next < 0 || next - at > 120) return undefined;
    at = next + 2;
  }
  return undefined;
}

function readBackend(text: string, start: number): FailureText | undefined {
  const inside = text.slice(start);
  // The session and what follows are dovecot's own words, the user before them is the client's: the last place counts.
  const places = [...inside.matchAll(/,([0-9a-f.:]{2,45})(?:,<[^<>]{0,64}>)?\): /g)];
  const last = places.at(-1);
  if (last === undefined) return undefined;
  const verdict = inside.slice(last.index + last[0].length);
  const service = /\((?:[^()]*,)?service=(imap|pop3|sieve|submission)\b/.exec(verdict)?.[1];
  return {
    service: service === undefined ? 'dovecot' : (LOGIN_SERVICES[service] ?? 'dovecot'),
    account: inside.slice(0, last.index),
    reason: /^[\w ,.'-]{1,60}/.exec(verdict)?.[0].trim() ?? 'authentication failed',
    addresses: places.flatMap((place) => ips(place[1])),
  };
}

function readSogo(text: string): FailureText | undefined {
  const login = /^(?:sogod ?\[\d{1,10}\]: )?SOGo\S{0,40} Login from '([^']{2,200})' for user '/.exec(text);
  if (login !== null) {
    const rest = text.slice(login[0].length);
    const end = rest.lastIndexOf("' might not have worked");
    return {
      service: 'sogo',
      ...(end < 0 ? {} : { account: rest.slice(0, end) }),
      reason: 'login failed',
      // With a proxy in between there are two, the client's first.
      addresses: ips((login[1] ?? '').split(',')[0]),
    };
  }
  const refused = /^([0-9a-f.:]{2,45})(?:, [0-9a-f.:]{2,45})? "GET [/_]SOGo[/_].*" 403 /s.exec(text);
  return refused === null ? undefined : { service: 'sogo', reason: '403', addresses: ips(refused[1]) };
}

/** For lines and rules (`regex: …` of March 2020) that none of the readers knows. */
function guessService(text: string): { service?: Service } {
  if (/^regex: /.test(text)) {
    if (text.includes('SASL') || text.includes('non-SMTP')) return { service: 'smtp' };
    if (text.includes('SOGo')) return { service: 'sogo' };
    if (text.includes('Rspamd UI')) return { service: 'rspamd-ui' };
    if (text.includes('mailcow UI')) return { service: 'ui' };
    if (/-login|auth failed|no auth|plaintext/.test(text)) return { service: 'dovecot' };
    return {};
  }
  if (/^(?:auth|auth-worker)\b/.test(text)) return { service: 'dovecot' };
  return /^(?:sogod|SOGo)\b/.test(text) ? { service: 'sogo' } : {};
}

/** The service that the name of a container or a fail2ban jail tells of. */
export function serviceOfName(name: string): Service | undefined {
  const lower = name.toLowerCase();
  for (const [word, service] of NAMES) if (lower.includes(word)) return service;
  return undefined;
}

const NAMES: readonly (readonly [string, Service])[] = [
  ['postscreen', 'postscreen'],
  ['submission', 'submission'],
  ['smtps', 'smtps'],
  ['postfix', 'smtp'],
  ['sendmail', 'smtp'],
  ['exim', 'smtp'],
  ['smtp', 'smtp'],
  ['imap', 'imap'],
  ['pop3', 'pop3'],
  ['sieve', 'sieve'],
  ['dovecot', 'dovecot'],
  ['sogo', 'sogo'],
  ['rspamd', 'rspamd-ui'],
];

/** The first thing in the text that is an address by itself, not a part of a host name. */
function firstAddress(text: string): Ip[] {
  for (const match of text.matchAll(/(?<![\w.:-])[0-9a-f.:]{2,45}(?![\w-])/g)) {
    const ip = parseIp(match[0].replace(/[.:]$/, ''));
    if (ip !== undefined && match[0] !== '::') return [ip];
  }
  return [];
}

function ips(text: string | undefined): Ip[] {
  const ip = text === undefined ? undefined : parseIp(text);
  return ip === undefined ? [] : [ip];
}

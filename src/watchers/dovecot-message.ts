import type { Service, Statement } from '../core/observation.ts';
import { readDovecotAuth } from './dovecot-auth.ts';
import { ipsOf, type LoginText, loginStatement } from './login-text.ts';

/**
 * dovecot's messages about logins, of versions 2.0 to 2.4, as they stand behind syslog's `dovecot: `. The login process
 * sums up a connection; the auth process and its workers tell of each attempt, where `auth_verbose` is on.
 * https://github.com/dovecot/core/blob/2.4.4/src/login-common/client-common.c (client_get_extra_disconnect_reason)
 */

const SERVICES: Readonly<Record<string, Service>> = {
  imap: 'imap',
  pop3: 'pop3',
  managesieve: 'sieve',
  sieve: 'sieve',
  submission: 'submission',
};

const LOGIN = /^(?:dovecot: )?(imap|pop3|managesieve|sieve|submission)-login: (?:Info: )?/;

/**
 * Words that end a connection whose client gave a user and was refused: what fail2ban counts, and accounts that are shut.
 * No attempts, attempts not finished and the server's own failures are no failed logins. The last form is dovecot 1's.
 */
const FAILED =
  /\((auth failed|authorization failed|tried to use dis(?:abled|allowed) \w{1,20} auth|proxy dest auth(?:entication failure| failed)|user disabled|password expired|login disabled)(?: to [\w.:-]{1,255})?(?:, (?:\d{1,9}\/)?(\d{1,9}) (?:attempts|successful auths))?|\(([1-9]\d{0,8}) (authentication attempts)\)/;
/** How dovecot begins to tell of the end of a connection: other messages quote what the client sent, as `ID sent: …`. */
const END =
  /^(?:Disconnected|Aborted login|Login aborted|Client has quit|Remote closed|Connection closed|Inactivity|Too many invalid|Maximum number of connections|Internal login failure)/i;
const OTHER = /\(([a-z][A-Za-z' ]{2,60}?)(?: in \d|[,)])/;

/** Behind the client's address there are only dovecot's own words: nothing in angle brackets but the session, at the end. */
const BEHIND_RIP = /^ rip=([0-9a-f.:]{2,45})(?=,|$)[^<>]*(?:session=<([^<>]{0,80})>)?$/;

/** What a message says of a login, or of a connection that ended without one; undefined for anything else. */
export function readDovecotMessage(message: string): LoginText | undefined {
  return read(message, true);
}

/** A whole message as dovecot gives it to syslog, or as it arrives on F2B_CHANNEL. `line` is it with its prefix. */
export function parseDovecotMessage(message: string, line = message): Statement | undefined {
  return loginStatement(read(message, false), line);
}

function read(message: string, withOthers: boolean): LoginText | undefined {
  const first = message.charCodeAt(0);
  // a, d, i, m, p, s: auth, dovecot, imap, managesieve, pam and pop3, sieve and submission.
  if (first !== 97 && first !== 100 && first !== 105 && first !== 109 && first !== 112 && first !== 115)
    return undefined;
  const login = LOGIN.exec(message);
  if (login === null) return readDovecotAuth(message);
  const own = ownWords(message, login[0].length);
  const said = outcomeOf(own.text);
  if (said.outcome === 'neither' && !withOthers) return undefined;
  const service = SERVICES[login[1] ?? ''];
  const place = own.isUserFirst ? readAround(message, own.user) : readAfter(message, own.rip, own.user);
  return { ...(service && { service }), ...place, ...said };
}

/**
 * `Disconnected (auth failed, 1 attempts in 2 secs): user=<…>, method=PLAIN, rip=…, lip=…, session=<…>`. Of all this the
 * client writes the name, with anything but control characters in it, and the mechanism, which dovecot prints in upper case.
 */
function ownWords(message: string, start: number) {
  const user = message.indexOf('user=<', start);
  const rip = message.indexOf(' rip=', start);
  const isUserFirst = user >= 0 && (rip < 0 || user < rip);
  return { user, rip, isUserFirst, text: message.slice(start, isUserFirst ? user : rip < 0 ? undefined : rip) };
}

/** dovecot's own order, `user=<…>` before `rip=`: whatever the name holds, the last `rip=` is dovecot's. */
function readAround(
  message: string,
  user: number,
): Pick<LoginText, 'account' | 'mechanism' | 'ip' | 'addresses' | 'session'> {
  const rip = message.lastIndexOf(' rip=');
  if (rip < user) return { addresses: [] };
  const between = message.slice(user + 6, rip);
  const close = between.lastIndexOf('>');
  const behind = BEHIND_RIP.exec(message.slice(rip));
  if (close < 0 || behind === null) return { addresses: [] };
  return { account: between.slice(0, close), ...placeOf(behind, between.slice(close)) };
}

/** No name, or one behind the address: the first `rip=` is dovecot's. */
function readAfter(
  message: string,
  rip: number,
  user: number,
): Pick<LoginText, 'account' | 'mechanism' | 'ip' | 'addresses' | 'session'> {
  if (rip < 0) return { addresses: [] };
  const address = /^ rip=([0-9a-f.:]{2,45})(?=,|$)/.exec(message.slice(rip, rip + 52));
  if (address === null) return { addresses: [] };
  if (user < 0) {
    const session = /, session=<([^<>]{0,80})>/.exec(message.slice(rip))?.[1];
    return placeOf([address[0], address[1] as string, session as string], message.slice(0, rip));
  }
  const rest = message.slice(user + 6).replace(/, session=<[^<>]{0,80}>$/, '');
  const close = rest.lastIndexOf('>');
  return { ...(close >= 0 && { account: rest.slice(0, close) }), ...placeOf(address, message.slice(0, rip)) };
}

function placeOf([, rip, session]: readonly (string | undefined)[], own: string) {
  const addresses = ipsOf(rip);
  const mechanism = /[ ,]method=([A-Z0-9_-]{1,20}),/.exec(own)?.[1];
  return {
    ...(mechanism !== undefined && { mechanism }),
    ...(session !== undefined && session !== '' && { session }),
    ...(addresses[0] !== undefined && { ip: addresses[0] }),
    addresses,
  };
}

function outcomeOf(own: string): Pick<LoginText, 'outcome' | 'reason' | 'attempts'> {
  if (own === 'Login: ' || own === 'Logged in: ') return { outcome: 'succeeded' };
  const failed = END.test(own) ? FAILED.exec(own) : null;
  if (failed !== null) {
    const [, reason = failed[4] ?? '', attempts = failed[3] ?? 1] = failed;
    return { outcome: 'failed', reason, attempts: Math.max(1, Number(attempts)) };
  }
  const reason = OTHER.exec(own)?.[1] ?? /^[^:(]{1,60}/.exec(own)?.[0];
  return { outcome: 'neither', ...(reason !== undefined && { reason: reason.trim() }) };
}

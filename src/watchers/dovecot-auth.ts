import { ipsOf, type LoginText } from './login-text.ts';

/**
 * The messages of dovecot's auth process and its workers, one for each attempt:
 * `auth-worker(7): conn unix:auth-worker (pid=1,uid=97): auth-worker<3>: sql(user,192.0.2.1,<session>): unknown user`, and
 * since 2.4 `auth(user,192.0.2.1,sasl:plain)<session>: sql: unknown user`.
 * https://github.com/dovecot/core/blob/2.4.4/src/auth/auth-request.c (get_log_prefix)
 */

/** Up to the backend's name; an error of the server itself has another word than `Info` here, and is not read. */
const WORKER =
  /^(?:dovecot: )?(?:dovecot-)?auth(?:-worker)?(?:\((?:\d{1,10}|default)\))?: (?:Info: )?(?:conn [\w:./-]{1,80}(?: \([\w=,]{0,60}\))?: )?(?:auth-worker<\d{1,10}>: )?(?:request \[\d{1,10}\]: )?[a-z][\w-]{0,30}\(/;
const PROCESS = /^(?:dovecot: )?auth(?:-worker)?\((?!(?:\d{1,10}|default)\): )/;

/** dovecot cuts a name to this many bytes: what looks like a place further behind, a client wrote. */
const LONGEST_NAME = 64;

/** `,<address>,<session>): `, which ends what is known of the client. */
const PLACE = /,([0-9a-f.:]{2,45})(?:,master)?(?:,(?:<([^<>]{0,80})>)?)?\): /g;
const PLACE_2_4 =
  /,([0-9a-f.:]{2,45})(?:,sasl:([\w-]{1,20}))?(?:,master)?\)(?:<\d{1,10}>)?(?:<([^<>]{0,80})>)?: (?:Info: )?(?:request \[\d{1,10}\]: )?(?:[a-z][\w-]{0,30}: )?/g;

/** Why a backend refuses a client. Its own trouble (no database, no service file) is not among them. */
const VERDICT =
  /^(?:[Pp]assword mismatch|[Uu]nknown user|[Uu]ser unknown|[Ii]nvalid credentials|pam_authenticate\(\) failed: (?:Authentication failure|User not known|Permission denied|Have exhausted maximum)|Login attempt with empty password|Attempted login with password having illegal chars|User found from deny passdb|Authentication failure due to policy server refusal|allow_nets check failed|oauth2 failed|Login failed|Username character disallowed)/;
const DISALLOWED = /^Username character disallowed by auth_username_chars: 0x[0-9a-f]{2} \(username: (.*)\)$/s;

/** Another backend is asked about the same attempt, and has the last word. */
const NOT_THE_LAST = / - trying the next (?:passdb|userdb)$/;

/** PAM's own line: blanks in a name would make two readings of it. */
const PAM =
  /^(?:(?:dovecot: )?(?:dovecot-)?auth(?:-worker)?(?:\(\d{1,10}\))?: )?pam_[a-z\d]{1,16}\(dovecot(?::auth)?\): (authentication failure); logname=\S{0,64} uid=\d{1,10} euid=\d{1,10} tty=dovecot ruser=(\S{0,128}) rhost=([0-9a-f.:]{2,45})(?: {1,2}user=\S{0,128})?\s{0,2}$/;

export function readDovecotAuth(message: string): LoginText | undefined {
  const pam = PAM.exec(message);
  if (pam === null) {
    const worker = WORKER.exec(message);
    if (worker !== null) return readPlace(message.slice(worker[0].length), PLACE);
    const process = PROCESS.exec(message);
    return process === null ? undefined : readPlace(message.slice(process[0].length), PLACE_2_4);
  }
  const addresses = ipsOf(pam[3]);
  return {
    outcome: 'failed',
    service: 'dovecot',
    account: pam[2] ?? '',
    reason: pam[1] ?? '',
    ...first(addresses),
    addresses,
  };
}

/** Whether a message is PAM's, which the backend that asked PAM tells of once more. */
export function isOfPam(message: string): boolean {
  return PAM.test(message);
}

function readPlace(text: string, pattern: RegExp): LoginText | undefined {
  const places = placesIn(text, pattern);
  // The name stands before dovecot's own words, so the last place counts.
  const place = places.at(-1);
  if (place === undefined) return undefined;
  const is24 = pattern === PLACE_2_4;
  const said = text.slice(place.index + place[0].length);
  const mechanism = is24 ? place[2]?.toUpperCase() : undefined;
  const session = is24 ? place[3] : place[2];
  const addresses = places.flatMap((each) => ipsOf(each[1]));
  // The name in front, and what a token or a password says behind, may look like a place as well: then nothing is sure.
  const isSure = new Set(addresses).size === 1;
  const verdict = VERDICT.exec(said)?.[0];
  return {
    outcome: verdict === undefined || NOT_THE_LAST.test(said) ? 'neither' : 'failed',
    service: 'dovecot',
    ...accountOf(text.slice(0, place.index), said),
    reason: verdict ?? /^[\w ,.'-]{1,60}/.exec(said)?.[0].trim() ?? 'authentication failed',
    ...(mechanism !== undefined && { mechanism }),
    ...(session !== undefined && session !== '' && { session }),
    ...(isSure && first(addresses.slice(-1))),
    addresses,
  };
}

function placesIn(text: string, pattern: RegExp): RegExpExecArray[] {
  const places: RegExpExecArray[] = [];
  pattern.lastIndex = text.indexOf(',');
  for (let place = pattern.exec(text); place !== null && place.index <= LONGEST_NAME; place = pattern.exec(text)) {
    places.push(place);
  }
  return places;
}

/** `?` stands for a name that dovecot does not take; it is told behind it. */
function accountOf(name: string, said: string): { account?: string } {
  const refused = name === '?' ? DISALLOWED.exec(said)?.[1] : name;
  return refused === undefined ? {} : { account: refused };
}

function first<T>([ip]: T[]): { ip?: T } {
  return ip === undefined ? {} : { ip };
}

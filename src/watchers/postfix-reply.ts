import { accountOf } from './redact.ts';

/** What Postfix answered to a client, and the envelope that it logs behind the answer. */
export interface Reply {
  /** One of a closed list, as the clients' own words surround it; undefined for a text that is none of Postfix's own. */
  reason?: string;
  code?: string;
  dnsbl?: string;
  sender?: string;
  recipient?: string;
  helo?: string;
}

/** `550 5.1.1`, `554` of Postfix before 2.3, `5.7.1` of cleanup. */
const CODE = /^(?:([45]\d\d)(?:[ -]([45]\.\d{1,3}\.\d{1,3}))?|([45]\.\d{1,3}\.\d{1,3}))(?:[ -]|$|(?=;))/;

const CLASS =
  '(?:(?:Unverified )?Client host|Client certificate|SASL login name|(?:Helo|Data|Etrn|Vrfy) command|(?:Sender|Recipient) address|End-of-data)';

/**
 * What follows `rejected: `, and what stands alone; the longer first. From Postfix's source, and the policy services and
 * milters that are mostly put behind it. https://github.com/vdukhovni/postfix/blob/v3.10.0/postfix/src/smtpd/smtpd_check.c
 */
const SAID = [
  ...['Relay access denied', 'Access denied', 'Service unavailable', 'Service currently unavailable', 'Protocol error'],
  ...['too many connections', 'all server ports busy', 'all screening ports busy', 'Session encryption is required'],
  ...['cannot find your reverse hostname', 'cannot find your hostname', 'need fully-qualified hostname'],
  ...['need fully-qualified address', 'invalid ip address', 'Invalid name', 'Host not found', 'Domain not found'],
  ...['Malformed DNS server reply', 'Improper use of SMTP command pipelining', 'Unable to look up mail exchanger host'],
  ...['Unable to look up host', 'Unable to look up mail', 'Unable to verify host', 'address verification problem'],
  ...['unverified address', 'undeliverable address', 'not owned by user', 'not logged in', 'Multi-recipient bounce'],
  ...['User unknown in local recipient table', 'User unknown in virtual alias table', 'user unknown', 'unknown user'],
  ...['User unknown in virtual mailbox table', 'User unknown in relay recipient table', 'User unknown', 'Unknown user'],
  ...['defer_if_permit requested', 'defer_if_reject requested', 'Try again later', 'try again later'],
  ...['Temporary lookup failure', 'Temporary lookup error', 'Message size exceeds fixed limit', 'Mail system error'],
  ...['Insufficient system storage', 'Server configuration error', 'Server local data error', 'bare <LF> received'],
  ...['access denied for', 'All server ports are busy', 'Server configuration problem', 'Service denied'],
  ...['Must issue a STARTTLS command first', 'Server closing connection', 'Command rejected', 'Bad message'],
  ...[
    'message content rejected',
    'Message content rejected',
    'message file too big',
    'service denied',
    'too many hops',
  ],
  ...['Greylisted', 'Greylisting in action', 'Greylisting in effect', 'Greylisting', 'greylisted', 'Message delayed'],
  ...['Spam message rejected', 'Gtube pattern', 'Blocked by SpamAssassin', 'rejected by DMARC policy', 'Virus found'],
  ...['Message rejected due to: SPF fail', 'Mail appeared to be SPAM or forged', 'No such user', 'Mailbox full'],
  ...['mailbox full', 'Mailbox is full', 'Over quota', 'Quota exceeded', 'Recipient unknown', 'User not found'],
].sort((a, b) => b.length - a.length);

const WORDS = SAID.map((words) => words.replace(/[.()]/g, '\\$&')).join('|');

/** A host name stands before some of Postfix's own faults: `421 4.3.0 mail.example.org Server local data error`. */
const REASON = new RegExp(
  `^(?:(${CLASS}) rejected(?:: (?:(${WORDS})(?!\\w)|Domain [^\\s<>]{1,255} (does not accept mail)))?|(?:[\\w.-]{1,255} )?(?:Error: )?(${WORDS})(?!\\w))`,
);

/** `Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org`; what stands in front is the admin's. */
const BLOCKED = new RegExp(
  `^([^;<>\\[\\]]{1,60}; )?(client|${CLASS})? ?\\[([^\\]]{1,255})\\] blocked using ([A-Za-z0-9][\\w-]{0,62}(?:\\.[\\w-]{1,63}){0,8})`,
  'i',
);

const BLOCKED_USING = / blocked using /i;
const HELO = ' helo=<';
/** What may follow it for a client that has logged in. */
const LOGIN = '> sasl_username=<';

const ENVELOPE = /; (?=(?:from|to)=<|proto=|helo=<)/;
const ADDRESSES = [
  ['sender', 'from=<'],
  ['recipient', 'to=<'],
] as const;
const NEXT = />,? (?=to=<|proto=|helo=<)/g;
const GREETING = /(?:proto=\S{0,32} )?helo=</y;

/** https://www.postfix.org/postconf.5.html#info_log_address_format */
const QUOTED = /^"(?:[^"\\]|\\.){0,1024}"/;

/** How often `>: ` may stand in an address before the one that ends it is no longer looked for. */
const MOST_TRIES = 8;

/** `text` begins with the reply, `550 5.1.1 <a@b>: …; from=<…> to=<…> proto=ESMTP helo=<…>`. */
export function readReply(text: string): Reply {
  const reply: Reply = {};
  const code = CODE.exec(text);
  if (code !== null) reply.code = code[3] ?? (code[2] === undefined ? code[1] : `${code[1]} ${code[2]}`) ?? '';
  const said = code === null ? text : text.slice(code[0].length);
  const end = readBlocked(said, reply) || readReason(said, reply);
  readEnvelope(said.slice(end), reply);
  return reply;
}

/** Where it ends; 0 if no list is named. */
function readBlocked(said: string, reply: Reply): number {
  if (!BLOCKED_USING.test(said)) return 0;
  const match = BLOCKED.exec(said);
  if (match === null) return 0;
  reply.reason = /^service unavailable/i.test(match[1] ?? '') ? 'Service unavailable' : 'blocked';
  // Between the brackets of an address is what the client wrote, which might name a list of its own.
  const isServers = match[2] === undefined || /client/i.test(match[2]);
  const list = match[4] ?? '';
  const isSure = isServers || !BLOCKED_USING.test(said.slice(match[0].length));
  // A zone has a dot: the words of an admin may go on with any other.
  if (isSure && list.includes('.')) reply.dnsbl = list;
  return match[0].length;
}

/** In front of the reason stands what it is about, `<a@b>: `: the client's words, which can hold the same words. */
function readReason(said: string, reply: Reply): number {
  let at = greetingLength(said);
  if (at > 0) return matchReason(said, at, reply) || at;
  if (said.startsWith('<')) at = said.indexOf('>: ', 1 + quotedLength(said, 1)) + 3;
  else if (said.startsWith(': ')) at = 2;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const end = matchReason(said, at, reply);
    if (end > 0) return end;
    const next = said.startsWith('<') ? said.indexOf('>: ', at) : -1;
    if (next < 0) break;
    at = next + 3;
  }
  return 0;
}

/** Where a reason that begins at `at` ends; 0 if there is none. */
function matchReason(said: string, at: number, reply: Reply): number {
  const match = REASON.exec(at === 0 ? said : said.slice(at));
  if (match === null) return 0;
  const detail = match[2] ?? (match[3] === undefined ? undefined : `Domain ${match[3]}`);
  reply.reason =
    match[1] === undefined ? (match[4] ?? '') : `${match[1]} rejected${detail === undefined ? '' : `: ${detail}`}`;
  return at + match[0].length;
}

/**
 * Length of `<H>: ` in front of a text that ends with `helo=<H>`: a client may greet with any words, these among them. The
 * second H begins behind the middle, and whatever else looks like its beginning, only it is as long as the first.
 */
function greetingLength(said: string): number {
  if (!said.startsWith('<')) return 0;
  const end = endOf(said.trimEnd());
  const hasLogin = said.includes(LOGIN, end / 2);
  return greetingUntil(said, end) || (hasLogin ? greetingUntil(said, said.lastIndexOf(LOGIN)) : 0);
}

function greetingUntil(said: string, end: number): number {
  for (let at = said.indexOf(HELO, end / 2 - HELO.length); at >= 0; at = said.indexOf(HELO, at + 1)) {
    const length = end - at - HELO.length;
    if (length < 0) return 0;
    if (said.startsWith('>: ', 1 + length) && said.startsWith(said.slice(at + HELO.length, end), 1)) return length + 4;
  }
  return 0;
}

/** Blanks between the parts with smtpd, commas with postscreen. The greeting comes last, and may look like any of them. */
function readEnvelope(text: string, reply: Reply): void {
  const start = ENVELOPE.exec(text);
  if (start === null) return;
  const tail = text.slice(start.index + 2).trimEnd();
  let at = 0;
  for (const [name, key] of ADDRESSES) {
    if (!tail.startsWith(key, at)) continue;
    const begin = at + key.length;
    NEXT.lastIndex = begin + quotedLength(tail, begin);
    const next = NEXT.exec(tail);
    put(reply, name, tail.slice(begin, next === null ? endOf(tail) : next.index));
    at = next === null ? tail.length : NEXT.lastIndex;
  }
  GREETING.lastIndex = at;
  if (!GREETING.test(tail)) return;
  const begin = GREETING.lastIndex;
  const login = tail.indexOf(LOGIN, begin);
  put(reply, 'helo', tail.slice(begin, login < 0 ? endOf(tail) : login));
}

/** Length of a quoted local part that begins at `start`, as Postfix has quoted them since 3.5; 0 if there is none. */
function quotedLength(text: string, start: number): number {
  return text[start] === '"' ? (QUOTED.exec(text.slice(start))?.[0].length ?? 0) : 0;
}

/** The place of the bracket that ends `text`. */
function endOf(text: string): number {
  return text.endsWith('>') ? text.length - 1 : text.endsWith('>,') ? text.length - 2 : text.length;
}

function put(reply: Reply, name: 'sender' | 'recipient' | 'helo', text: string): void {
  const value = accountOf(text);
  if (value !== undefined) reply[name] = value;
}

import { parseIp } from '../core/network.ts';
import type { Service, Statement } from '../core/observation.ts';
import { CLIENT, QUEUE_ID, STAGE } from './postfix-client.ts';
import { readPostscreen } from './postfix-postscreen.ts';
import { readReply } from './postfix-reply.ts';
import { hostname, readSmtpd } from './postfix-smtpd.ts';
import { evidenceOf } from './redact.ts';
import { readSyslogLine } from './syslog-prefix.ts';

/** `reject_warning`, `warn`, `hold`, `discard`, `filter`, `redirect` and their milter forms turn nobody away. */
const REJECTED = new RegExp(`^(?:${QUEUE_ID})?((?:milter-|proxy-)?reject): ${STAGE} from ${CLIENT}(?:: |:?$)`);

/** A cheap first look: most lines are none of these. */
const MAY_REJECT = /^(?:[0-9A-Za-z]{4,24}: )?(?:milter-|proxy-)?reject: /;

/** mailcow listens on the ports with a 10 in front for whoever comes by a proxy. */
const NAMED = /[/_-](?:(smtps|submissions|(?:10)?465)|submission|(?:10)?587)[/_-]/;

/** The programs that say something of clients; `/` arrives as `_` where syslog-ng's `sanitize` was at work. */
const PROGRAM = /^[A-Za-z][\w.+/-]{0,62}[/_](postscreen|smtpd|cleanup)$/;

/**
 * What one line of Postfix says, with the prefix of syslog: a client that was turned away (`rejected`), a failed login
 * (`auth-failed`), a good one (`authenticated`). Postfix 2.0 to 3.12, under any instance's or service's name.
 */
export function parsePostfixLine(text: string): Statement | undefined {
  const line = readSyslogLine(text);
  return line && read(line.message, line.program, text);
}

/** The same for a message without its prefix; `program` is the tag that stood in it, if that is known. */
export function parsePostfixMessage(message: string, program?: string): Statement | undefined {
  return read(message, program, message);
}

function read(message: string, program: string | undefined, line: string): Statement | undefined {
  const part = program === undefined ? undefined : PROGRAM.exec(program)?.[1];
  if (program !== undefined && part === undefined) return undefined;
  const statement = readMessage(message, part, program);
  if (statement !== undefined) statement.line = evidenceOf(line);
  return statement;
}

function readMessage(message: string, part: string | undefined, program: string | undefined): Statement | undefined {
  if (MAY_REJECT.test(message)) return readRejected(message, part, program);
  if (part !== 'smtpd' && part !== 'cleanup') {
    const verdict = readPostscreen(message);
    if (verdict !== undefined)
      return { kind: 'rejected', ip: verdict.ip, service: 'postscreen', reason: verdict.reason };
  }
  return part === 'smtpd' || part === undefined ? readSmtpd(message, serviceOf(program)) : undefined;
}

function readRejected(message: string, part: string | undefined, program: string | undefined): Statement | undefined {
  const match = REJECTED.exec(message);
  const ip = match === null ? undefined : parseIp(match[3] ?? '');
  if (match === null || ip === undefined) return undefined;
  // postscreen does not look names up: a line with one is not its own, and one without is none of the others'.
  const isPostscreen = match[2] === '';
  if (part !== undefined && isPostscreen !== (part === 'postscreen')) return undefined;
  const { reason = match[1] ?? '', ...reply } = readReply(message.slice(match[0].length));
  return {
    kind: 'rejected',
    ip,
    service: isPostscreen ? 'postscreen' : serviceOf(program),
    reason,
    ...reply,
    ...hostname(match[2]),
  };
}

/** `postfix/submission/smtpd` is port 587 and `postfix/smtps/smtpd` port 465, by the names or ports that master.cf gives. */
function serviceOf(program: string | undefined): Service {
  const named = program === undefined ? null : NAMED.exec(program);
  if (named === null) return 'smtp';
  return named[1] === undefined ? 'submission' : 'smtps';
}

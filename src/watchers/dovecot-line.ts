import type { Statement } from '../core/observation.ts';
import { parseDovecotMessage } from './dovecot-message.ts';
import { readSyslogLine } from './syslog-prefix.ts';

/** `auth` and `dovecot-auth` are how PAM names the process in the lines that it writes for it. */
const PROGRAM = /^(?:dovecot|auth|dovecot-auth|(?:imap|pop3|managesieve|submission)-login)$/;

const MONTH = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)';

/**
 * dovecot's own log, as its container prints it where `log_path` is no syslog: `Nov 23 12:00:00 imap-login: Info: …`, or
 * in the form of `log_timestamp`, with the level behind the process in either. Also with multilog's TAI64N stamps.
 */
const OWN = new RegExp(
  `^(?:${MONTH} [ \\d]\\d|\\d{4}-\\d\\d-\\d\\d)[ T]\\d\\d:\\d\\d:\\d\\d(?:[.,]\\d{1,9})?(?:Z|[+-]\\d\\d:?\\d\\d)? (?=[a-z\\d]{4,11}[-:( <])|^@[0-9a-f]{24} (?=[a-z\\d])`,
);
const OWN_PAM = /^dovecot-auth: pam_/;

/** What one line of dovecot's log says, with the prefix of syslog or of its own log. */
export function parseDovecotLine(text: string): Statement | undefined {
  const message = dovecotMessageOf(text);
  return message === undefined ? undefined : parseDovecotMessage(message, text);
}

/** The line without its prefix; undefined for a line of something else. */
export function dovecotMessageOf(text: string): string | undefined {
  // One of these stands in every front there is: this is cheaper than to find out that there is none.
  if (!text.includes('auth') && !text.includes('dovecot') && !text.includes('-login')) return undefined;
  const line = readSyslogLine(text);
  if (line !== undefined && PROGRAM.test(line.program)) return withProcess(line.program, line.message);
  const own = OWN.exec(text);
  if (own === null) return undefined;
  const message = text.slice(own[0].length);
  const process = message.indexOf(': ');
  return message.startsWith('Info: ', process + 2) || OWN_PAM.test(message) ? message : undefined;
}

/** Where syslog's tag is the process itself, the message lacks its name. */
function withProcess(program: string, message: string): string {
  return program.endsWith('-login') ? `${program}: ${message}` : message;
}

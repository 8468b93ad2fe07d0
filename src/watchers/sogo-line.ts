import type { Statement } from '../core/observation.ts';
import { loginStatement } from './login-text.ts';
import { readSogoMessage } from './sogo-message.ts';
import { readSyslogLine } from './syslog-prefix.ts';

const CLOCK = String.raw`\d\d:\d\d:\d\d(?:[.,]\d{1,9})?`;
const PROCESS = String.raw`sogod ?\[\d{1,10}(?::[\da-fx]{1,18})?\]:? `;
/** NSLog's own stamp; syslog-ng takes the date in it for a program's name, and so it stands in Redis. */
const NSLOG = `\\d{4}-\\d\\d-\\d\\d(?:\\[\\d{1,10}\\]:)?[ T]${CLOCK}(?: ?[+-]\\d{4})? ${PROCESS}`;
const SYSLOG_TIME = `(?:[A-Z][a-z]{2} [ \\d]\\d ${CLOCK}|\\d{4}-\\d\\d-\\d\\dT${CLOCK}(?:Z|[+-]\\d\\d:?\\d\\d)?)`;

/** `Nov 23 12:00:00 sogod [67]: `, `2026-11-23 12:00:00.123 sogod[67:67] `, and the latter behind syslog's time and host. */
const OWN = new RegExp(`^(?:${SYSLOG_TIME} ${PROCESS}|(?:(?:<\\d{1,3}>)?${SYSLOG_TIME} [\\w.:@/-]{1,255} )?${NSLOG})`);

/** What one line of SOGo's log says, with the prefix of its own log or of syslog. */
export function parseSogoLine(text: string): Statement | undefined {
  const message = sogoMessageOf(text);
  return message === undefined ? undefined : loginStatement(readSogoMessage(message), text);
}

/** The line without its prefix; undefined for a line of something else. */
function sogoMessageOf(text: string): string | undefined {
  // Every line of its own names it: this is cheaper than to find out that its front is not there.
  if (!text.includes('sogo')) return undefined;
  const own = OWN.exec(text);
  if (own !== null) return text.slice(own[0].length);
  const line = readSyslogLine(text);
  return line?.program === 'sogod' || line?.program === 'sogo' ? line.message : undefined;
}

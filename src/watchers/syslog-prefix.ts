/** A log line, parted where syslog's own words end. */
export interface SyslogLine {
  /** Tag as the program gave it: `postfix/submission/smtpd`, `dovecot`. */
  program: string;
  pid?: number;
  /** What the program said; only this can hold a client's text. */
  message: string;
}

const CLOCK = String.raw`\d\d:\d\d:\d\d(?:[.,]\d{1,9})?`;
/** A comma and no zone is how Python writes a time, and fail2ban: such lines are left early. */
const CLOCK_WITHOUT_COMMA = String.raw`\d\d:\d\d:\d\d(?:\.\d{1,9})?`;

/** `Nov 23 12:25:23`, `févr.  3 01:02:03`, with a year before, between or behind where syslog-ng or a router puts one. */
const BSD_TIME = `(?:\\d{4} )?[A-Z]?[a-z\\u00e0-\\u024f]{2,5}\\.? [ \\d]?\\d (?:\\d{4} )?${CLOCK}(?: \\d{4}(?= ))?`;

/** RFC 3339, how journald prints it with `short-iso` and `short-full`, and without a zone as templates of rsyslog have it. */
const ISO_TIME = `\\d{4}-\\d\\d-\\d\\dT${CLOCK}(?:Z|[+-]\\d\\d:?\\d\\d)?|(?:[A-Z][a-z]{2} )?\\d{4}-\\d\\d-\\d\\d (?:${CLOCK} [A-Z]{3,5}(?= [^:])|${CLOCK_WITHOUT_COMMA})`;

/** Name, short id or address; syslog-ng may put `source@` in front and the relay behind a slash. */
const HOST = String.raw`(?:[\w@][\w.@/-]{0,254}|\[?[0-9A-Fa-f:.]{2,45}\]?)`;

/** A program's tag; SOGo puts a blank before its pid. */
const TAG = String.raw`([A-Za-z_][\w./+-]{0,63})(?: ?\[(\d{1,10})\])?`;

/**
 * FreeBSD's `syslogd -v` puts `<mail.info>` behind the time, BusyBox `mail.info` behind the host; Solaris puts
 * `[ID 197553 mail.info]` before the message.
 */
const LINE = new RegExp(
  `^(?:<\\d{1,3}>)?(?:${BSD_TIME}|${ISO_TIME}) (?:<\\w{1,16}\\.\\w{1,16}> )?${HOST} {1,8}(?:[a-z]{2,10}\\d?\\.[a-z]{3,8} )?${TAG}: (?:\\[ID \\d{1,10} \\w{1,16}\\.\\w{1,16}\\] )?`,
);

/** https://www.rfc-editor.org/rfc/rfc5424#section-6 */
const RFC_5424 = new RegExp(
  String.raw`^<\d{1,3}>1 \d{4}-\d\d-\d\dT${CLOCK}(?:Z|[+-]\d\d:\d\d) [!-~]{1,255} ([A-Za-z_][\w./+-]{0,47}) (?:(\d{1,10})|[!-~]{1,128}) [!-~]{1,32} ` +
    String.raw`(?:-|(?:\[[^\s"\]=]{1,32}(?: [^\s"\]=]{1,32}="(?:[^"\\]|\\.){0,512}"){0,16}\]){1,8}) \uFEFF?`,
);

/**
 * Takes off what syslog wrote in front of a message: classic BSD syslog, RFC 3339 time (rsyslog, journald), RFC 5424, each
 * with or without `<PRI>` where the format has it. Undefined for a line without time, host and tag, as nothing else tells
 * a program's line from what a client made it print. Costs well under a microsecond.
 */
export function readSyslogLine(text: string): SyslogLine | undefined {
  const match = LINE.exec(text) ?? (text.startsWith('<') ? RFC_5424.exec(text) : null);
  if (match === null) return undefined;
  const program = match[1] as string;
  const message = text.slice(match[0].length);
  return match[2] === undefined ? { program, message } : { program, pid: Number(match[2]), message };
}

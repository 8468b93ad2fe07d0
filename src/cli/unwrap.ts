import { recordText } from '../watchers/redis-record.ts';

/**
 * Log lines as people paste them: what terminals, Docker, Redis and mailcow's UI put around a line is taken off again.
 * This is for `explain` alone; a live watcher takes a line only as its program wrote it.
 */

/** Longest JSON that is looked into. */
const LONGEST_JSON = 262_144;

/** Wrappings one inside the other: compose, a stamp, JSON in it. */
const DEEPEST = 5;

const COLOUR = String.raw`(?:\u001b\[[0-9;]{0,16}m)*`;

/** `netfilter-mailcow-1  | `, with the colours that compose gives it. */
const COMPOSE = new RegExp(`^${COLOUR}[\\w.-]{1,128} {0,80}\\|${COLOUR}(?: |$)${COLOUR}`);

/** `docker logs -t`, and the arrival time in seconds that recordings have. */
const STAMP = /^(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)|\d{10}\.\d{1,9}) /;

/** Docker's syslog driver writes a container's id or name where the program's name belongs. */
const SYSLOG_DRIVER =
  /^(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) [\w.:-]{1,255} (?:docker\/)?(?:[0-9a-f]{12,64}|[\w.-]{0,64}netfilter[\w.-]{0,64})(?:\[\d{1,10}\])?: /;

/** fail2ban in the journal: no time and no level of its own. */
const F2B_JOURNAL =
  /^\S[^[\]]{0,100} fail2ban(?:-server|\.\w{1,16})?\[(\d{1,10})\]: (?:(?:NOTICE|INFO|WARNING) +)?(?=\[[\w.-]{1,64}\] (?:Restore |Increase )?(?:Ban|Unban|Found) )/;

/** A row of the log page in mailcow's UI, in the browser's way to write a date. */
const UI_ROW =
  /^\d{1,4}[./-]\d{1,2}[./-]\d{1,4},? \d{1,2}:\d\d:\d\d(?:[ \u202f][AaPp]\.?[Mm]\.?)?(?: ?\| ?|\t)(crit|warn|info)(?: ?\| ?|\t)/;

/** `1) "{\"time\": …}"` of redis-cli. */
const REDIS_CLI = /^ {0,6}\d{1,6}\) (?=")/;

/**
 * What the line may be under its wrappings, the line itself first and the innermost last. A message whose level or
 * program stood beside it is given back the front that its program writes, so that a parser can hold it against them.
 */
export function unwrapLine(line: string): string[] {
  const texts = [line];
  for (let text = line; texts.length <= DEEPEST; ) {
    const inner = unwrapOnce(text);
    if (inner === undefined || inner.length === 0) break;
    texts.push(...inner);
    text = inner[0] as string;
  }
  return texts;
}

function unwrapOnce(text: string): string[] | undefined {
  for (const front of [SYSLOG_DRIVER, STAMP, COMPOSE, REDIS_CLI]) {
    const match = front.exec(text);
    if (match !== null) return [text.slice(match[0].length)];
  }
  const journal = F2B_JOURNAL.exec(text);
  if (journal !== null) {
    const said = text.slice(journal[0].length);
    const part = / Found /.test(said.slice(0, 80)) ? 'filter  ' : 'actions ';
    return [`1970-01-01 00:00:00,000 fail2ban.${part}[${journal[1]}]: NOTICE  ${said}`];
  }
  const row = UI_ROW.exec(text);
  if (row !== null) return [recordText({ priority: row[1], message: text.slice(row[0].length) }) ?? ''];
  return text.startsWith('{') || text.startsWith('"') ? unwrapJson(text) : undefined;
}

function unwrapJson(text: string): string[] | undefined {
  const value = parseJson(text);
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return undefined;
  const { log } = value as Record<string, unknown>;
  if (typeof log === 'string') return [withoutLineEnd(log)];
  const said = recordText(value);
  return said === undefined ? undefined : [said];
}

function parseJson(text: string): unknown {
  if (text.length > LONGEST_JSON) return undefined;
  try {
    return JSON.parse(text.replace(/,\s{0,8}$/, ''));
  } catch {
    return undefined;
  }
}

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '');
}

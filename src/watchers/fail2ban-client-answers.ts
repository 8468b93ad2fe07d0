/**
 * What fail2ban-client prints. Its forms are those of
 * https://github.com/fail2ban/fail2ban/blob/master/fail2ban/client/beautifier.py, of `getBanList` in
 * server/banmanager.py and of 0.8 to 1.1; the targets in them may be anything that a filter has captured.
 */

/** Jail → what is banned there, of `banned`: a Python list of dicts with one key each. Undefined for anything else. */
export function parseBanned(text: string): Map<string, string[]> | undefined {
  const list = parsePython(text.trim());
  if (!Array.isArray(list)) return undefined;
  const jails = new Map<string, string[]>();
  for (const each of list) {
    if (!(each instanceof Map)) return undefined;
    for (const [jail, targets] of each) {
      if (!Array.isArray(targets)) return undefined;
      jails.set(
        jail,
        targets.map((target) => (typeof target === 'string' ? target : '?')),
      );
    }
  }
  return jails;
}

/** Names in the answer of `status`, undefined if it is not whole. */
export function parseJailList(text: string): string[] | undefined {
  const count = /Number of jails?:\s*(\d{1,5})/.exec(text)?.[1];
  const list = /Jail list:[ \t]*(.*)/.exec(text)?.[1];
  if (count === undefined || list === undefined) return undefined;
  const names = list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return names.length === Number(count) ? names : undefined;
}

/** What is banned by the answer of `status <jail>`, undefined if it is not whole. */
export function parseStatus(text: string): string[] | undefined {
  const count = /Currently banned:\s*(\d{1,9})/.exec(text)?.[1];
  const list = /(?:Banned )?IP list:[ \t]*(.*)/.exec(text)?.[1];
  if (count === undefined || list === undefined) return undefined;
  const targets = list.split(/[ \t]+/).filter((target) => target !== '');
  return targets.length === Number(count) ? targets : undefined;
}

/** What a jail ignores, of `get <jail> ignoreip`; undefined if it says something else. */
export function parseIgnored(text: string): string[] | undefined {
  if (/^No IP address\/network is ignored/.test(text)) return [];
  if (!/^These IP addresses\/networks are ignored:/.test(text)) return undefined;
  return [...text.matchAll(/^[|`]- (\S+)\s*$/gm)].map(([, target = '']) => target);
}

/** When a ban began, by the wall clock of the container as if that were UTC, in ms, and for how long. */
export interface BanTime {
  /** The same text as long as it is the same ban. */
  text: string;
  startedAt: number;
  /** Infinity for a ban without an end. */
  lengthMs: number;
}

const TIMED = /^(.{1,1024}?) ?\t(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) \+ (-?\d{1,12}) = \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/;

/** Times of what is banned, of `get <jail> banip --with-time`; lines that are none are counted. */
export function parseTimes(text: string): { times: Map<string, BanTime>; others: number } {
  const times = new Map<string, BanTime>();
  let others = 0;
  for (const line of text.split(/\r?\n/)) {
    const [, target = '', date, time, seconds] = TIMED.exec(line) ?? [];
    const startedAt = Date.parse(`${date}T${time}Z`);
    if (Number.isNaN(startedAt)) {
      if (line !== '') others++;
      continue;
    }
    const lengthMs = Number(seconds) < 0 ? Number.POSITIVE_INFINITY : Number(seconds) * 1_000;
    times.set(target, { text: `${date} ${time} + ${seconds}`, startedAt, lengthMs });
  }
  return { times, others };
}

/** `+0130` of `date +%z` in ms. */
export function parseOffset(text: string): number | undefined {
  const [, sign, hours, minutes] = /^([+-])(\d\d)(\d\d)$/.exec(text.trim()) ?? [];
  if (sign === undefined) return undefined;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}

type Python = string | Python[] | Map<string, Python>;

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };
/** A list of dicts of lists, with tuples in them at most. */
const DEEPEST = 5;

/** Lists, tuples, dicts and texts as Python prints them; undefined for anything else. */
function parsePython(text: string): Python | undefined {
  let at = 0;

  function skip(): void {
    while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r') at++;
  }

  function readText(): string | undefined {
    const quote = text[at];
    if (quote !== "'" && quote !== '"') return undefined;
    let value = '';
    for (at++; at < text.length; at++) {
      const char = text[at] ?? '';
      if (char === quote) {
        at++;
        return value;
      }
      if (char !== '\\') {
        value += char;
        continue;
      }
      const next = text[++at] ?? '';
      const digits = { x: 2, u: 4, U: 8 }[next];
      if (digits === undefined) {
        value += ESCAPES[next] ?? next;
        continue;
      }
      const code = Number.parseInt(text.slice(at + 1, at + 1 + digits), 16);
      if (Number.isNaN(code) || code > 0x10ffff) return undefined;
      value += String.fromCodePoint(code);
      at += digits;
    }
    return undefined;
  }

  function readSeries(end: string, depth: number, readOne: () => boolean): boolean {
    at++;
    for (skip(); at < text.length; skip()) {
      if (text[at] === end) {
        at++;
        return true;
      }
      if (depth > DEEPEST || !readOne()) return false;
      skip();
      if (text[at] === ',') at++;
      else if (text[at] !== end) return false;
    }
    return false;
  }

  function readValue(depth: number): Python | undefined {
    const first = text[at];
    if (first === '[' || first === '(') {
      const list: Python[] = [];
      const isWhole = readSeries(first === '[' ? ']' : ')', depth, () => {
        const value = readValue(depth + 1);
        if (value !== undefined) list.push(value);
        return value !== undefined;
      });
      return isWhole ? list : undefined;
    }
    if (first === '{') {
      const dict = new Map<string, Python>();
      const isWhole = readSeries('}', depth, () => {
        const key = readValue(depth + 1);
        skip();
        if (typeof key !== 'string' || text[at++] !== ':') return false;
        skip();
        const value = readValue(depth + 1);
        if (value !== undefined) dict.set(key, value);
        return value !== undefined;
      });
      return isWhole ? dict : undefined;
    }
    // Python 2 marks its texts.
    if ((first === 'u' || first === 'b') && /['"]/.test(text[at + 1] ?? '')) at++;
    return readText();
  }

  const value = readValue(0);
  skip();
  return at === text.length ? value : undefined;
}

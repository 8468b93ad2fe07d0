/**
 * Patterns as people write them, RE2's own syntax with the tags of fail2ban's filters, made what RE2 reads.
 * https://github.com/google/re2/wiki/Syntax · https://github.com/fail2ban/fail2ban/blob/1.1.0/fail2ban/server/failregex.py
 */

/** Names that a group may have; what else is named is a slip of the pen. */
export const GROUPS = ['ip', 'network', 'service', 'account', 'jail'] as const;

/** What is wrong with a pattern, and where. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
  /** 0-based, in the pattern as it was written. */
  readonly at: number;

  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

export interface Translated {
  source: string;
  /** For each character of `source`, and for its end, where in the pattern it comes from. */
  origins: number[];
}

const IP4 = String.raw`(?:\d{1,3}\.){3}\d{1,3}`;
const IP6 = `(?:[0-9a-fA-F]{0,4}:){2,7}(?:${IP4}|[0-9a-fA-F]{0,4})`;

/** An address of either family; a host name is none, as it would have to be looked up. */
const ADDRESS = String.raw`\[?(?P<ip>${IP4}|${IP6})\]?`;

const TAGS: Readonly<Record<string, string>> = {
  HOST: ADDRESS,
  ADDR: ADDRESS,
  IP4: `(?:::f{4,6}:)?(?P<ip4>${IP4})`,
  IP6: `(?P<ip6>${IP6})`,
  CIDR: String.raw`(?P<cidr>\d{1,3})`,
  SUBNET: String.raw`\[?(?P<network>(?:${IP4}|${IP6})(?:/\d{1,3})?)\]?`,
  'F-ID/': String.raw`(?P<ip>\S+)`,
  'F-PORT/': String.raw`\w+`,
};
const HOLDS_ADDRESS = /<(?:HOST|ADDR|IP4|IP6|SUBNET)>/;

const REFUSED_GROUPS: readonly (readonly [start: string, message: string])[] = [
  ['(?=', 'there is no lookahead; write what follows as a part of the pattern'],
  ['(?!', 'there is no negative lookahead; put what must not match under `ignore`'],
  ['(?<=', 'there is no lookbehind; write what goes before as a part of the pattern'],
  ['(?<!', 'there is no negative lookbehind; put what must not match under `ignore`'],
  ['(?>', 'there are no atomic groups; write (?: in its place, nothing here can backtrack'],
  ['(?P=', 'a group cannot be referred to again; write its pattern once more'],
  ['(?P>', 'a group cannot be referred to again; write its pattern once more'],
  ['(?(', 'there are no conditional groups; write two patterns'],
  ['(?#', 'there are no comments inside of a pattern; leave it out'],
];

/** Throws `PatternError` for what RE2 has not, saying what to write in its place. */
export function translatePattern(pattern: string): Translated {
  const out: Translated = { source: '', origins: [] };
  const add = (text: string, at: number) => {
    const isVerbatim = pattern.startsWith(text, at);
    for (let index = 0; index < text.length; index++) out.origins.push(isVerbatim ? at + index : at);
    out.source += text;
  };
  let alternatives = 0;
  for (let at = 0; at < pattern.length; ) {
    const rest = pattern.slice(at, at + 80);
    const token = tokenAt(pattern, at, rest);
    if (token === undefined) {
      // `(` and the rest of one-character syntax, and every other character.
      add(rest.charAt(0), at);
      at++;
      continue;
    }
    const isAlternative = token.as === ALTERNATIVE;
    add(isAlternative ? `(?P<account_${++alternatives}>` : token.as, at);
    at += token.length;
  }
  out.origins.push(pattern.length);
  return out;
}

interface Token {
  length: number;
  as: string;
}

/** Stands for a group with a number in its name. */
const ALTERNATIVE = '(?P<account_>';

function tokenAt(pattern: string, at: number, rest: string): Token | undefined {
  switch (rest[0]) {
    case '\\':
      return escapeAt(rest, at);
    case '[': {
      const length = classLength(pattern, at);
      return { length, as: pattern.slice(at, at + length) };
    }
    case '(':
      return groupAt(rest, at);
    case '%':
      if (!/^%\([\w/]{1,60}\)s/.test(rest)) return undefined;
      throw new PatternError(at, '%(…)s is filled in by fail2ban alone; write out what it stands for');
    case '<':
      return tagAt(pattern, at, rest);
    default:
      return undefined;
  }
}

function escapeAt(rest: string, at: number): Token {
  if (/^\\[1-9]/.test(rest)) {
    throw new PatternError(at, 'a group cannot be referred to again; write its pattern once more');
  }
  return { length: Math.min(2, rest.length), as: rest.startsWith('\\Z') ? '\\z' : rest.slice(0, 2) };
}

/** Length of `[…]`; to the end where it is not closed, which RE2 tells of. */
function classLength(pattern: string, at: number): number {
  let index = at + 1;
  if (pattern[index] === '^') index++;
  if (pattern[index] === ']') index++;
  for (; index < pattern.length; index++) {
    if (pattern[index] === ']') return index + 1 - at;
    if (pattern[index] === '\\') index++;
    else if (pattern.startsWith('[:', index)) {
      const end = pattern.indexOf(':]', index + 2);
      if (end > 0 && end - index < 16) index = end + 1;
    }
  }
  return pattern.length - at;
}

function groupAt(rest: string, at: number): Token | undefined {
  const refused = REFUSED_GROUPS.find(([start]) => rest.startsWith(start));
  if (refused !== undefined) throw new PatternError(at, refused[1]);
  const name = /^\(\?P?<([^<>)]{0,60})>/.exec(rest);
  if (name === null) return undefined;
  if (!GROUPS.some((known) => known === name[1])) {
    throw new PatternError(at, `there is no group "${name[1]}"; groups are ${GROUPS.join(', ')}`);
  }
  return { length: name[0].length, as: `(?P<${name[1]}>` };
}

/** Anything in angle brackets that fail2ban has no meaning for stands for itself. */
function tagAt(pattern: string, at: number, rest: string): Token | undefined {
  const match = /^<(\/?)([A-Z][A-Z0-9_-]{1,40}\/?)>/.exec(rest);
  if (match === null) return undefined;
  const [whole, slash, name = ''] = match;
  const token = (as: string): Token => ({ length: whole.length, as });
  const known = TAGS[name] ?? (name.startsWith('F-') ? TAGS[name.slice(2, -1)] : undefined);
  if (slash === '' && known !== undefined) return token(known);
  if (name === 'SKIPLINES' || /^F-(?:MLF|NOFAIL)/.test(name)) {
    throw new PatternError(at, `<${name}> joins several lines; here each line is read by itself`);
  }
  if (name === 'DNS') throw new PatternError(at, '<DNS> is a host name, which is not looked up; write <ADDR>');
  if (!name.startsWith('F-')) return undefined;
  if (slash !== '') return token(')');
  if (name === 'F-USER') return token('(?P<account>');
  if (name.startsWith('F-ALT_USER')) return token(ALTERNATIVE);
  const [content = ''] = pattern.slice(at).split(`</${name}>`);
  return token(name === 'F-ID' && !HOLDS_ADDRESS.test(content) ? '(?P<ip>' : '(?:');
}

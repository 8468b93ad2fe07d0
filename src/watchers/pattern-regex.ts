import { createRequire } from 'node:module';
import { PatternError, type Translated, translatePattern } from './pattern-notation.ts';

/** A pattern that was compiled; its time grows with the line alone, whatever the pattern. */
export interface CompiledPattern {
  /** Names of its groups. */
  groups: readonly string[];
  /** What its groups hold if it matches from the line's first character on. */
  match(line: string): Readonly<Record<string, string | undefined>> | undefined;
}

/** The engine takes 4 MB and some milliseconds: it is loaded by the first pattern, and known to no one without. */
function loadEngine(): typeof import('re2js') {
  return createRequire(import.meta.url)('re2js');
}

/** Throws `PatternError`. */
export function compilePattern(pattern: string): CompiledPattern {
  const { RE2JS } = loadEngine();
  const translated = translatePattern(pattern);
  try {
    // By itself first: a `)` too many would else close the group that holds the pattern at the line's start.
    RE2JS.compile(translated.source);
    const regex = RE2JS.compile(`^(?:${translated.source})`);
    return {
      groups: Object.keys(regex.namedGroups()),
      match(line) {
        const match = regex.exec(line) as RegExpExecArray | null;
        return match === null ? undefined : (match.groups ?? {});
      },
    };
  } catch (error) {
    throw explain(error, translated);
  }
}

const PLAIN: Readonly<Record<string, string>> = {
  'missing closing )': 'a ( is not closed',
  'unexpected )': 'a ) closes nothing',
  'missing closing ]': 'a [ is not closed',
  'missing argument to repetition operator': 'there is nothing to repeat',
  'invalid nested repetition operator': 'a repetition is repeated',
  'invalid repeat count': 'something is repeated too often, 1000 times at most',
  'trailing backslash at end of expression': 'it ends with a backslash',
  'invalid escape sequence': 'there is no such escape',
  'invalid character class range': 'there is no such range of characters',
  'duplicate capture group name': 'two groups have one name',
};

function explain(error: unknown, { source, origins }: Translated): PatternError {
  const { error: said, input } = error as { error?: string; input?: string | null };
  if (said === undefined) return new PatternError(0, 'it cannot be compiled');
  return new PatternError(origins[placeOf(said, input ?? '', source)] ?? 0, PLAIN[said] ?? said);
}

/** The engine tells what it did not understand, not where. */
function placeOf(said: string, input: string, source: string): number {
  if (said === 'missing closing )') return unclosed(source);
  if (said === 'unexpected )') return superfluous(source);
  if (said === 'duplicate capture group name') return source.lastIndexOf(`(?P<${input}>`);
  if (input === '') return source.length - 1;
  return source.endsWith(input) ? source.length - input.length : source.indexOf(input);
}

function unclosed(source: string): number {
  return parentheses(source).open.at(-1) ?? 0;
}

function superfluous(source: string): number {
  return parentheses(source).extra ?? 0;
}

function parentheses(source: string): { open: number[]; extra?: number } {
  const open: number[] = [];
  let inClass = false;
  for (let index = 0; index < source.length; index++) {
    const char = source[index];
    if (char === '\\') index++;
    else if (inClass) inClass = char !== ']';
    else if (char === '[') {
      inClass = true;
      if (source[index + 1] === '^') index++;
      if (source[index + 1] === ']') index++;
    } else if (char === '(') open.push(index);
    else if (char === ')' && open.pop() === undefined) return { open, extra: index };
  }
  return { open };
}

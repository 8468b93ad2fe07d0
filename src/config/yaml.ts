import { type Alias, type Document, isNode, isScalar, LineCounter, parseDocument, visit, type YAMLError } from 'yaml';
import { ConfigError, type ConfigIssue, messageOf } from '../core/errors.ts';
import type { Finding } from './issues.ts';

/** Aliases of aliases can make a small file fill the memory. */
const MOST_ALIASES = 20;

interface Place {
  line: number;
  column: number;
}

/** Finds where in the text the value or key at a path stands. */
export type Locate = (finding: Pick<Finding, 'path' | 'isKey'>) => Place | undefined;

/** What is wrong with one place of the text: an offset, and what to say. */
type Complain = (offset: number | undefined, message: string) => void;

/** The value that a text in YAML stands for. Throws `ConfigError` with all that is not YAML, or not wanted of it. */
export function readYaml(text: string, file: string | undefined): { value: unknown; locate: Locate } {
  const lines = new LineCounter();
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const issues: ConfigIssue[] = [];
  const complain: Complain = (offset, message) => {
    const place = offset === undefined ? undefined : placeOf(offset);
    issues.push({ ...(file !== undefined && { file }), ...place, path: '', message: `YAML: ${message}` });
  };
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  // A tag that nobody knows is a warning, and leaves a value that nobody meant: a password may begin with `!`.
  const errors = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  const tooDeep = errors.find(({ code }) => code === 'RESOURCE_EXHAUSTION');
  for (const error of tooDeep ? [tooDeep] : errors) complain(error.pos[0], explainError(error));
  if (issues.length === 0) checkNodes(document, complain);
  const value = issues.length === 0 ? toValue(document, complain) : undefined;
  if (issues.length > 0) throw new ConfigError(issues);
  return { value, locate: (finding) => locateIn(document, finding, placeOf) };
}

/** The parser's message, without what it quotes: the text that it did not understand may be a secret. */
function explainError(error: YAMLError): string {
  switch (error.code) {
    case 'TAG_RESOLVE_FAILED':
      return 'a value that begins with `!` must stand in quotes';
    case 'BAD_DQ_ESCAPE':
      return 'there is no such escape; between single quotes a backslash is a character like any other';
    case 'BAD_DIRECTIVE':
      return 'a line that begins with `%` must stand in quotes';
    case 'RESOURCE_EXHAUSTION':
      return 'it is nested too deeply';
    default:
      return error.message.replace(/(?<=\w): .*$/s, '');
  }
}

function checkNodes(document: Document, complain: Complain): void {
  const aliases: { alias: Alias; ancestors: readonly unknown[] }[] = [];
  visit(document, {
    Alias: (_key, alias, ancestors) => {
      aliases.push({ alias, ancestors });
      return aliases.length > MOST_ALIASES ? visit.BREAK : undefined;
    },
    Pair: (_key, { key }) => {
      if (isNode(key) && !isScalar(key)) complain(key.range?.[0], 'a key must be text');
    },
  });
  if (aliases.length > MOST_ALIASES) return complain(undefined, `there are more than ${MOST_ALIASES} aliases`);
  for (const { alias, ancestors } of aliases) {
    const target = alias.resolve(document);
    if (target === undefined) {
      complain(alias.range?.[0], 'a value that begins with `*` must stand in quotes, or name an anchor above it');
    } else if (ancestors.includes(target)) complain(alias.range?.[0], 'an alias stands inside of what it repeats');
  }
}

function toValue(document: Document, complain: Complain): unknown {
  try {
    return document.toJS({ maxAliasCount: MOST_ALIASES }) ?? {};
  } catch (error) {
    complain(undefined, messageOf(error));
    return undefined;
  }
}

function locateIn(document: Document, { path, isKey }: Parameters<Locate>[0], placeOf: (offset: number) => Place) {
  for (let depth = path.length; depth > 0; depth--) {
    const parent: unknown = depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true);
    const pair = findPair(parent, path[depth - 1]);
    const node = depth === path.length && !isKey ? (pair?.value ?? pair?.key) : pair?.key;
    if (isNode(node) && node.range) return placeOf(node.range[0]);
  }
  return undefined;
}

function findPair(parent: unknown, key: PropertyKey | undefined): { key: unknown; value: unknown } | undefined {
  if (typeof parent !== 'object' || parent === null || !('items' in parent) || !Array.isArray(parent.items))
    return undefined;
  if (typeof key === 'number') return { key: parent.items[key], value: parent.items[key] };
  return parent.items.find((item) => String(item?.key?.value ?? item?.key) === String(key));
}

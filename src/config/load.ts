import { readFileSync, statSync } from 'node:fs';
import { type Document, isNode, LineCounter, parseDocument } from 'yaml';
import { ConfigError, type ConfigIssue, messageOf } from '../core/errors.ts';
import { completeFromEnvironment, expandVariables, readSecretFiles } from './expand.ts';
import { explainIssues, type Finding, placeOf } from './issues.ts';
import { type Config, ConfigSchema, type NotifierConfig, type WatcherConfig } from './schema.ts';

const LARGEST_FILE = 1_048_576;
/** Aliases of aliases can make a small file fill the memory. */
const MOST_ALIASES = 20;
/** Where the file is looked for when none is named. */
const PLACES = ['cowbell.yaml', '/etc/cowbell/cowbell.yaml'];

type Environment = Readonly<Record<string, string | undefined>>;

/** Finds where in the text the value or key at a path stands. */
type Locate = (finding: Finding) => { line: number; column: number } | undefined;

/**
 * The configuration from `file`, from where `COWBELL_CONFIG` says, from the usual places, or from the environment alone.
 * Throws `ConfigError` with every mistake at once.
 */
export function loadConfig({ file, env }: { file?: string | undefined; env: Environment }): Config {
  const named = file ?? (env.COWBELL_CONFIG || undefined);
  const path = named ?? PLACES.find(isThere);
  return path === undefined ? parseConfig('', { env }) : parseConfig(readText(path), { env, file: path });
}

/** One that may not be looked at is there, too: reading it says so. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

function readText(path: string): string {
  const problem = (message: string) => new ConfigError([{ file: path, path: '', message }]);
  try {
    if (statSync(path).size > LARGEST_FILE) throw problem('is larger than 1 MiB; is this the right file?');
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw error instanceof ConfigError ? error : problem(`cannot be read: ${messageOf(error)}`);
  }
}

/** The configuration that a text in YAML gives; `file` is for messages. */
export function parseConfig(text: string, { env, file }: { env: Environment; file?: string }): Config {
  const { input, locate } = parseYaml(text, file);
  const findings: Finding[] = [];
  const expanded = expandVariables(input, env, findings);
  const complete = completeFromEnvironment(expanded, env);
  const filled = readSecretFiles(ConfigSchema, complete, findings);
  const parsed = ConfigSchema.safeParse(filled);
  if (!parsed.success) {
    const known = new Set(findings.map(placeOf));
    // A value that could not be filled in is told once.
    findings.push(
      ...explainIssues(ConfigSchema, filled, parsed.error.issues).filter((finding) => {
        const place = placeOf(finding);
        return !known.has(place) && !known.has(`${place}_file`);
      }),
    );
  }
  const named = nameAll(filled, findings);
  if (findings.length > 0 || !parsed.success) {
    throw new ConfigError(findings.map((each) => toIssue(each, file, locate)).sort(byPlace));
  }
  return {
    ...parsed.data,
    watchers: parsed.data.watchers?.map(
      (watcher, index) => ({ ...watcher, name: named.watchers[index] }) as WatcherConfig,
    ),
    notifiers: parsed.data.notifiers.map(
      (each, index) => ({ ...each, name: named.notifiers[index] }) as NotifierConfig,
    ),
  };
}

function parseYaml(text: string, file: string | undefined): { input: unknown; locate: Locate } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map((error) => {
        const { line, col } = lines.linePos(error.pos[0]);
        return { ...(file !== undefined && { file }), line, column: col, path: '', message: `YAML: ${error.message}` };
      }),
    );
  }
  const locate: Locate = ({ path, isKey }) => {
    for (let depth = path.length; depth > 0; depth--) {
      const parent: unknown = depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true);
      const pair = findPair(parent, path[depth - 1]);
      const node = depth === path.length && !isKey ? (pair?.value ?? pair?.key) : pair?.key;
      if (isNode(node) && node.range) {
        const { line, col } = lines.linePos(node.range[0]);
        return { line, column: col };
      }
    }
    return undefined;
  };
  return { input: toValue(document, file), locate };
}

function toValue(document: Document, file: string | undefined): unknown {
  try {
    return document.toJS({ maxAliasCount: MOST_ALIASES }) ?? {};
  } catch (error) {
    throw new ConfigError([{ ...(file !== undefined && { file }), path: '', message: `YAML: ${messageOf(error)}` }]);
  }
}

function findPair(parent: unknown, key: PropertyKey | undefined): { key: unknown; value: unknown } | undefined {
  if (typeof parent !== 'object' || parent === null || !('items' in parent) || !Array.isArray(parent.items))
    return undefined;
  if (typeof key === 'number') return { key: parent.items[key], value: parent.items[key] };
  return parent.items.find((item) => String(item?.key?.value ?? item?.key) === String(key));
}

function toIssue(finding: Finding, file: string | undefined, locate: Locate): ConfigIssue {
  const place = file === undefined ? undefined : locate(finding);
  return { ...(file !== undefined && { file }), ...place, path: placeOf(finding), message: finding.message };
}

function byPlace(a: ConfigIssue, b: ConfigIssue): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

/** Names default to the type, and are told apart. */
function nameAll(input: unknown, findings: Finding[]): { watchers: string[]; notifiers: string[] } {
  const namesOf = (key: 'watchers' | 'notifiers') => {
    const entries = typeof input === 'object' && input !== null ? (input as Record<string, unknown>)[key] : undefined;
    if (!Array.isArray(entries)) return [];
    const seen = new Set<string>();
    return entries.map((entry, index) => {
      const name = String(entry?.name ?? entry?.type ?? '');
      if (name !== '' && seen.has(name)) {
        findings.push({
          path: [key, index, 'name'],
          message: `there are two named "${name}"; give each a name of its own`,
        });
      }
      seen.add(name);
      return name;
    });
  };
  return { watchers: namesOf('watchers'), notifiers: namesOf('notifiers') };
}

import { statSync } from 'node:fs';
import type { z } from 'zod';
import { ConfigError, type ConfigIssue, messageOf } from '../core/errors.ts';
import type { BanEventType } from '../core/event.ts';
import type { ReputationDefinition } from '../core/reputation.ts';
import { safeText } from '../core/text.ts';
import { bodyMistake } from '../notifiers/body-template.ts';
import { templateMistakes } from '../notifiers/message-templates.ts';
import { reputationDefinitions } from '../reputation/registry.ts';
import { watcherDefinitions } from '../watchers/registry.ts';
import { forgottenTooSoon } from './auto-unban.ts';
import { completeFromEnvironment, expandVariables, type Origins, readSecretFiles } from './expand.ts';
import { explainIssues, type Finding, placeOf } from './issues.ts';
import type { NotifierConfig } from './notifier-options.ts';
import { readText } from './read-text.ts';
import { type Config, ConfigSchema, NotifierSchema, type WatcherConfig } from './schema.ts';
import { formatPath, valueAt } from './walk.ts';
import { type Locate, readYaml } from './yaml.ts';

const LARGEST_FILE = 1_048_576;
/** Where the file is looked for when none is named. */
const PLACES = ['cowbell.yaml', '/etc/cowbell/cowbell.yaml'];

/** Lanes that are no notifier's: of the auto-unban policy, and of reports about banned addresses. */
const RESERVED = ['auto-unban', 'abuse-reports'];

/** The registry holds kinds with options of their own; here they are only names. */
const REPUTATION = reputationDefinitions as unknown as readonly ReputationDefinition[];

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The configuration from `file`, from where `COWBELL_CONFIG` says, from the usual places, or from the environment alone.
 * Throws `ConfigError` with every mistake at once.
 */
export function loadConfig({ file, env }: { file?: string | undefined; env: Environment }): Config {
  const path = findConfig({ file, env });
  return path === undefined ? fromEnvironment(env) : parseConfig(readFile(path), { env, file: path });
}

/** Where nothing says who is to be told, there may have been meant to be a file. */
function fromEnvironment(env: Environment): Config {
  try {
    return parseConfig('', { env });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const hint = `there is no ${PLACES.join(' and no ')}: write one, or name yours by --config`;
    throw new ConfigError(
      error.issues.map((each) => (each.path === 'notifiers' ? { ...each, message: `${each.message}; ${hint}` } : each)),
    );
  }
}

/** The file that `loadConfig` would read; undefined where the environment alone is the configuration. */
export function findConfig({ file, env }: { file?: string | undefined; env: Environment }): string | undefined {
  return file ?? (env.COWBELL_CONFIG || undefined) ?? PLACES.find(isThere);
}

/** One that may not be looked at is there, too: reading it says so. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

function readFile(path: string): string {
  try {
    return readText(path, LARGEST_FILE);
  } catch (error) {
    throw new ConfigError([{ file: path, path: '', message: `cannot be read: ${messageOf(error)}` }]);
  }
}

/** The configuration that a text in YAML gives; `file` is for messages. */
export function parseConfig(text: string, { env, file }: Surroundings): Config {
  return checkConfig(readYaml(text, file), { env, file });
}

/** The watchers of the configuration alone, for who reads nothing else: what the rest of it lacks does not matter. */
export function loadWatchers({ file, env }: { file: string; env: Environment }): WatcherConfig[] {
  const { value, locate } = readYaml(readFile(file), file);
  const watchers = valueAt(value, ['watchers']);
  const rest = {
    notifiers: [{ type: 'console' }],
    redis: {},
    mailcow_api: { url: 'https://mail.example.org', key: 'none' },
  };
  const whole = { value: { ...(watchers !== undefined && { watchers }), ...rest }, locate };
  return checkConfig(whole, { env: { ...env, REDISPASS: undefined }, file }).watchers ?? [];
}

interface Surroundings {
  env: Environment;
  file?: string | undefined;
}

function checkConfig(
  { value: written, locate }: { value: unknown; locate: Locate },
  { env, file }: Surroundings,
): Config {
  const findings: Finding[] = [];
  const origins: Origins = new Map();
  const expanded = expandVariables(written, env, findings);
  const complete = completeFromEnvironment(expanded, env, origins);
  const filled = readSecretFiles(ConfigSchema, complete, { findings, origins });
  const parsed = ConfigSchema.safeParse(filled);
  if (!parsed.success) {
    const known = new Set(findings.map(placeOf));
    // A value that could not be filled in is told once.
    findings.push(
      ...explainIssues(ConfigSchema, { filled, written }, parsed.error.issues).filter((finding) => {
        const place = placeOf(finding);
        return !known.has(place) && !known.has(`${place}_file`);
      }),
    );
  }
  const named = nameAll(filled, findings);
  findUnreadable(filled, findings);
  findContainerless(filled, findings);
  findTemplateMistakes(filled, findings);
  if (parsed.success) {
    findReputationMistakes(parsed.data, findings);
    findUnknowable(parsed.data, findings);
    findForgotten(parsed.data, findings);
  }
  if (findings.length > 0 || !parsed.success) {
    throw new ConfigError(findings.map((each) => toIssue(each, file, { locate, origins })).sort(byPlace));
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

/** A value from the environment is told by the name of its variable, one from a file by the key that names the file. */
function toIssue(
  finding: Finding,
  file: string | undefined,
  { locate, origins }: { locate: Locate; origins: Origins },
) {
  const { message } = finding;
  const origin = origins.get(placeOf(finding));
  if (origin !== undefined && 'variable' in origin) return { path: origin.variable, message };
  const path = origin?.path ?? finding.path;
  const place = file === undefined ? undefined : locate({ ...finding, path });
  return { ...(file !== undefined && { file }), ...place, path: formatPath(path), message };
}

function byPlace(a: ConfigIssue, b: ConfigIssue): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

/** Names default to the type, and are told apart. */
function nameAll(input: unknown, findings: Finding[]): { watchers: string[]; notifiers: string[] } {
  const namesOf = (key: 'watchers' | 'notifiers') => {
    const seen = new Set<string>();
    return entriesOf(input, key).map((entry, index) => {
      const name = String(valueAt(entry, ['name']) ?? valueAt(entry, ['type']) ?? '');
      if (name !== '' && seen.has(name)) {
        findings.push({
          path: [key, index, 'name'],
          message: `there are two named "${safeText(name, 64)}"; give each a name of its own`,
        });
      }
      if (key === 'notifiers' && RESERVED.includes(name))
        findings.push({
          path: [key, index, 'name'],
          message: `"${name}" is what a lane of cowbell's own is called; give it another name`,
        });
      seen.add(name);
      return name;
    });
  };
  return { watchers: namesOf('watchers'), notifiers: namesOf('notifiers') };
}

/** Watchers that read what the configuration does not name. */
function findUnreadable(input: unknown, findings: Finding[]): void {
  for (const [index, entry] of entriesOf(input, 'watchers').entries()) {
    const type = valueAt(entry, ['type']);
    const from = valueAt(entry, ['from']);
    const needed = from ?? watcherDefinitions.find((definition) => definition.type === type)?.reads;
    const key = from === undefined ? 'type' : 'from';
    for (const [way, section, hint] of NEEDED) {
      if (needed !== way || valueAt(input, [section]) !== undefined) continue;
      const what = `"${String(from ?? type)}" needs \`${section}\` in the configuration${hint}`;
      findings.push({ path: ['watchers', index, key], message: what });
    }
  }
}

/** Watchers that are to be told which container, as no one is meant where none is named. */
function findContainerless(input: unknown, findings: Finding[]): void {
  for (const [index, entry] of entriesOf(input, 'watchers').entries()) {
    const definition = watcherDefinitions.find(({ type }) => type === valueAt(entry, ['type']));
    const { service, container }: { service?: z.ZodType; container?: z.ZodType } = definition?.options.shape ?? {};
    const isNamed = ['service', 'container'].some((key) => valueAt(entry, [key]) !== undefined);
    if (isNamed || container === undefined || service?.safeParse(undefined).data !== undefined) continue;
    const message = `"${definition?.type}" needs a \`service\` of compose, or a \`container\`, whose log it reads`;
    findings.push({ path: ['watchers', index, 'type'], message });
  }
}

/** A notifier that lets a person write the body of its requests. */
interface OwnBody {
  body?: string;
  content_type?: string;
}

/** Templates that are none, or that name what no event has. */
function findTemplateMistakes(input: unknown, findings: Finding[]): void {
  for (const [index, entry] of entriesOf(input, 'notifiers').entries()) {
    const parsed = NotifierSchema.safeParse(entry);
    // What else is wrong with it is told already.
    if (!parsed.success) continue;
    const { templates, body, content_type, events, digest } = parsed.data as unknown as NotifierConfig & OwnBody;
    const kinds: BanEventType[] = digest === undefined ? events : [...events, 'digest'];
    const mistake = body === undefined ? undefined : bodyMistake(body, content_type ?? '', kinds);
    if (mistake !== undefined) findings.push({ path: ['notifiers', index, 'body'], message: mistake });
    if (templates === undefined) continue;
    for (const { path, message } of templateMistakes(templates)) {
      findings.push({ path: ['notifiers', index, 'templates', ...path], message });
    }
  }
}

/** Files that a source of reputation is to read, and that hold what it cannot. */
function findReputationMistakes({ reputation }: z.output<typeof ConfigSchema>, findings: Finding[]): void {
  for (const { type, mistakes } of REPUTATION) {
    const options = reputation[type];
    for (const { option, message } of (options && mistakes?.(options)) ?? []) {
      findings.push({ path: ['reputation', type, option], message });
    }
  }
}

/** A policy that could lift nothing, or all: what it is to go by is not there. */
function findUnknowable({ auto_unban, reputation }: z.output<typeof ConfigSchema>, findings: Finding[]): void {
  const { mode, require, min_known_logins } = auto_unban;
  if (mode === 'off' || Object.keys(reputation).length > 0) return;
  const place = (key: string, message: string) => findings.push({ path: ['auto_unban', key], message });
  if (min_known_logins === 0) place('min_known_logins', 'expected 1 or more, as nobody is asked for a score');
  else if (require === 'all')
    place('require', 'nobody is asked for a score: name `reputation`, or set `any`, and own users decide');
}

/** A policy whose memory is shorter than what it is to remember. */
function findForgotten({ auto_unban, bans, retention }: z.output<typeof ConfigSchema>, findings: Finding[]): void {
  const days = { historyDays: bans.history_days, bansDays: retention.bans_days };
  for (const message of forgottenTooSoon(auto_unban, days))
    findings.push({ path: ['retention', 'bans_days'], message });
}

/** What is read by each way, and where it is named. */
const NEEDED = [
  ['redis', 'redis', ', or REDISPASS in the environment'],
  ['api', 'mailcow_api', ''],
] as const;

function entriesOf(input: unknown, key: 'watchers' | 'notifiers'): readonly unknown[] {
  const entries = valueAt(input, [key]);
  return Array.isArray(entries) ? entries : [];
}

import { hostname } from 'node:os';
import type { z } from 'zod';
import { messageOf } from '../core/errors.ts';
import type { Finding } from './issues.ts';
import { isTimeZone } from './notifier-options.ts';
import { readText } from './read-text.ts';
import { elementOf, fieldOf, formatPath, isSecret, memberFor, shapeOf } from './walk.ts';

/** Where a value really came from, by its place: a variable of the environment, or another key. */
export type Origins = Map<string, { variable: string } | { path: readonly PropertyKey[] }>;

/** Keys that must have a value, and get one from the environment where the file gives none. */
export const COMPLETED_KEYS: readonly string[] = ['host', 'state', 'notifiers'];

type Environment = Readonly<Record<string, string | undefined>>;
type Mapping = Record<string, unknown>;

/** `$${`, or `${NAME}` or `${NAME:-default}`, or else a `${` that is neither. */
const VARIABLE = /\$\$\{|\$\{(?:([A-Za-z_]\w*)(?::-((?:(?!\$\{)[^}])*))?\})?/g;
/** No secret is longer. */
const LONGEST_FILE = 65_536;

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Replaces `${NAME}` and `${NAME:-default}` in every string, after the file has been parsed: a value can add no keys.
 * `$${` stands for `${`.
 */
export function expandVariables(
  value: unknown,
  env: Environment,
  findings: Finding[],
  path: PropertyKey[] = [],
): unknown {
  if (typeof value === 'string') {
    return value.replace(VARIABLE, (whole, name: string | undefined, fallback: string | undefined) => {
      if (whole === '$${') return '${';
      if (name === undefined) {
        findings.push({ path, message: 'expected ${NAME} or ${NAME:-default}; $${ stands for a ${ as it is' });
        return '';
      }
      const found = env[name];
      if (found !== undefined && (found !== '' || fallback === undefined)) return found;
      if (fallback !== undefined) return fallback;
      findings.push({ path, message: `the environment has no ${name}; set it, or write \${${name}:-default}` });
      return '';
    });
  }
  if (Array.isArray(value)) return value.map((item, index) => expandVariables(item, env, findings, [...path, index]));
  if (!isMapping(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, expandVariables(item, env, findings, [...path, key])]),
  );
}

/** Reads `x_file` into `x` for every secret `x`; the last line end of the file is not part of the value. */
export function readSecretFiles(
  schema: z.core.$ZodType,
  value: unknown,
  told: { findings: Finding[]; origins: Origins },
  path: PropertyKey[] = [],
): unknown {
  const element = elementOf(schema);
  if (element !== undefined && Array.isArray(value)) {
    return value.map((item, index) => readSecretFiles(element, item, told, [...path, index]));
  }
  const member = memberFor(schema, value);
  const shape = member && shapeOf(member);
  if (shape === undefined || !isMapping(value)) return value;
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => {
    const at = [...path, key];
    const target = key.endsWith('_file') ? key.slice(0, -'_file'.length) : '';
    const secret = fieldOf(shape, target);
    const field = fieldOf(shape, key);
    if (secret === undefined || !isSecret(secret)) {
      return [key, field === undefined ? item : readSecretFiles(field, item, told, at)];
    }
    if (Object.hasOwn(value, target)) {
      told.findings.push({ path: at, message: `${target} is given as well; keep one of the two`, isKey: true });
      return [target, value[target]];
    }
    told.origins.set(formatPath([...path, target]), { path: at });
    return [target, readSecret(item, told.findings, at)];
  });
  return Object.fromEntries(entries);
}

function readSecret(file: unknown, findings: Finding[], path: PropertyKey[]): unknown {
  if (typeof file !== 'string') {
    findings.push({ path, message: 'expected the path of a file' });
    return undefined;
  }
  try {
    return readText(file, LONGEST_FILE).replace(/\r?\n$/, '');
  } catch (error) {
    // The system's own message has the path in it, where some write the secret itself.
    const code = error instanceof Error && 'code' in error ? String(error.code) : messageOf(error);
    findings.push({ path, message: `the file cannot be read: ${code}` });
    return undefined;
  }
}

const URL_VARIABLES = [
  ['COWBELL_SLACK_URL', 'slack'],
  ['COWBELL_DISCORD_URL', 'discord'],
  ['COWBELL_WEBHOOK_URL', 'webhook'],
] as const;

/**
 * Adds what the environment says and the file does not: mailcow's own variables are enough for a start. A key without a
 * value, as it is left when all below it is a comment, is left out.
 */
export function completeFromEnvironment(input: unknown, env: Environment, origins: Origins): unknown {
  if (!isMapping(input)) return input;
  const result: Mapping = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null));
  const take = (variable: string, path: PropertyKey[]): string | undefined => {
    const value = env[variable] || undefined;
    if (value !== undefined) origins.set(formatPath(path), { variable });
    return value;
  };
  result.host ??= take('MAILCOW_HOSTNAME', ['host']) ?? hostname();
  result.state ??= take('COWBELL_STATE', ['state']) ?? 'state/cowbell.db';
  if (env.TZ !== undefined && isTimeZone(env.TZ)) result.time_zone ??= take('TZ', ['time_zone']);
  result.docker ??= {};
  if (isMapping(result.docker)) {
    const docker = { ...result.docker };
    docker.project ??= take('COMPOSE_PROJECT_NAME', ['docker', 'project']);
    docker.socket ??= take('COWBELL_DOCKER_SOCKET', ['docker', 'socket']);
    result.docker = docker;
  }
  const http = result.http ?? {};
  if (isMapping(http) && http.listen === undefined) {
    const listen = take('COWBELL_HTTP_LISTEN', ['http', 'listen']);
    if (listen !== undefined) result.http = { ...http, listen };
  }
  if (result.redis === undefined && env.REDISPASS)
    result.redis = { password: take('REDISPASS', ['redis', 'password']) };
  if (result.notifiers === undefined) {
    const found = URL_VARIABLES.filter(([variable]) => env[variable]).map(([variable, type], index) => ({
      type,
      url: take(variable, ['notifiers', index, 'url']),
    }));
    if (found.length > 0) result.notifiers = found;
  }
  return result;
}

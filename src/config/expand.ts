import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { z } from 'zod';
import { messageOf } from '../core/errors.ts';
import type { Finding } from './issues.ts';
import { elementOf, isSecret, memberFor, shapeOf } from './walk.ts';

type Environment = Readonly<Record<string, string | undefined>>;
type Mapping = Record<string, unknown>;

const VARIABLE = /\$\$\{|\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g;
/** No secret is longer; a wrong path may lead anywhere. */
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
      if (name === undefined) return whole === '$${' ? '${' : whole;
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
  findings: Finding[],
  path: PropertyKey[] = [],
): unknown {
  const element = elementOf(schema);
  if (element !== undefined && Array.isArray(value)) {
    return value.map((item, index) => readSecretFiles(element, item, findings, [...path, index]));
  }
  const member = memberFor(schema, value);
  const shape = member && shapeOf(member);
  if (shape === undefined || !isMapping(value)) return value;
  const result: Mapping = {};
  for (const [key, item] of Object.entries(value)) {
    const target = key.endsWith('_file') ? key.slice(0, -'_file'.length) : undefined;
    const secret = target === undefined ? undefined : shape[target];
    if (target === undefined || secret === undefined || !isSecret(secret)) {
      result[key] = shape[key] === undefined ? item : readSecretFiles(shape[key], item, findings, [...path, key]);
    } else if (target in value) {
      findings.push({ path: [...path, key], message: `${target} is given as well; keep one of the two`, isKey: true });
    } else result[target] = readSecret(item, findings, [...path, key]);
  }
  return result;
}

function readSecret(file: unknown, findings: Finding[], path: PropertyKey[]): unknown {
  if (typeof file !== 'string') {
    findings.push({ path, message: 'expected the path of a file' });
    return undefined;
  }
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length > LONGEST_FILE) throw new Error(`it is longer than ${LONGEST_FILE} characters`);
    return text.replace(/\r?\n$/, '');
  } catch (error) {
    findings.push({ path, message: `the file cannot be read: ${messageOf(error)}` });
    return undefined;
  }
}

const URL_VARIABLES = [
  ['COWBELL_SLACK_URL', 'slack'],
  ['COWBELL_DISCORD_URL', 'discord'],
  ['COWBELL_WEBHOOK_URL', 'webhook'],
] as const;

/** Adds what the environment says and the file does not: mailcow's own variables are enough for a start. */
export function completeFromEnvironment(input: unknown, env: Environment): unknown {
  if (!isMapping(input)) return input;
  const result: Mapping = { ...input };
  result.host ??= env.MAILCOW_HOSTNAME || hostname();
  result.state ??= env.COWBELL_STATE || 'state/cowbell.db';
  if (result.docker === undefined || isMapping(result.docker)) {
    result.docker = {
      ...(env.COMPOSE_PROJECT_NAME && { project: env.COMPOSE_PROJECT_NAME }),
      ...(env.COWBELL_DOCKER_SOCKET && { socket: env.COWBELL_DOCKER_SOCKET }),
      ...result.docker,
    };
  }
  if (env.REDISPASS && result.redis === undefined) result.redis = { password: env.REDISPASS };
  if (result.notifiers === undefined) {
    const found = URL_VARIABLES.flatMap(([name, type]) => (env[name] ? [{ type, url: env[name] }] : []));
    if (found.length > 0) result.notifiers = found;
  }
  return result;
}

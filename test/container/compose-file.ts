import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import type Docker from 'dockerode';
import { parse } from 'yaml';

export const CHECKOUT = join(import.meta.dirname, '..', '..');

/** What the tests look at in a service of a Compose file. */
export interface ComposeService {
  image?: string;
  profiles?: string[];
  ports?: string[];
  user?: string;
  environment?: string[];
  volumes?: string[];
  depends_on?: string[];
  networks?: Record<string, unknown>;
  command?: string[];
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  mem_limit?: string;
  pids_limit?: number;
  stop_grace_period?: string;
  [other: string]: unknown;
}

export interface ComposeFile {
  services: Record<string, ComposeService>;
  networks?: Record<string, unknown>;
  volumes?: Record<string, unknown>;
}

/** Whether something is a Compose file, by the schema of the specification. */
export function composeSchema(): ValidateFunction {
  const text = readFileSync(join(CHECKOUT, 'test/fixtures/compose/compose-spec.json'), 'utf8');
  const { $schema: _, ...specification } = JSON.parse(text);
  return new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(specification);
}

/** Variables as Compose reads them from mailcow.conf. Throws where a variable that must be there is missing. */
export function readComposeFile(path: string, variables: Readonly<Record<string, string>>): ComposeFile {
  const text = readFileSync(join(CHECKOUT, path), 'utf8');
  const known = text.replace(/\$\{(\w+)(:-|:\?)?([^}]*)\}/g, (_, name: string, kind: string, rest: string) => {
    if (variables[name]) return variables[name];
    if (kind === ':?') throw new Error(`${path}: ${name}: ${rest}`);
    return kind === ':-' ? rest : '';
  });
  return parse(known) as ComposeFile;
}

/** Names of the variables that a Compose file takes. */
export function variablesOf(path: string): string[] {
  const text = readFileSync(join(CHECKOUT, path), 'utf8');
  return [...text.matchAll(/\$\{(\w+)/g)].map(([, name]) => name ?? '');
}

/** The limits of a service, as the engine takes them. */
export function hardeningOf(service: ComposeService): Docker.HostConfig {
  const { read_only, cap_drop, security_opt, mem_limit, pids_limit } = service;
  return {
    ReadonlyRootfs: read_only === true,
    CapDrop: cap_drop ?? [],
    SecurityOpt: security_opt ?? [],
    Memory: Number(/^(\d+)m$/.exec(mem_limit ?? '')?.[1]) * 1024 * 1024,
    PidsLimit: pids_limit ?? 0,
  };
}

/** What the filtering proxy lets through by method, each pattern whole: the proxy puts `^` and `$` around it. */
export function allowedRequests(proxy: ComposeService): Map<string, RegExp[]> {
  const allowed = new Map<string, RegExp[]>();
  for (const option of proxy.command ?? []) {
    const [, method, pattern] = /^-allow([A-Z]+)=(.*)$/.exec(option) ?? [];
    if (method === undefined) continue;
    allowed.set(method, [...(allowed.get(method) ?? []), new RegExp(`^${pattern}$`)]);
  }
  return allowed;
}

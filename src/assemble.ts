import type { Config, NotifierConfig, WatcherConfig } from './config/schema.ts';
import { messageOf } from './core/errors.ts';
import type { Logger } from './core/logger.ts';
import type { Notifier, NotifierDefinition, NotifierTools } from './core/notifier.ts';
import type { ContainerSelector, Watcher, WatcherDefinition, WatcherTools } from './core/watcher.ts';
import type { ContainerLogs } from './logs/container-log.ts';
import { notifierDefinitions } from './notifiers/registry.ts';
import { watcherDefinitions } from './watchers/registry.ts';

/** The registries hold kinds with options of their own; here they are only names and builders. */
const WATCHERS = watcherDefinitions as unknown as readonly WatcherDefinition[];
const NOTIFIERS = notifierDefinitions as unknown as readonly NotifierDefinition[];

const DEFAULT_GRACE_SECONDS = 30;

export interface AssembledWatcher {
  watcher: Watcher;
  reads: (jail: string) => boolean;
  graceMs: number;
}

export function watcherDefinition(type: string): WatcherDefinition | undefined {
  return WATCHERS.find((definition) => definition.type === type);
}

export const WATCHER_TYPES = WATCHERS.map((definition) => definition.type);

export function buildWatcher(config: WatcherConfig, tools: WatcherTools): AssembledWatcher {
  const definition = watcherDefinition(config.type);
  if (definition === undefined) throw new Error(`no watcher of type ${config.type}`);
  return {
    watcher: definition.create(config.name, config, tools),
    reads: (jail) => definition.tellsOf(jail),
    graceMs: config.grace_seconds * 1000,
  };
}

export function buildNotifier(config: NotifierConfig, tools: NotifierTools): Notifier {
  const definition = NOTIFIERS.find(({ type }) => type === config.type);
  if (definition === undefined) throw new Error(`no notifier of type ${config.type}`);
  return definition.create(config as never, tools);
}

export function mostEventsOf(type: string): number {
  return NOTIFIERS.find((definition) => definition.type === type)?.pace.maxEvents ?? 100;
}

/** What a watcher reads, if it reads containers. */
export function selectorOf(config: WatcherConfig): ContainerSelector | undefined {
  if (watcherDefinition(config.type)?.reads !== 'container') return undefined;
  const { service, container } = config as { service?: string; container?: string };
  return container === undefined ? { service: service ?? '' } : { container };
}

/**
 * The watchers to run: those of the configuration, or all that are found. A Docker Engine that does not answer, or has
 * none of the containers, is told of as a source that is down, unless there is Redis and nobody gave a socket.
 */
export async function chooseWatchers(
  config: Config,
  containers: ContainerLogs,
  logger: Logger,
): Promise<WatcherConfig[]> {
  if (config.watchers !== undefined) return config.watchers;
  const all = WATCHERS.map((definition): WatcherConfig => {
    const defaults = definition.options.parse({}) as Record<string, unknown>;
    return { ...defaults, type: definition.type, name: definition.type, grace_seconds: DEFAULT_GRACE_SECONDS };
  });
  const chosen = config.redis === undefined ? [] : all.filter(({ type }) => watcherDefinition(type)?.reads === 'redis');
  const readers = all.filter((candidate) => selectorOf(candidate) !== undefined);
  try {
    const found = await Promise.all(readers.map((reader) => isThere(reader, containers)));
    const present = readers.filter((_, index) => found[index]);
    return [...(present.length > 0 ? present : readers.slice(0, 1)), ...chosen];
  } catch (error) {
    if (chosen.length > 0 && !(await hasSocket(config.docker.socket))) {
      logger.info({ socket: config.docker.socket }, 'there is no Docker socket: watching Redis alone');
      return chosen;
    }
    logger.warn({ reason: messageOf(error) }, 'the Docker Engine cannot be asked which containers there are');
    return [...readers.slice(0, 1), ...chosen];
  }
}

async function isThere(reader: WatcherConfig, containers: ContainerLogs): Promise<boolean> {
  const selector = selectorOf(reader);
  return selector !== undefined && (await containers.find(selector)).length > 0;
}

async function hasSocket(socket: string): Promise<boolean> {
  if (socket.includes('://')) return true;
  const { existsSync } = await import('node:fs');
  return existsSync(socket);
}

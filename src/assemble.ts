import type { NotifierConfig } from './config/notifier-options.ts';
import type { Config, WatcherConfig } from './config/schema.ts';
import { messageOf, PermanentError } from './core/errors.ts';
import type { Logger } from './core/logger.ts';
import type { LanePace, Notifier, NotifierDefinition, NotifierTools } from './core/notifier.ts';
import type { ContainerSelector, Watcher, WatcherDefinition, WatcherTools } from './core/watcher.ts';
import type { ContainerLogs } from './logs/container-log.ts';
import { createComposer } from './notifiers/composer.ts';
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

/**
 * The kind and options that a person means by `watcher`: the name or type of one that is configured, else a type with its
 * defaults. Throws `PermanentError` with what to do where there is none, or more than one.
 */
export function meantWatcher(
  watcher: string,
  configured: readonly WatcherConfig[],
): { definition: WatcherDefinition | undefined; options: Record<string, unknown> } {
  const ofType = configured.filter(({ type }) => type === watcher);
  const found = configured.find(({ name }) => name === watcher) ?? ofType[0];
  if (found?.name !== watcher && ofType.length > 1) {
    const names = ofType.map(({ name }) => name).join(', ');
    throw new PermanentError(`there are several of type "${watcher}"; name one: ${names}`);
  }
  const definition = watcherDefinition(found?.type ?? watcher);
  const options = found ?? definition?.options.safeParse({}).data;
  if (definition !== undefined && options === undefined) {
    throw new PermanentError(
      `what "${watcher}" reads depends on its options: name one of a configuration, with --config`,
    );
  }
  return { definition, options: options ?? {} };
}

export function buildWatcher(config: WatcherConfig, tools: WatcherTools): AssembledWatcher {
  const definition = watcherDefinition(config.type);
  if (definition === undefined) throw new Error(`no watcher of type ${config.type}`);
  return {
    watcher: definition.create(config.name, config, tools),
    reads: (jail) => definition.tellsOf(jail, config),
    graceMs: config.grace_seconds * 1000,
  };
}

/** A notifier that speaks in the words, the time zone and the locale it is configured for, or else those of all. */
export function buildNotifier(
  each: NotifierConfig,
  ofAll: Pick<Config, 'time_zone' | 'locale'>,
  tools: Omit<NotifierTools, 'compose'>,
  logger?: Logger,
): Notifier {
  const compose = createComposer({
    timeZone: each.time_zone ?? ofAll.time_zone,
    locale: each.locale ?? ofAll.locale,
    templates: each.templates,
    onTemplateError: (error) => {
      const reason = messageOf(error).split('\n')[0];
      logger?.warn({ consumer: each.name, reason }, 'a template failed; the alert is told in the usual words');
    },
  });
  return notifierDefinition(each.type).create(each as never, { ...tools, compose });
}

/** How a notifier is paced: as it is configured, within what the service allows. */
export function paceOf(each: NotifierConfig): LanePace {
  const { pace, eventsAtOnce } = notifierDefinition(each.type);
  const maxEvents = eventsAtOnce?.(each as never) ?? pace.maxEvents;
  return { ...pace, maxEvents, groupIntervalMs: each.group_interval_ms };
}

export function notifierDefinition(type: string): NotifierDefinition {
  const definition = NOTIFIERS.find((each) => each.type === type);
  if (definition === undefined) throw new Error(`no notifier of type ${type}`);
  return definition;
}

/** What a watcher reads, if it reads containers. */
export function selectorOf(config: WatcherConfig): ContainerSelector | undefined {
  const { service, container, from = 'docker' } = config as { service?: string; container?: string; from?: string };
  if (watcherDefinition(config.type)?.reads !== 'container' || from !== 'docker') return undefined;
  return container === undefined ? { service: service ?? '' } : { container };
}

/**
 * The watchers to run: those of the configuration, or all that find what they read. Where nobody gave a Docker socket,
 * what mailcow keeps in Redis is read in its place. An engine that does not answer, or has none of the containers, is told
 * of as a source that is down.
 */
export async function chooseWatchers(
  config: Config,
  containers: ContainerLogs,
  logger: Logger,
): Promise<WatcherConfig[]> {
  if (config.watchers !== undefined) return config.watchers;
  const { redis, mailcow_api: api, docker } = config;
  const usual = WATCHERS.filter(({ byDefault }) => byDefault);
  const readers = usual.filter(({ reads }) => reads === 'container');
  const ofRedis = redis === undefined ? [] : usual.filter(({ reads }) => reads === 'redis').map(withDefaults);
  // Redis knows the same at once, and asking the API costs mailcow a line in its log.
  const ofApi =
    api === undefined || redis !== undefined ? [] : usual.filter(({ reads }) => reads === 'api').map(withDefaults);
  const state = [...ofRedis, ...ofApi];
  const kept = readers.filter((definition) => isKept(definition, redis === undefined));
  const from = redis === undefined ? 'api' : 'redis';
  const withoutDocker = [...kept.map((definition) => ({ ...withDefaults(definition), from })), ...state];
  if (state.length > 0 && !(await hasSocket(docker.socket))) {
    logger.info({ socket: docker.socket, from }, 'there is no Docker socket: reading what mailcow keeps of its logs');
    return withoutDocker;
  }
  const all = readers.map(withDefaults);
  try {
    const found = await Promise.all(all.map((reader) => isThere(reader, containers)));
    const present = all.filter((_, index) => found[index]);
    // With an address of the API, mailcow is on another host than this Docker.
    if (present.length === 0 && ofApi.length > 0) return withoutDocker;
    return [...(present.length > 0 ? present : all.slice(0, 1)), ...state];
  } catch (error) {
    logger.warn({ reason: messageOf(error) }, 'the Docker Engine cannot be asked which containers there are');
    return [...all.slice(0, 1), ...state];
  }
}

/** Whether mailcow keeps its lines; by the API, where every look costs mailcow something, those about bans are enough. */
function isKept({ list, tellsOf }: WatcherDefinition, isByApi: boolean): boolean {
  return list !== undefined && (!isByApi || tellsOf('netfilter', {} as never));
}

function withDefaults(definition: WatcherDefinition): WatcherConfig {
  const defaults = definition.options.parse({}) as Record<string, unknown>;
  return { ...defaults, type: definition.type, name: definition.type, grace_seconds: DEFAULT_GRACE_SECONDS };
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

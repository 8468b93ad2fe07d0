import type { NotifierConfig } from './config/notifier-options.ts';
import type { Config, WatcherConfig } from './config/schema.ts';
import { messageOf, PermanentError } from './core/errors.ts';
import type { Logger } from './core/logger.ts';
import type { LanePace, Notifier, NotifierDefinition, NotifierTools } from './core/notifier.ts';
import type { ContainerSelector, Watcher, WatcherDefinition, WatcherTools } from './core/watcher.ts';
import { createComposer } from './notifiers/composer.ts';
import { notifierDefinitions } from './notifiers/registry.ts';
import { watcherDefinitions } from './watchers/registry.ts';

/** The registries hold kinds with options of their own; here they are only names and builders. */
export const WATCHERS = watcherDefinitions as unknown as readonly WatcherDefinition[];
const NOTIFIERS = notifierDefinitions as unknown as readonly NotifierDefinition[];

export interface AssembledWatcher {
  watcher: Watcher;
  reads: (jail: string) => boolean;
  graceMs: number;
}

/** The kind of this name, if there is one. */
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

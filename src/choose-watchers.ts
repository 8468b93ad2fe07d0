import { existsSync } from 'node:fs';
import { selectorOf, WATCHERS, watcherDefinition } from './assemble.ts';
import type { Config, WatcherConfig } from './config/schema.ts';
import { messageOf } from './core/errors.ts';
import type { Logger } from './core/logger.ts';
import type { WatcherDefinition } from './core/watcher.ts';
import type { ContainerLogs } from './logs/container-log.ts';

const DEFAULT_GRACE_SECONDS = 30;

/** The watchers to run, and why others that run by themselves where there is something to read do not. */
export interface WatcherChoice {
  chosen: WatcherConfig[];
  others: { type: string; reason: string }[];
}

/**
 * The watchers to run: those of the configuration, or all that find what they read. Where nobody gave a Docker socket,
 * what mailcow keeps in Redis is read in its place. An engine that does not answer, or has none of the containers, is told
 * of as a source that is down.
 */
export async function surveyWatchers(
  config: Config,
  containers: ContainerLogs,
  logger: Logger,
): Promise<WatcherChoice> {
  if (config.watchers !== undefined) return { chosen: config.watchers, others: [] };
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
  const choose = (chosen: WatcherConfig[], whyNot: (reader: WatcherConfig) => string): WatcherChoice => ({
    chosen,
    others: usual
      .filter(({ type }) => !chosen.some((each) => each.type === type))
      .map((each) => ({ type: each.type, reason: absenceOf(each, config) ?? whyNot(withDefaults(each)) })),
  });
  if (state.length > 0 && !hasSocket(docker.socket)) {
    logger.info({ socket: docker.socket, from }, 'there is no Docker socket: reading what mailcow keeps of its logs');
    return choose(withoutDocker, () => `there is no Docker socket at ${docker.socket}`);
  }
  const all = readers.map(withDefaults);
  try {
    const found = await Promise.all(all.map((reader) => isThere(reader, containers)));
    const present = all.filter((_, index) => found[index]);
    // With an address of the API, mailcow is on another host than this Docker.
    if (present.length === 0 && ofApi.length > 0) return choose(withoutDocker, noContainer);
    return choose([...(present.length > 0 ? present : all.slice(0, 1)), ...state], noContainer);
  } catch (error) {
    logger.warn({ reason: messageOf(error) }, 'the Docker Engine cannot be asked which containers there are');
    return choose([...all.slice(0, 1), ...state], () => 'the Docker Engine cannot be asked for its container');
  }
}

/** The watchers to run alone. */
export async function chooseWatchers(
  config: Config,
  containers: ContainerLogs,
  logger: Logger,
): Promise<WatcherConfig[]> {
  return (await surveyWatchers(config, containers, logger)).chosen;
}

/** What a watcher reads, for a person: `the log of netfilter-mailcow`. */
export function readingOf(watcher: WatcherConfig): string {
  const selector = selectorOf(watcher);
  const definition = watcherDefinition(watcher.type);
  const where = selector?.service ?? selector?.container;
  // What reads no lines asks a program there.
  if (where !== undefined) return definition?.createFor === undefined ? where : `the log of ${where}`;
  const { from = definition?.reads } = watcher;
  if (from === 'api') return "mailcow's API";
  return from === 'redis' && definition?.list !== undefined ? `${definition.list} in Redis` : 'Redis';
}

function absenceOf({ reads }: WatcherDefinition, { redis, mailcow_api }: Config): string | undefined {
  if (reads === 'redis' && redis === undefined) return '`redis` is not configured';
  if (reads !== 'api') return undefined;
  return mailcow_api === undefined ? '`mailcow_api` is not configured' : 'Redis knows the same';
}

function noContainer(reader: WatcherConfig): string {
  return `no container of ${selectorOf(reader)?.service ?? reader.type}`;
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

function hasSocket(socket: string): boolean {
  return socket.includes('://') || existsSync(socket);
}

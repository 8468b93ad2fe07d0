import { styleText } from 'node:util';
import { readingOf, type WatcherChoice } from './choose-watchers.ts';
import type { Config } from './config/schema.ts';
import { type Clock, toRfc3339 } from './core/clock.ts';
import type { Logger } from './core/logger.ts';
import { plural, safeText } from './core/text.ts';
import type { Watcher } from './core/watcher.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { ContainerLogs } from './logs/container-log.ts';
import type { Origins } from './origins/origins.ts';
import type { LaneState } from './pipeline/lane.ts';
import type { SourceHealth, SourceState } from './pipeline/source-health.ts';
import { sourceNameOf } from './pipeline/supervise.ts';
import { VERSION } from './version.ts';

/** So long the sources have to answer before it is told which did. */
const SETTLE_MS = 500;
const LOOK_EVERY_MS = 20;

/** What a start comes to: one line of the log, or one screen. */
export interface StartReport {
  version: string;
  node: string;
  /** Left out where the engine was not asked: a filtering proxy would refuse that. */
  docker?: string | undefined;
  host: string;
  /** Left out where the environment alone is the configuration. */
  config?: string | undefined;
  watchers: { name: string; reads: string; state: 'read' | 'failing' | 'waiting'; reason?: string | undefined }[];
  not_watched: { name: string; reason: string }[];
  notifiers: { name: string; kind: string; down?: string }[];
  auto_unban: string;
  /** Databases that say where addresses are from. */
  enrich: { database: string; built_at?: string; problem?: string }[];
  ledger: { path: string; standing: number; owed: number };
  http: string;
}

export interface StartReportOptions {
  config: Config;
  configFile: string | undefined;
  choice: WatcherChoice;
  watchers: readonly Watcher[];
  containers: ContainerLogs;
  origins: Pick<Origins, 'states'> | undefined;
  ledger: Ledger;
  health: SourceHealth;
  lanes: () => LaneState[];
  /** What the health server listens on, `127.0.0.1:9464`. */
  address: string;
  clock: Clock;
  logger: Logger;
  /** Where the log is for a person. */
  terminal: (NodeJS.WritableStream & { isTTY?: boolean }) | undefined;
}

/** Tells what is watched, and what comes of it, once every source has answered or has had its time. Holds up nothing. */
export async function tellStart(options: StartReportOptions, signal: AbortSignal): Promise<void> {
  const { config, logger, terminal, clock, health, watchers } = options;
  const names = watchers.map(sourceNameOf);
  // One that was told to be down before has its time to come back.
  const isAnswered = ({ state }: SourceState) => state !== 'starting' && state !== 'down';
  const isSettled = () => {
    const answered = new Set(
      health
        .states()
        .filter(isAnswered)
        .map(({ name }) => name),
    );
    return names.every((name) => answered.has(name));
  };
  const docker = options.containers.version(AbortSignal.any([signal, AbortSignal.timeout(SETTLE_MS)]));
  const deadline = clock.now() + SETTLE_MS;
  while (!isSettled() && clock.now() < deadline && !signal.aborted) await clock.sleep(LOOK_EVERY_MS, signal);
  if (signal.aborted) return;
  const report = reportOf(options, await docker);
  if (terminal === undefined) logger.info({ ...report }, 'cowbell is watching');
  else if (config.log.level === 'info' || config.log.level === 'debug')
    terminal.write(renderStart(report, terminal.isTTY));
}

function reportOf(options: StartReportOptions, docker: string | undefined): StartReport {
  const { config, configFile, choice, watchers, health, ledger, address } = options;
  const states = new Map(health.states().map((state) => [state.name, state]));
  const lanes = new Map(options.lanes().map((lane) => [lane.consumer, lane]));
  return {
    version: VERSION,
    node: process.versions.node,
    docker,
    host: config.host,
    config: configFile,
    watchers: watchers.map((watcher, index) => {
      const name = sourceNameOf(watcher);
      const found = states.get(name);
      const isRead = health.isReady(name);
      return {
        name: watcher.name,
        reads: readingOf(choice.chosen[index] ?? { type: watcher.name, name, grace_seconds: 0 }),
        state: isRead ? 'read' : found?.state === 'starting' ? 'waiting' : 'failing',
        ...(!isRead && { reason: found?.reason }),
      };
    }),
    not_watched: choice.others.map(({ type, reason }) => ({ name: type, reason })),
    notifiers: config.notifiers.map(({ name, type }) => {
      const lane = lanes.get(name);
      return { name, kind: type, ...(lane?.down && { down: safeText(lane.lastError ?? 'parked', 200) }) };
    }),
    auto_unban: config.auto_unban.mode,
    enrich: options.origins?.states().map(describeDatabase) ?? [],
    ledger: {
      path: config.state,
      standing: ledger.bans.countOpen(),
      owed: [...lanes.values()].reduce((sum, { owed }) => sum + owed, 0),
    },
    http: address,
  };
}

function describeDatabase(state: ReturnType<Origins['states']>[number]): StartReport['enrich'][number] {
  if ('problem' in state) return { database: state.path, problem: state.problem };
  const { type, path, builtAt, isShipped } = state;
  return {
    database: isShipped ? 'shipped' : type || path,
    ...(builtAt !== undefined && { built_at: toRfc3339(builtAt) }),
  };
}

/** One screen for a person. */
export function renderStart(report: StartReport, paint = false): string {
  const style = (as: Parameters<typeof styleText>[0], text: string) =>
    paint ? styleText(as, text, { validateStream: false }) : text;
  const show = (text: string) => safeText(text, 150);
  const { watchers, not_watched, notifiers, ledger } = report;
  const names = [...watchers, ...not_watched].map(({ name }) => show(name));
  const width = Math.max(0, ...names.map((name) => name.length));
  const watched = watchers.map(({ name, reads, state, reason }) => {
    const mark = { read: style('green', '✓'), failing: style('red', '✗'), waiting: style('yellow', '…') }[state];
    return `${mark} ${show(name).padEnd(width)}  ${show(reason ?? (state === 'waiting' ? `${reads}: no answer yet` : reads))}`;
  });
  const passed = not_watched.map(({ name, reason }) => style('dim', `– ${show(name).padEnd(width)}  ${show(reason)}`));
  const told = notifiers.map(({ name, kind, down }) => {
    const shown = name === kind ? show(name) : `${show(name)} (${kind})`;
    return down === undefined ? shown : `${shown} ${style('red', `✗ ${show(down)}`)}`;
  });
  const databases = report.enrich.map(({ database, built_at, problem }) => {
    if (problem !== undefined) return `${style('red', '✗')} ${show(`${database}: ${problem}`)}`;
    return show(
      `${database === 'shipped' ? 'the database that comes with cowbell,' : database}${built_at === undefined ? '' : ` of ${built_at.slice(0, 10)}`}`,
    );
  });
  const owed = ledger.owed === 0 ? '' : `, ${plural(ledger.owed, 'alert')} owed`;
  const { docker, node } = report;
  const facts: [string, string[]][] = [
    ['watches', [...watched, ...passed]],
    ['tells', told],
    [
      'lifts',
      [report.auto_unban === 'off' ? 'no bans: auto_unban is off' : `bans, auto_unban is ${report.auto_unban}`],
    ],
    ['places', databases],
    ['ledger', [`${show(ledger.path)}, ${plural(ledger.standing, 'ban')} standing${owed}`]],
    ['config', [show(report.config ?? 'the environment alone')]],
    ['answers', [`http://${report.http}: /healthz, /readyz, /metrics`]],
    ['versions', [`Node.js ${node}${docker === undefined ? '' : `, Docker Engine ${show(docker)}`}`]],
  ];
  const lines = facts.flatMap(([label, values]) =>
    values.map((value, index) => `  ${style('dim', (index === 0 ? label : '').padEnd(8))}  ${value}`),
  );
  const title = style('bold', `cowbell ${report.version} is watching ${show(report.host)}`);
  return `\n🔔 ${title}\n\n${lines.join('\n')}\n\n`;
}

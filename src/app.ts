import { Alerts, consumersOf } from './alerts.ts';
import { buildWatcher } from './assemble.ts';
import type { AutoUnbanTools } from './auto-unban.ts';
import { surveyWatchers } from './choose-watchers.ts';
import type { Config } from './config/schema.ts';
import type { Clock } from './core/clock.ts';
import type { BanEvent } from './core/event.ts';
import type { Logger } from './core/logger.ts';
import { Teardown } from './core/teardown.ts';
import type { Watcher, WatcherTools } from './core/watcher.ts';
import { openHostnames, openOrigins } from './enrich.ts';
import { createEventLog } from './event-log.ts';
import { createHttpClient } from './http/client.ts';
import { lockLedger } from './ledger/database.ts';
import { type DownSource, type Ledger, openLedger } from './ledger/ledger.ts';
import { createContainerLogs } from './logs/container-log.ts';
import { createSmtpMailer } from './mail/smtp.ts';
import { startHealthServer } from './ops/health-server.ts';
import { Recorder, type RecorderOptions } from './pipeline/recorder.ts';
import { SourceHealth } from './pipeline/source-health.ts';
import { SourceLag } from './pipeline/source-lag.ts';
import { sourceNameOf, superviseWatcher } from './pipeline/supervise.ts';
import { createTicker } from './pipeline/ticker.ts';
import { wakeAfterPeople } from './pipeline/wake-after-people.ts';
import { prunePeriodically } from './prune.ts';
import { readinessOf } from './readiness.ts';
import { followChanges } from './reload.ts';
import { Allowances } from './reputation/allowances.ts';
import { wantsReports } from './reputation-sources.ts';
import { tellStart } from './start-report.ts';
import { createUnbanners } from './unbanners.ts';
import { VERSION } from './version.ts';

const DAY_MS = 86_400_000;
/** Told of by the Redis watcher. */
const NETFILTER_ITSELF = 'netfilter';
/** Docker kills ten seconds after it has asked: what is under way by then stays owed. */
const DRAIN_MS = 7_000;

export interface AppTools {
  clock: Clock;
  logger: Logger;
  stdout: NodeJS.WritableStream;
  /** Where the log is written, if it is for a person. */
  terminal?: NodeJS.WritableStream | undefined;
  /** The file that the configuration is from, if it is from one. */
  configFile?: string | undefined;
  /** Configurations that take the place of the one before, as they come. */
  changes?: (signal: AbortSignal) => AsyncIterable<Config>;
}

/** Runs the daemon until `signal` aborts. Throws when it cannot begin: the ledger, the port. */
export async function runApp(config: Config, tools: AppTools, signal: AbortSignal): Promise<void> {
  const { clock, logger } = tools;
  const teardown = new Teardown();
  try {
    const startedAt = clock.now();
    const { ledger, release } = openState(config, clock);
    teardown.push('ledger', () => {
      ledger.close();
      release();
    });
    ledger.knownUsers.setHashed(config.known_users.hash_names);
    const http = createHttpClient({ userAgent: `cowbell/${VERSION}` });
    teardown.push('http', () => http.close());
    const containers = createContainerLogs({ ...config.docker, clock, logger });
    const watcherTools: WatcherTools = {
      clock,
      logger,
      http,
      containerLog: (selector) => containers.source(selector),
      exec: containers.exec,
      redis: config.redis,
      mailcowApi: config.mailcow_api,
    };
    const origins = await openOrigins(config, { clock, logger });
    teardown.push('origins', () => origins?.close());
    const choice = await surveyWatchers(config, containers, logger);
    const watchers = choice.chosen.map((each) => buildWatcher(each, watcherTools));
    const recorder: Recorder = new Recorder({
      ledger,
      clock,
      logger,
      settings: recorderSettingsOf(config),
      originOf: origins?.originOf,
      startedAt,
      consumers: consumersOf(config),
      watchers,
      isReady: (name) => health.isReady(name),
      onOwed: (consumers) => alerts.wake(consumers),
      onRecorded: createEventLog(config, logger, tools.terminal !== undefined),
    });
    const notifier = { http, mailer: createSmtpMailer(), clock, stdout: tools.stdout };
    const unbanners = createUnbanners(config, choice.chosen, watcherTools);
    const allowances = new Allowances({ ledger, clock, logger, required: unbanners.required });
    const policy = await loadPolicy(config, { ledger, clock, logger, http, recorder, unbanners, allowances });
    const reporting = await loadReporting(config, { ledger, clock, http });
    const names = await openHostnames(config, clock);
    teardown.push('host names', () => names?.close());
    const lanes = { policy: policy?.consumer(), reporting, decorate: names?.decorate };
    const alerts: Alerts = new Alerts({ ledger, clock, logger, recorder, notifier, ...lanes });
    teardown.push('lanes', () => alerts.stop(DRAIN_MS), DRAIN_MS + 1_000);
    await alerts.configure(config);
    const health = new SourceHealth({
      host: config.host,
      clock,
      down: stillWatched(
        ledger,
        watchers.map(({ watcher }) => watcher),
      ),
      onError: (error) => logger.error({ err: error }, 'the state of a source could not be recorded; trying again'),
      announce: (event) => recorder.announce(event, () => keepSourceState(ledger, event)),
    });
    teardown.push('health', () => health.stop());
    for (const { watcher, graceMs } of watchers) health.expect(sourceNameOf(watcher), graceMs);
    const ticker = createTicker({
      clock,
      nextDueAt: () => earliest(recorder.nextDueAt(), alerts.nextDueAt()),
      tick: () => {
        recorder.tick();
        alerts.tick();
      },
      onError: (error) => logger.error({ err: error }, 'what is due could not be recorded; trying again'),
    });
    const lag = new SourceLag();
    let current = config;
    const apply = async (next: Config) => {
      await alerts.configure(next);
      current = next;
      ticker.poke();
    };
    const server = await startHealthServer({
      ...config.http,
      readiness: () => readinessOf({ health, alerts, ledger }),
      metrics: async (accept) => {
        const { measure } = await import('./metrics.ts');
        const { observed } = recorder;
        const parts = { config: current, ledger, health, alerts, observed, lag, watchers, now: clock.now() };
        return measure(parts, accept);
      },
      onError: (error) => logger.error({ err: error }, 'the metrics could not be gathered'),
    });
    teardown.push('health server', () => server.close());
    const running = {
      config,
      configFile: tools.configFile,
      choice,
      containers,
      origins,
      ledger,
      health,
      clock,
      logger,
    };
    await Promise.all([
      tellStart(
        {
          ...running,
          watchers: watchers.map(({ watcher }) => watcher),
          lanes: () => alerts.states(),
          address: server.address,
          terminal: tools.terminal,
        },
        signal,
      ),
      ticker.run(signal),
      policy?.run(signal),
      allowances.run(signal),
      wakeAfterPeople({ ledger, lanes: alerts, clock, logger }, signal),
      prunePeriodically(ledger, { retention: () => current, clock, logger }, signal),
      followChanges({ config, changes: tools.changes, logger, apply }, signal),
      ...watchers.map(({ watcher, graceMs }) =>
        superviseWatcher(
          {
            watcher,
            graceMs,
            health,
            clock,
            logger,
            cursor: () => ledger.cursor(watcher.name),
            record: (batch) => {
              recorder.record(watcher, batch);
              lag.note(watcher, batch, clock.now());
              ticker.poke();
            },
          },
          signal,
        ),
      ),
    ]);
    logger.info({}, 'cowbell is stopping');
  } finally {
    for (const failure of await teardown.run()) logger.warn({ ...failure }, 'a part did not stop cleanly');
  }
}

export function recorderSettingsOf({ host, bans, summaries, known_users }: Config): RecorderOptions['settings'] {
  return {
    host,
    retryWindowMs: bans.retry_window_seconds * 1000,
    historyDays: bans.history_days,
    confirmWithinMs: bans.confirm_within_ms,
    knownUsersMs: known_users.days * DAY_MS,
    rejectWindowMs: summaries.rejects_seconds * 1000,
    rateLimitWindowMs: summaries.ratelimits_seconds * 1000,
  };
}

/** Sources that were told as down and are watched still; those that no longer are, are forgotten. */
function stillWatched(ledger: Ledger, watchers: readonly Watcher[]): DownSource[] {
  const names = new Set([...watchers.map(sourceNameOf), NETFILTER_ITSELF]);
  const down = ledger.downSources();
  const gone = down.filter(({ name }) => !names.has(name));
  if (gone.length > 0)
    ledger.transaction(() => {
      for (const { name } of gone) ledger.setSourceUp(name);
    });
  return down.filter(({ name }) => names.has(name));
}

/** Loaded where it is wanted: most do without. */
async function loadPolicy(config: Config, tools: AutoUnbanTools) {
  if (config.auto_unban.mode === 'off') return undefined;
  const { buildAutoUnban } = await import('./auto-unban.ts');
  return buildAutoUnban(config, tools);
}

async function loadReporting(config: Config, tools: Pick<AutoUnbanTools, 'ledger' | 'clock' | 'http'>) {
  if (!wantsReports(config)) return undefined;
  const { buildReporting } = await import('./abuse-reports.ts');
  return buildReporting(config, tools);
}

function openState(config: Config, clock: Clock): { ledger: Ledger; release: () => void } {
  const ledger = openLedger(config.state, () => clock.now());
  try {
    return { ledger, release: lockLedger(config.state) };
  } catch (error) {
    ledger.close();
    throw error;
  }
}

function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

function keepSourceState(ledger: Ledger, event: Extract<BanEvent, { type: 'source.down' | 'source.up' }>): void {
  const { name, reason, since } = event.source;
  if (event.type === 'source.down') ledger.setSourceDown({ name, reason, since: Date.parse(since) });
  else ledger.setSourceUp(name);
}

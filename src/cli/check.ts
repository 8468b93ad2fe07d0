import { constants, statSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Config, WatcherConfig } from '../config/schema.ts';
import { systemClock, toRfc3339 } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import { plural, safeText } from '../core/text.ts';
import type { WatcherTools } from '../core/watcher.ts';
import type { ContainerLogs } from '../logs/container-log.ts';
import { type AddCommand, type CliContext, CONFIG_OPTION, CommandFailure } from './command.ts';
import { createTools, SILENT } from './tools.ts';

export const addCheck: AddCommand = (program, context) => {
  program
    .command('check')
    .description('check the configuration, and try what it names')
    .option(...CONFIG_OPTION)
    .action(async ({ config: file }: { config?: string }) => {
      const { loadConfig } = await import('../config/load.ts');
      const config = loadConfig({ file, env: context.env });
      const report = new Report(context);
      report.good(
        'configuration',
        `alerts of ${config.host} go to ${config.notifiers.map(({ name }) => name).join(', ')}`,
      );
      await checkState(config, report);
      await checkRedis(config, report);
      await checkOrigins(config, report);
      const { containers, tools, close } = await createTools(config);
      try {
        await checkApi(config, tools, report);
        await checkWatchers(config, { containers, tools }, report);
        await checkReputation(config, tools, report);
      } finally {
        await close();
      }
      if (report.problems > 0) throw new CommandFailure(`${plural(report.problems, 'problem')} found`);
    });
};

class Report {
  problems = 0;
  readonly #context: CliContext;

  constructor(context: CliContext) {
    this.#context = context;
  }

  good(what: string, detail: string): void {
    this.#context.stdout.write(`ok    ${what}: ${detail}\n`);
  }

  /** What is not there, and need not be. */
  off(what: string, reason: string): void {
    this.#context.stdout.write(`off   ${what}: ${reason}\n`);
  }

  bad(what: string, error: unknown): void {
    this.problems++;
    this.#context.stdout.write(`FAIL  ${what}: ${messageOf(error)}\n`);
  }
}

/** Makes nothing: neither the ledger nor its folder. */
async function checkState({ state }: Config, report: Report): Promise<void> {
  try {
    const file = resolve(state);
    const found = statSync(file, { throwIfNoEntry: false });
    if (found?.isDirectory()) throw new Error(`${state} is a folder; a file is expected`);
    await access(found === undefined ? nearestFolder(dirname(file)) : dirname(file), constants.W_OK | constants.X_OK);
    if (found !== undefined) await access(file, constants.R_OK | constants.W_OK);
    if (found === undefined || found.size === 0) return report.good('state', `${state} will be made`);
    const { openLedger } = await import('../ledger/ledger.ts');
    const ledger = openLedger(state, Date.now, { readOnly: true });
    report.good('state', `${state}, ${plural(ledger.bans.allStanding().length, 'ban')} standing`);
    ledger.close();
  } catch (error) {
    report.bad('state', error);
  }
}

/** The folder itself, or the one that it would be made in. */
function nearestFolder(folder: string): string {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found === undefined) return nearestFolder(dirname(folder));
  if (!found.isDirectory()) throw new Error(`${folder} is no folder`);
  return folder;
}

async function checkRedis({ redis, mailcow_api }: Config, report: Report): Promise<void> {
  if (redis === undefined) {
    const means =
      mailcow_api === undefined ? 'what the log says is told unconfirmed' : "mailcow's API is asked instead";
    return report.good('redis', `not configured: ${means}`);
  }
  try {
    const { connectRedis } = await import('../watchers/redis-connection.ts');
    const client = await connectRedis(redis);
    try {
      const bans = await client.hlen('F2B_ACTIVE_BANS');
      const isMailcow = (await client.exists('F2B_OPTIONS', 'F2B_REGEX')) > 0;
      const [, listeners] = (await client.pubsub('NUMSUB', 'F2B_CHANNEL')) as [string, number];
      if (!isMailcow) report.good('redis', "answers; it does not hold mailcow's keys");
      else if (Number(listeners) > 0) report.good('redis', `mailcow's, ${plural(bans, 'ban')}; netfilter is listening`);
      else
        report.bad('redis', "mailcow's, but netfilter does not listen: it is down or deaf, restart netfilter-mailcow");
    } finally {
      client.disconnect();
    }
  } catch (error) {
    report.bad('redis', error);
  }
}

const DAY_MS = 86_400_000;
/** Networks change hands: what is older is told as old. */
const OLD_MS = 180 * DAY_MS;

async function checkOrigins(config: Config, report: Report): Promise<void> {
  const { openOrigins } = await import('../enrich.ts');
  const origins = await openOrigins(config, { clock: systemClock, logger: SILENT });
  if (origins === undefined) return report.good('enrich', 'off: nobody knows where an address is from');
  for (const state of origins.states()) {
    if ('problem' in state) report.bad('enrich', new Error(`${state.path}: ${state.problem}`));
    else
      report.good(
        'enrich',
        `${state.isShipped ? 'the database that comes with cowbell' : state.path}, ${ageOf(state)}`,
      );
  }
  origins.close();
}

/** `GeoLite2-Country of 2026-11-23`. */
function ageOf({ type, builtAt }: { type: string; builtAt: number | undefined }): string {
  const what = safeText(type, 64) || 'of an unknown kind';
  if (builtAt === undefined) return what;
  const age = Date.now() - builtAt;
  const old = age > OLD_MS ? `: ${plural(Math.floor(age / DAY_MS), 'day')} old, a newer one knows more` : '';
  return `${what} of ${toRfc3339(builtAt).slice(0, 10)}${old}`;
}

/** Whatever a watcher tries is over by then. */
const PROBE_MS = 60_000;

/** One call: each with a key that is refused counts as a failed login at mailcow. */
async function checkApi({ mailcow_api }: Config, tools: WatcherTools, report: Report): Promise<void> {
  if (mailcow_api === undefined) return;
  const { watcherDefinition } = await import('../assemble.ts');
  const definition = watcherDefinition('mailcow-api');
  try {
    const found = await definition?.probe?.(definition.options.parse({}), tools, AbortSignal.timeout(PROBE_MS));
    report.good('mailcow_api', found ?? 'configured');
  } catch (error) {
    report.bad('mailcow_api', error);
  }
}

/** One call of each, about an address that harms nobody; it counts against the budget of the day, and says so. */
async function checkReputation(config: Config, { http, clock }: WatcherTools, report: Report): Promise<void> {
  if (Object.keys(config.reputation).length === 0) return;
  const { buildSources } = await import('../reputation-sources.ts');
  const { openLedger } = await import('../ledger/ledger.ts');
  const isThere = (statSync(config.state, { throwIfNoEntry: false })?.size ?? 0) > 0;
  try {
    // Where there is none yet, none is made.
    const ledger = openLedger(isThere ? config.state : ':memory:', Date.now);
    for (const source of buildSources(config, { http, clock, budgets: ledger.budgets })) {
      const name = `reputation ${source.name}`;
      await source.probe(AbortSignal.timeout(PROBE_MS)).then(
        (found) => report.good(name, found),
        (error: unknown) => report.bad(name, error),
      );
    }
    ledger.close();
  } catch (error) {
    report.bad('reputation', error);
  }
}

async function checkWatchers(
  config: Config,
  { containers, tools }: { containers: ContainerLogs; tools: WatcherTools },
  report: Report,
): Promise<void> {
  const { buildWatcher, watcherDefinition } = await import('../assemble.ts');
  const { surveyWatchers } = await import('../choose-watchers.ts');
  const { chosen, others } = await surveyWatchers(config, containers, SILENT);
  for (const watcher of chosen) {
    const definition = watcherDefinition(watcher.type);
    const name = `watcher ${watcher.name}`;
    try {
      buildWatcher(watcher, tools);
      for (const line of definition?.describe?.(watcher) ?? []) report.good(name, line);
      report.good(name, await whatItReads(watcher, containers));
      // The API has been tried already.
      if (definition?.reads === 'api') continue;
      const found = await definition?.probe?.(watcher, tools, AbortSignal.timeout(PROBE_MS));
      if (found !== undefined) report.good(name, found);
    } catch (error) {
      report.bad(name, error);
    }
  }
  for (const { type, reason } of others) report.off(`watcher ${type}`, reason);
}

/** Throws if it is not there. */
async function whatItReads(watcher: WatcherConfig, containers: ContainerLogs): Promise<string> {
  const { selectorOf, watcherDefinition } = await import('../assemble.ts');
  const selector = selectorOf(watcher);
  if (selector === undefined) {
    const isByApi = watcher.from === 'api' || watcherDefinition(watcher.type)?.reads === 'api';
    return isByApi ? "reads mailcow's API" : 'reads Redis';
  }
  const found = await containers.find(selector);
  const running = found.find(({ isRunning }) => isRunning);
  if (running !== undefined) return `reads the container ${running.name}`;
  if (found[0] !== undefined) throw new Error(`${found[0].name} does not run: ${found[0].status}`);
  throw new Error(`there is no container of ${selector.service ?? selector.container}`);
}

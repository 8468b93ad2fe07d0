import { constants, statSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Config, WatcherConfig } from '../config/schema.ts';
import { systemClock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { plural } from '../core/text.ts';
import { type AddCommand, type CliContext, CONFIG_OPTION, CommandFailure } from './command.ts';

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
      await checkWatchers(config, report);
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

async function checkRedis({ redis }: Config, report: Report): Promise<void> {
  if (redis === undefined) return report.good('redis', 'not configured: what the log says is told unconfirmed');
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

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT };

async function checkWatchers(config: Config, report: Report): Promise<void> {
  const { chooseWatchers, selectorOf, watcherDefinition } = await import('../assemble.ts');
  const { createContainerLogs } = await import('../logs/container-log.ts');
  const containers = createContainerLogs({ ...config.docker, clock: systemClock, logger: SILENT });
  const watchers: WatcherConfig[] = await chooseWatchers(config, containers, SILENT);
  for (const watcher of watchers) {
    for (const line of watcherDefinition(watcher.type)?.describe?.(watcher) ?? [])
      report.good(`watcher ${watcher.name}`, line);
    const selector = selectorOf(watcher);
    if (selector === undefined) {
      report.good(`watcher ${watcher.name}`, 'reads Redis');
      continue;
    }
    try {
      const found = await containers.find(selector);
      const running = found.find((container) => container.isRunning);
      if (running !== undefined) report.good(`watcher ${watcher.name}`, `reads the container ${running.name}`);
      else if (found[0] !== undefined)
        report.bad(`watcher ${watcher.name}`, `${found[0].name} does not run: ${found[0].status}`);
      else report.bad(`watcher ${watcher.name}`, `there is no container of ${selector.service ?? selector.container}`);
    } catch (error) {
      report.bad(`watcher ${watcher.name}`, error);
    }
  }
}

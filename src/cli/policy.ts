import { systemClock } from '../core/clock.ts';
import { networkWithin, parseNetwork } from '../core/network.ts';
import { formatCount, plural } from '../core/text.ts';
import { type AddCommand, type CliContext, CONFIG_OPTION, CommandFailure, formatTable } from './command.ts';
import { createTools, SILENT } from './tools.ts';

/** Bans that are looked back at. */
const MOST = 10_000;
/** Those of them that are listed. */
const LISTED = 50;

interface Options {
  config?: string;
  explain?: string;
  backtest?: boolean;
}

export const addPolicy: AddCommand = (program, context) => {
  program
    .command('policy')
    .description('say what auto_unban makes of a ban that stands, or would have made of past ones; does nothing')
    .option(...CONFIG_OPTION)
    .option('-e, --explain <network>', 'what would be decided now on the ban of this network, and why')
    .option('-b, --backtest', 'which of the bans in the ledger these settings would have lifted, and which came again')
    .action(async (options: Options) => {
      if (options.explain !== undefined) return await explain(options.explain, options, context);
      if (options.backtest !== true) throw new CommandFailure('give --explain NETWORK or --backtest');
      await showBacktest(options, context);
    });
};

async function explain(text: string, { config: file }: Options, context: CliContext): Promise<void> {
  const network = parseNetwork(text);
  if (network === undefined) throw new CommandFailure(`"${text}" is no address, and no network such as 192.0.2.0/24`);
  const { loadConfig } = await import('../config/load.ts');
  const { openLedger } = await import('../ledger/ledger.ts');
  const { buildJudge } = await import('../auto-unban.ts');
  const { createUnbanners } = await import('../unbanners.ts');
  const { isKnownBan } = await import('../reputation/lift.ts');
  const { chooseWatchers } = await import('../choose-watchers.ts');
  const config = loadConfig({ file, env: context.env });
  // What is asked about addresses counts, and is kept.
  const ledger = openLedger(config.state, Date.now);
  const { tools, containers, close } = await createTools(config);
  try {
    const bans = ledger.bans.allStanding().filter((ban) => ban.network === network && ban.state === 'open');
    if (bans.length === 0) {
      const around = ledger.bans.allStanding().find((ban) => networkWithin(network, ban.network));
      throw new CommandFailure(
        around === undefined
          ? `cowbell knows of no ban of ${network} that stands`
          : `${network} is not banned by itself: it is inside of ${around.network} (${around.jail}), which is banned`,
      );
    }
    const judge = buildJudge(config, { ledger, clock: systemClock, http: tools.http });
    const unbanners = createUnbanners(config, await chooseWatchers(config, containers, SILENT), tools);
    for (const ban of bans) {
      const found = await unbanners.of(ban.jail)?.look(ban.jail, network, context.signal);
      const standing = found !== undefined && isKnownBan(found, ban) ? found : undefined;
      const { mode } = config.auto_unban;
      // A policy that is off would suggest at first.
      const withSuggested = mode !== 'enforce';
      const verdict = (await judge.prepare(ban.id, standing, withSuggested, context.signal))?.decide();
      if (verdict === undefined) continue;
      const what = verdict.action === 'lift' ? 'would be lifted' : 'stays';
      context.stdout.write(`${network} in ${ban.jail} ${what}; the mode is ${mode}\n`);
      for (const reason of verdict.reasons) context.stdout.write(`  ${reason}\n`);
    }
  } finally {
    await close();
    ledger.close();
  }
}

async function showBacktest({ config: file }: Options, context: CliContext): Promise<void> {
  const { loadConfig } = await import('../config/load.ts');
  const { openLedger } = await import('../ledger/ledger.ts');
  const { backtest } = await import('../reputation/backtest.ts');
  const { auto_unban, bans: settings, state, reputation } = loadConfig({ file, env: context.env });
  const ledger = openLedger(state, Date.now, { readOnly: true });
  try {
    const retold = backtest(
      ledger,
      ledger.bans.recent(MOST),
      auto_unban,
      settings.history_days,
      Object.keys(reputation),
    );
    const lifted = retold.filter(({ verdict }) => verdict.action === 'lift');
    const again = lifted.filter(({ failedAgain }) => failedAgain);
    context.stdout.write(
      `Of ${plural(retold.length, 'ban')} ${formatCount(lifted.length)} would have been lifted, ` +
        `${formatCount(again.length)} of them came again within ${auto_unban.lift_window_hours} h.\n`,
    );
    if (lifted.length === 0) return;
    const rows = lifted
      .slice(-LISTED)
      .map(({ ban, verdict, failedAgain }) => [
        `${new Date(ban.startedAt).toISOString().slice(0, 19)}Z`,
        ban.network,
        failedAgain ? 'yes' : 'no',
        verdict.reasons.join('; '),
      ]);
    context.stdout.write(`${formatTable([['BANNED', 'NETWORK', 'AGAIN', 'WHY'], ...rows])}`);
  } finally {
    ledger.close();
  }
}

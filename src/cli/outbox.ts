import { formatDuration, plural } from '../core/text.ts';
import { type AddCommand, type CliContext, CONFIG_OPTION, formatTable } from './command.ts';
import { openConfiguredLedger } from './state.ts';

const LISTED = 50;

interface Options {
  config?: string;
}

export const addOutbox: AddCommand = (program, context) => {
  const outbox = program.command('outbox').description('what notifiers are still owed, and what was refused for good');
  outbox
    .command('list', { isDefault: true })
    .description('show it')
    .option(...CONFIG_OPTION)
    .action((options: Options) => list(context, options));
  outbox
    .command('retry')
    .description('let a parked notifier go on, and owe again what was refused')
    .argument('[notifier]', 'of this notifier alone')
    .option(...CONFIG_OPTION)
    .action(async (notifier: string | undefined, options: Options) => {
      const { ledger } = await openConfiguredLedger(context, options.config, {});
      const parked = ledger.deliveries.parkedLanes().filter(({ consumer }) => consumer === (notifier ?? consumer));
      const count = ledger.deliveries.retryParked(notifier);
      ledger.close();
      for (const { consumer } of parked) context.stdout.write(`${consumer} goes on\n`);
      if (count > 0 || parked.length === 0)
        context.stdout.write(`${plural(count, 'alert is', 'alerts are')} owed again\n`);
    });
  outbox
    .command('drop')
    .description('give up what is owed or was refused')
    .argument('[notifier]', 'of this notifier alone')
    .option(...CONFIG_OPTION)
    .action(async (notifier: string | undefined, options: Options) => {
      const { ledger } = await openConfiguredLedger(context, options.config, {});
      const count = ledger.deliveries.drop(notifier);
      ledger.close();
      context.stdout.write(`${plural(count, 'alert was', 'alerts were')} dropped\n`);
    });
};

async function list(context: CliContext, { config }: Options): Promise<void> {
  const { ledger } = await openConfiguredLedger(context, config);
  try {
    const rows = ledger.deliveries.summary();
    const parked = ledger.deliveries.parkedLanes();
    if (rows.length === 0 && parked.length === 0) {
      context.stdout.write('nothing is owed\n');
      return;
    }
    const now = Date.now();
    const age = (at: number | undefined) => (at === undefined ? '-' : formatDuration(now - at));
    context.stdout.write(
      formatTable([
        ['NOTIFIER', 'OWED', 'REFUSED', 'OLDEST'],
        ...rows.map((row) => [row.consumer, String(row.owed), String(row.parked), age(row.oldestAt)]),
      ]),
    );
    const open = [...ledger.deliveries.list('claimed', LISTED), ...ledger.deliveries.list('parked', LISTED)];
    const failed = open.filter(({ error }) => error !== undefined);
    if (failed.length === 0 && parked.length === 0) return;
    context.stdout.write('\n');
    for (const { consumer, since, reason } of parked) {
      const hint = `\`cowbell outbox retry ${consumer}\` lets it go on`;
      context.stdout.write(`${consumer}: parked for ${age(since)}: ${reason}; ${hint}\n`);
    }
    for (const each of failed) {
      const state = each.state === 'parked' ? 'refused' : `${plural(each.attempts, 'attempt')} so far`;
      context.stdout.write(`${each.consumer}: ${plural(each.events, 'alert')}, ${state}: ${each.error}\n`);
    }
  } finally {
    ledger.close();
  }
}

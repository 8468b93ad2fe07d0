import type { AuditEntry } from '../ledger/audit.ts';
import { type AddCommand, CONFIG_OPTION, CommandFailure, formatTable } from './command.ts';
import { openConfiguredLedger } from './state.ts';

const LISTED = 1_000;

interface Options {
  config?: string;
  network?: string;
  json?: boolean;
}

export const addAudit: AddCommand = (program, context) => {
  program
    .command('audit')
    .description('list what was decided on bans, and what was done, the newest first')
    .option(...CONFIG_OPTION)
    .option('-n, --network <network>', 'of this network alone')
    .option('--json', 'one JSON object a line')
    .action(async ({ config, network: text, json = false }: Options) => {
      const { parseNetwork } = await import('../core/network.ts');
      const network = text === undefined ? undefined : parseNetwork(text);
      if (text !== undefined && network === undefined)
        throw new CommandFailure(`"${text}" is no address, and no network such as 192.0.2.0/24`);
      const { ledger } = await openConfiguredLedger(context, config);
      try {
        const entries = ledger.audit.list({ network, limit: LISTED });
        if (json) for (const entry of entries) context.stdout.write(`${JSON.stringify(shown(entry))}\n`);
        else if (entries.length === 0) context.stdout.write('nothing was decided or done\n');
        else context.stdout.write(formatTable([HEADINGS, ...entries.map(cells)]));
      } finally {
        ledger.close();
      }
    });
};

interface Details {
  reasons?: string[];
  reason?: string;
  mode?: string;
  until?: string;
}

const HEADINGS = ['AT', 'BY', 'WHAT', 'NETWORK', 'JAIL', 'WHY'];

function cells({ at, by, action, network, jail = '-', details }: AuditEntry): string[] {
  const { reasons = [], reason, mode, until } = details as Details;
  const why = [
    ...reasons,
    ...(reason === undefined ? [] : [reason]),
    ...(action !== 'allow' || until === undefined ? [] : [`until ${until.slice(0, 19)}Z`]),
  ].join('; ');
  const what = mode === undefined || mode === 'enforce' ? action : `${action} (${mode})`;
  return [`${new Date(at).toISOString().slice(0, 19)}Z`, by, what, network, jail, why === '' ? '-' : why];
}

function shown({ at, banId, ...rest }: AuditEntry): object {
  return { at: new Date(at).toISOString(), ...(banId !== undefined && { ban_id: banId }), ...rest };
}

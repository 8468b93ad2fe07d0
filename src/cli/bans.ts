import type { BanRecord } from '../ledger/bans.ts';
import type { DecisionState } from '../ledger/decisions.ts';
import { type AddCommand, CONFIG_OPTION, formatTable } from './command.ts';
import { openConfiguredLedger } from './state.ts';

const LISTED = 1_000;

export const addBans: AddCommand = (program, context) => {
  program
    .command('bans')
    .description('list the bans that stand')
    .option(...CONFIG_OPTION)
    .option('-a, --all', 'those that are over as well, the newest first')
    .option('--json', 'one JSON object a line')
    .action(async ({ config, all = false, json = false }: { config?: string; all?: boolean; json?: boolean }) => {
      const { ledger, host } = await openConfiguredLedger(context, config);
      try {
        const bans = all ? ledger.bans.recent(LISTED) : ledger.bans.allStanding().filter((ban) => ban.state === 'open');
        if (json) {
          const { describeBan } = await import('../pipeline/describe.ts');
          for (const ban of bans) {
            const context_ = { host, history: ledger.bans.history(ban.network, 0), historyDays: 0, knownUsers: [] };
            const { history: _, ...described } = describeBan(ban, context_);
            context.stdout.write(`${JSON.stringify(described)}\n`);
          }
        } else if (bans.length === 0) context.stdout.write('no bans\n');
        else {
          const rows = bans.map((ban) => cells(ban, ledger.decisions.of(ban.id)?.state));
          context.stdout.write(formatTable([HEADINGS, ...rows]));
        }
      } finally {
        ledger.close();
      }
    });
};

const HEADINGS = ['NETWORK', 'JAIL', 'SINCE', 'UNTIL', 'ATTEMPTS', 'SERVICES', 'STATE', 'POLICY'];

function cells(ban: BanRecord, decision: DecisionState = 'over'): string[] {
  const time = (ms: number | undefined) => (ms === undefined ? '-' : `${new Date(ms).toISOString().slice(0, 19)}Z`);
  return [
    ban.network,
    ban.jail,
    time(ban.startedAt),
    ban.permanent ? 'for good' : time(ban.endedAt ?? ban.until),
    String(ban.reasons?.attempts ?? 0),
    ban.reasons?.services.join(',') || '-',
    ban.endReason ?? (ban.confirmed ? 'stands' : 'stands (log only)'),
    // It had nothing to do with those that ended first.
    decision === 'over' ? '-' : decision,
  ];
}

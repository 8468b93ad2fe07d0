import type { BanRecord } from '../ledger/bans.ts';
import type { Decision } from '../ledger/decisions.ts';
import type { Ledger } from '../ledger/ledger.ts';
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
            const decision = decisionOn(ban, ledger);
            const { reputation } = decision ?? {};
            const whole = { ...described, ...(reputation && { reputation }), ...(decision && { decision }) };
            context.stdout.write(`${JSON.stringify(whole)}\n`);
          }
        } else if (bans.length === 0) context.stdout.write('no bans\n');
        else {
          const rows = bans.map((ban) => cells(ban, decisionOn(ban, ledger)));
          context.stdout.write(formatTable([HEADINGS, ...rows]));
        }
      } finally {
        ledger.close();
      }
    });
};

/** What was decided on a ban, by whom and why, as it was told. */
interface ShownDecision {
  state: Decision['state'];
  by: Decision['by'];
  mode?: string;
  reasons?: string[];
  allowlist_hours?: number;
  reputation?: object;
  /** Why it could not be lifted. */
  failure?: string;
}

function decisionOn({ id }: BanRecord, ledger: Ledger): ShownDecision | undefined {
  const decision = ledger.decisions.of(id);
  // It had nothing to do with those that ended first.
  if (decision === undefined || decision.state === 'over') return undefined;
  const { state, by } = decision;
  let shown: ShownDecision = { state, by };
  for (const { by: who, action, details } of ledger.audit.of(id)) {
    if (who !== by) continue;
    if (action === 'failed') shown.failure = (details as { reason: string }).reason;
    else if (DECIDED.includes(action)) shown = { ...details, state, by };
  }
  return shown;
}

const DECIDED = ['lift', 'would-lift', 'keep'];

const HEADINGS = ['NETWORK', 'JAIL', 'SINCE', 'UNTIL', 'ATTEMPTS', 'SERVICES', 'STATE', 'POLICY', 'WHY'];

function cells(ban: BanRecord, decision: ShownDecision | undefined): string[] {
  const time = (ms: number | undefined) => (ms === undefined ? '-' : `${new Date(ms).toISOString().slice(0, 19)}Z`);
  const { state = '-', by, reasons = [], failure } = decision ?? {};
  const why = failure === undefined ? reasons : [failure, ...reasons];
  return [
    ban.network,
    ban.jail,
    time(ban.startedAt),
    ban.permanent ? 'for good' : time(ban.endedAt ?? ban.until),
    String(ban.reasons?.attempts ?? 0),
    ban.reasons?.services.join(',') || '-',
    ban.endReason ?? (ban.confirmed ? 'stands' : 'stands (log only)'),
    by === 'person' ? `${state} by hand` : state,
    why.join('; ') || '-',
  ];
}

import type { Config } from './config/schema.ts';
import type { Notifier } from './core/notifier.ts';
import type { ReputationTools } from './core/reputation.ts';
import type { Ledger } from './ledger/ledger.ts';
import { createReporting } from './reputation/reporting.ts';
import { buildReporter } from './reputation-sources.ts';

const DAY_MS = 86_400_000;

/** Tells of banned addresses whom the configuration names; undefined where it names nobody. */
export function buildReporting(
  config: Config,
  { ledger, clock, http }: Omit<ReputationTools, 'budget'> & { ledger: Ledger },
): Notifier | undefined {
  const reporter = buildReporter(config, { clock, http, budgets: ledger.budgets });
  if (reporter === undefined) return undefined;
  const { auto_unban, known_users } = config;
  return createReporting({
    ledger,
    clock,
    reporter,
    spared: [...auto_unban.never, ...auto_unban.always],
    knownUsersMs: known_users.days * DAY_MS,
  });
}

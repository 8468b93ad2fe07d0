import type { Config } from './config/schema.ts';
import type { AbuseReporter, ReputationDefinition, ReputationSource, ReputationTools } from './core/reputation.ts';
import type { Budgets } from './ledger/budgets.ts';
import { reputationDefinitions } from './reputation/registry.ts';

/** The registry holds kinds with options of their own; here they are only names and builders. */
const DEFINITIONS = reputationDefinitions as unknown as readonly ReputationDefinition[];

/** Everybody whom the configuration names; nobody, where it names none. */
export function buildSources(
  { reputation }: Pick<Config, 'reputation'>,
  { budgets, ...tools }: Omit<ReputationTools, 'budget'> & { budgets: Budgets },
): ReputationSource[] {
  return DEFINITIONS.flatMap(({ type, create }) => {
    const options = reputation[type];
    return options === undefined ? [] : [create(options, { ...tools, budget: budgets.of(type) })];
  });
}

/** Whether the configuration names somebody to tell of banned addresses. */
export function wantsReports({ reputation }: Pick<Config, 'reputation'>): boolean {
  return Object.values(reputation).some((options) => options?.report !== undefined);
}

/** Whom it names; there is one kind that can be told. */
export function buildReporter(
  { reputation }: Pick<Config, 'reputation'>,
  { budgets, ...tools }: Omit<ReputationTools, 'budget'> & { budgets: Budgets },
): AbuseReporter | undefined {
  for (const { type, createReporter } of DEFINITIONS) {
    const options = reputation[type];
    if (options?.report === undefined) continue;
    return createReporter?.(options, { ...tools, budget: budgets.of(type) });
  }
  return undefined;
}

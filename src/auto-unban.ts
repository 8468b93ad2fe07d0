import type { Config } from './config/schema.ts';
import type { Clock } from './core/clock.ts';
import type { HttpClient } from './core/http.ts';
import type { Logger } from './core/logger.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { Recorder } from './pipeline/recorder.ts';
import type { Allowances } from './reputation/allowances.ts';
import { Asker } from './reputation/ask.ts';
import { AutoUnban } from './reputation/auto-unban.ts';
import { createJudge, type Judge } from './reputation/judge.ts';
import { buildSources } from './reputation-sources.ts';
import type { Unbanners } from './unbanners.ts';

export interface AutoUnbanTools {
  ledger: Ledger;
  clock: Clock;
  logger: Logger;
  http: HttpClient;
  unbanners: Unbanners;
  allowances: Pick<Allowances, 'allow'>;
  recorder: Pick<Recorder, 'announce' | 'envelope' | 'describe' | 'explain'>;
}

/** The policy that the configuration asks for. */
export function buildAutoUnban(
  config: Config,
  { ledger, clock, logger, http, unbanners, allowances, recorder }: AutoUnbanTools,
): AutoUnban {
  const { mode, delay_seconds, tell } = config.auto_unban;
  if (mode === 'off') throw new Error('the policy is off');
  return new AutoUnban({
    ledger,
    clock,
    logger,
    mode,
    delayMs: delay_seconds * 1000,
    tellsAll: tell === 'all',
    judge: buildJudge(config, { ledger, clock, http }),
    unbannerOf: (jail) => unbanners.of(jail),
    allowances,
    explain: (banId) => recorder.explain(banId),
    describe: (banId) => recorder.describe(banId),
    announce: (event, alsoWrite) => recorder.announce(event, alsoWrite),
    envelope: (at) => recorder.envelope(at),
  });
}

/** What the settings of the configuration make of a ban. */
export function buildJudge(config: Config, tools: Pick<AutoUnbanTools, 'ledger' | 'clock' | 'http'>): Judge {
  const { ledger, clock } = tools;
  const asker = buildAsker(config, tools);
  return createJudge({
    ledger,
    clock,
    settings: config.auto_unban,
    historyDays: config.bans.history_days,
    ask: asker.knowsAnybody ? (subject, signal) => asker.ask(subject, signal) : undefined,
  });
}

/** Asks those that the configuration names; nobody, where it names none. */
export function buildAsker(
  config: Pick<Config, 'reputation'>,
  { ledger, clock, http }: Pick<AutoUnbanTools, 'ledger' | 'clock' | 'http'>,
): Asker {
  const sources = buildSources(config, { http, clock, budgets: ledger.budgets });
  return new Asker({ sources, opinions: ledger.opinions, clock });
}

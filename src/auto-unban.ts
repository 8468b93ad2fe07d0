import type { Config } from './config/schema.ts';
import type { Clock } from './core/clock.ts';
import type { Logger } from './core/logger.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { Recorder } from './pipeline/recorder.ts';
import { AutoUnban } from './reputation/auto-unban.ts';
import { createJudge } from './reputation/judge.ts';
import type { Unbanners } from './unbanners.ts';

export interface AutoUnbanTools {
  ledger: Ledger;
  clock: Clock;
  logger: Logger;
  unbanners: Unbanners;
  recorder: Pick<Recorder, 'announce' | 'envelope' | 'describe'>;
}

/** The policy that the configuration asks for. */
export function buildAutoUnban(
  config: Config,
  { ledger, clock, logger, unbanners, recorder }: AutoUnbanTools,
): AutoUnban {
  const { mode, delay_seconds, tell, ...settings } = config.auto_unban;
  if (mode === 'off') throw new Error('the policy is off');
  return new AutoUnban({
    ledger,
    clock,
    logger,
    mode,
    delayMs: delay_seconds * 1000,
    tellsAll: tell === 'all',
    judge: createJudge({
      ledger,
      clock,
      settings,
      historyDays: config.bans.history_days,
      // Nobody is asked: own users decide, as the configuration has to say.
      ask: async () => ({ opinions: [], problems: [] }),
    }),
    unbannerOf: (jail) => unbanners.of(jail),
    describe: (banId) => recorder.describe(banId),
    announce: (event, alsoWrite) => recorder.announce(event, alsoWrite),
    envelope: (at) => recorder.envelope(at),
  });
}

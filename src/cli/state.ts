import type { Config } from '../config/schema.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { CliContext } from './command.ts';

/** The ledger of the configuration, to look into beside a daemon that runs; the caller closes it. */
export async function openConfiguredLedger(
  context: CliContext,
  file: string | undefined,
  options: { readOnly?: boolean } = { readOnly: true },
): Promise<{ ledger: Ledger; host: string; config: Config }> {
  const { loadConfig } = await import('../config/load.ts');
  const { openLedger } = await import('../ledger/ledger.ts');
  const config = loadConfig({ file, env: context.env });
  const { state, host } = config;
  // To settle what is owed, a ledger must be there; a typo makes no new one.
  openLedger(state, Date.now, { readOnly: true }).close();
  return { ledger: openLedger(state, Date.now, options), host, config };
}

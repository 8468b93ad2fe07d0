import type { Config } from '../config/schema.ts';
import { systemClock, toRfc3339 } from '../core/clock.ts';
import { type Network, parseNetwork } from '../core/network.ts';
import { safeText } from '../core/text.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Allowances } from '../reputation/allowances.ts';
import type { Unbanners } from '../unbanners.ts';
import { type CliContext, CommandFailure } from './command.ts';
import { createTools, SILENT } from './tools.ts';

export const JAIL_OPTION = ['-j, --jail <jail>', "of this jail alone; mailcow's is netfilter"] as const;

/** What a person changes things on the server with. */
export interface Hands {
  ledger: Ledger;
  unbanners: Unbanners;
  allowances: Allowances;
}

/** Hands over the means that the configuration gives; beside a daemon that runs, or without one. */
export async function withHands<T>(
  context: CliContext,
  { config: file, jail }: { config?: string | undefined; jail?: string | undefined },
  work: (hands: Hands) => Promise<T>,
): Promise<T> {
  const { loadConfig } = await import('../config/load.ts');
  const { openLedger } = await import('../ledger/ledger.ts');
  const { createUnbanners } = await import('../unbanners.ts');
  const { Allowances } = await import('../reputation/allowances.ts');
  const config = loadConfig({ file, env: context.env });
  // First of all: nothing is done that cannot be written down.
  const ledger = openLedger(config.state, Date.now);
  const { tools, containers, close } = await createTools(config);
  try {
    const unbanners = createUnbanners(config, await watchersFor(jail, config, containers), tools);
    const { required } = unbanners;
    const allowances = new Allowances({ ledger, clock: systemClock, logger: SILENT, required });
    return await work({ ledger, unbanners, allowances });
  } finally {
    await close();
    ledger.close();
  }
}

/** Netfilter is reached without them: the Docker Engine need not be asked which there are. */
async function watchersFor(
  jail: string | undefined,
  config: Config,
  containers: Awaited<ReturnType<typeof createTools>>['containers'],
) {
  if (jail === 'netfilter') return [];
  const { chooseWatchers } = await import('../choose-watchers.ts');
  return await chooseWatchers(config, containers, SILENT);
}

/** Of an address typed alone, the network that holds it and nothing else. */
export function readNetwork(text: string): Network {
  const network = parseNetwork(text);
  if (network === undefined) {
    throw new CommandFailure(`${safeText(text, 64)} is no address and no network: write 203.0.113.7 or 203.0.113.0/24`);
  }
  return network;
}

/** The jail whose lists are meant where none is named. */
export function listJail(jail: string | undefined, unbanners: Unbanners): string {
  if (jail !== undefined) return jail;
  if (unbanners.of('netfilter') !== undefined || unbanners.all.length === 0) return 'netfilter';
  throw new CommandFailure('fail2ban has a list for each jail: name one by --jail');
}

/** Puts a network on the allowlist for a time, and says so. */
export async function allowFor(
  { stdout, signal }: CliContext,
  { allowances }: Hands,
  { jail, network }: { jail: string; network: Network },
  forMs: number,
): Promise<void> {
  const until = systemClock.now() + forMs;
  const isOurs = await allowances.allow({ jail, network, until, by: 'person' }, signal);
  const place = `the allowlist (${jail})`;
  stdout.write(
    isOurs
      ? `${network} is on ${place} until ${toRfc3339(until).slice(0, 19)}Z; cowbell takes it off then, if it runs\n`
      : `${network} was on ${place} already, and stays there\n`,
  );
}

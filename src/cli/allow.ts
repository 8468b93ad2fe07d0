import { systemClock } from '../core/clock.ts';
import type { Network } from '../core/network.ts';
import { allowFor, type Hands, JAIL_OPTION, listJail, readNetwork, withHands } from './by-hand.ts';
import { type AddCommand, type CliContext, CONFIG_OPTION } from './command.ts';
import { parseDuration } from './duration.ts';

interface Options {
  config?: string;
  jail?: string;
  for?: string;
}

export const addAllow: AddCommand = (program, context) => {
  program
    .command('allow')
    .description('put a network on the allowlist of the server: it is not banned again')
    .argument('<network>', '203.0.113.7 or 203.0.113.0/24')
    .option('--for <time>', 'take it off again after this long: 30m, 1h, 7d. Default: it stays')
    .option(...JAIL_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (text: string, options: Options) => {
      const network = readNetwork(text);
      const forMs = options.for === undefined ? undefined : parseDuration(options.for);
      await withHands(context, options, (hands) => allow(context, hands, { network, forMs, jail: options.jail }));
    });
};

export const addDeny: AddCommand = (program, context) => {
  program
    .command('deny')
    .description('ban a network until you take that back on the server')
    .argument('<network>', '203.0.113.7 or 203.0.113.0/24')
    .option(...JAIL_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (text: string, options: Options) => {
      const network = readNetwork(text);
      await withHands(context, options, (hands) => deny(context, hands, { network, jail: options.jail }));
    });
};

interface Order {
  network: Network;
  jail: string | undefined;
}

async function allow(
  context: CliContext,
  hands: Hands,
  { network, jail: named, forMs }: Order & { forMs: number | undefined },
): Promise<void> {
  const { stdout, signal } = context;
  const { ledger, unbanners } = hands;
  const jail = listJail(named, unbanners);
  const unbanner = unbanners.required(jail);
  if (forMs !== undefined) {
    await allowFor(context, hands, { jail, network }, forMs);
  } else {
    const isNew = await unbanner.allow(jail, network, signal);
    const noted = ledger.allowances.of(jail, network);
    if (isNew || noted !== undefined) {
      ledger.transaction(() => {
        // Whoever put it there for a time: it stays now.
        if (noted !== undefined) ledger.allowances.remove(noted);
        const details = { means: unbanner.name };
        ledger.audit.add({ at: systemClock.now(), by: 'person', action: 'allow', network, jail, details });
      });
    }
    stdout.write(
      `${network} ${isNew ? 'is' : 'was'} on the allowlist (${jail})${isNew ? '' : ' already'}, and stays there\n`,
    );
  }
  if (jail === 'netfilter') stdout.write('netfilter heeds it within 60 s\n');
  const standing = await unbanner.look(jail, network, signal);
  if (standing !== undefined) stdout.write(`it is banned now: \`cowbell unban ${network}\` lifts that\n`);
}

async function deny({ stdout, signal }: CliContext, { ledger, unbanners }: Hands, order: Order): Promise<void> {
  const { network } = order;
  const jail = listJail(order.jail, unbanners);
  const unbanner = unbanners.required(jail);
  const isNew = await unbanner.deny(jail, network, signal);
  if (!isNew) {
    stdout.write(`${network} was ${jail === 'netfilter' ? 'on the denylist' : `banned in ${jail}`} already\n`);
    return;
  }
  const details = { means: unbanner.name };
  ledger.audit.add({ at: systemClock.now(), by: 'person', action: 'deny', network, jail, details });
  stdout.write(
    jail === 'netfilter'
      ? `${network} is on the denylist; netfilter heeds it within 60 s\n`
      : `${network} is banned in ${jail}, for as long as bans last there\n`,
  );
}

import { systemClock } from '../core/clock.ts';
import { messageOf, PermanentError } from '../core/errors.ts';
import type { Network } from '../core/network.ts';
import { formatDuration, plural, safeText } from '../core/text.ts';
import type { FoundBan, FoundBans } from '../reputation/by-hand.ts';
import { allowFor, type Hands, JAIL_OPTION, readNetwork, withHands } from './by-hand.ts';
import { type AddCommand, type CliContext, CONFIG_OPTION, CommandFailure } from './command.ts';
import { parseDuration } from './duration.ts';

interface Options {
  config?: string;
  jail?: string;
  allowlist?: string;
  yes?: boolean;
}

/** So many bans are named. */
const NAMED = 5;

export const addUnban: AddCommand = (program, context) => {
  program
    .command('unban')
    .description('lift a ban, and see that it is gone')
    .argument('<network>', 'as it is banned: 203.0.113.7 or 203.0.113.0/24')
    .option(...JAIL_OPTION)
    .option('--allowlist <time>', 'keep it on the allowlist for this long: 30m, 1h, 7d')
    .option('-y, --yes', 'where it is inside of a wider network that is banned, lift that ban')
    .option(...CONFIG_OPTION)
    .action(async (text: string, options: Options) => {
      const network = readNetwork(text);
      const allowMs = options.allowlist === undefined ? undefined : parseDuration(options.allowlist);
      await withHands(context, options, (hands) => unban(context, hands, { network, allowMs, ...options }));
    });
};

async function unban(
  context: CliContext,
  hands: Hands,
  { network, jail, yes = false, allowMs }: Options & { network: Network; allowMs: number | undefined },
): Promise<void> {
  const { findBans } = await import('../reputation/by-hand.ts');
  const { unbanners } = hands;
  // Says what to configure.
  if (jail !== undefined || unbanners.all.length === 0) unbanners.required(jail ?? 'netfilter');
  const found = await findBans(network, unbanners.all, jail, context.signal);
  const bans = chooseBans(network, found, { jail, yes });
  // Before anything is done.
  const stuck = allowMs === undefined ? undefined : bans.find(({ unbanner }) => unbanner.cannotDisallow !== undefined);
  if (stuck !== undefined) throw new PermanentError(`nothing was done: ${stuck.unbanner.cannotDisallow}`);
  if (allowMs !== undefined) {
    for (const each of new Set(bans.map((ban) => ban.jail)))
      await allowFor(context, hands, { jail: each, network }, allowMs);
  }
  let left = 0;
  for (const ban of bans) if (!(await lift(context, hands, ban))) left++;
  for (const { name, error } of found.problems) {
    context.stderr.write(`${name} could not be asked: ${messageOf(error)}\n`);
  }
  if (found.wider.length > 0 && !yes)
    context.stderr.write(`it is inside of ${named(found.wider)}, which is banned still\n`);
  if (left > 0) throw new CommandFailure(`${plural(left, 'ban')} of ${bans.length} could not be lifted`);
}

function chooseBans(
  network: Network,
  { exact, wider, narrower, problems }: FoundBans,
  { jail, yes }: { jail: string | undefined; yes: boolean },
): FoundBan[] {
  const [first] = wider;
  const meant = yes ? [...exact, ...wider] : exact;
  if (meant.length > 0) return meant;
  if (first !== undefined) {
    throw new CommandFailure(
      `${network} is not banned by itself: it is inside of ${named(wider)}, which is banned. To unban that: \`cowbell unban ${first.network}\`, or the same again with --yes`,
    );
  }
  if (problems[0] !== undefined) throw problems[0].error;
  if (narrower.length > 0) {
    throw new CommandFailure(`${network} is not banned as a whole; inside of it are banned: ${named(narrower)}`);
  }
  throw new CommandFailure(`${network} is not banned${jail === undefined ? '' : ` in ${safeText(jail, 64)}`}`);
}

function named(bans: readonly FoundBan[]): string {
  const names = bans.slice(0, NAMED).map(({ network, jail }) => `${network} (${safeText(jail, 64)})`);
  return `${names.join(', ')}${bans.length > NAMED ? ` and ${bans.length - NAMED} more` : ''}`;
}

async function lift({ stdout, signal }: CliContext, { ledger }: Hands, ban: FoundBan): Promise<boolean> {
  const { liftByHand } = await import('../reputation/by-hand.ts');
  const { jail, network, unbanner } = ban;
  const record = ledger.bans.standing(jail, network);
  const atMost = formatDuration(unbanner.takesMs);
  stdout.write(`lifting the ban of ${network} (${jail}) by ${unbanner.name}: that takes ${atMost} at most\n`);
  const outcome = await liftByHand(ban, { ledger, clock: systemClock }, signal);
  if (outcome.kind === 'failed') {
    stdout.write(`${network} (${jail}) is not unbanned: ${outcome.reason}\n`);
    return false;
  }
  stdout.write(`${network} (${jail}) is not banned any more\n`);
  if (jail === 'netfilter' && record !== undefined && record.repeats > 0) {
    stdout.write(
      'netfilter repeated this ban: its firewall may keep another rule (mailcow issue 5879). If it still cannot connect, restart netfilter-mailcow\n',
    );
  }
  return true;
}

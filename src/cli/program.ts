import { Command, CommanderError } from 'commander';
import { ConfigError, messageOf, PermanentError, TransientError } from '../core/errors.ts';
import { hideAddresses } from '../ops/error-text.ts';
import { VERSION } from '../version.ts';
import { addAllow, addDeny } from './allow.ts';
import { addAudit } from './audit.ts';
import { addBans } from './bans.ts';
import { addCheck } from './check.ts';
import { type AddCommand, type CliContext, CommandFailure } from './command.ts';
import { addDemo } from './demo.ts';
import { addExample } from './example.ts';
import { addExplain } from './explain.ts';
import { addHealth } from './health.ts';
import { addOutbox } from './outbox.ts';
import { addPolicy } from './policy.ts';
import { addReplay } from './replay.ts';
import { addReputation } from './reputation.ts';
import { addRing } from './ring.ts';
import { addRun } from './run.ts';
import { addSchema } from './schema.ts';
import { addStats } from './stats.ts';
import { addUnban } from './unban.ts';

/** EX_CONFIG of sysexits.h. */
const EXIT_CONFIG = 78;

const COMMANDS: readonly AddCommand[] = [
  addRun,
  addCheck,
  addRing,
  addDemo,
  addReplay,
  addExplain,
  addBans,
  addStats,
  addUnban,
  addAllow,
  addDeny,
  addAudit,
  addReputation,
  addPolicy,
  addOutbox,
  addHealth,
  addSchema,
  addExample,
];

/** Runs one command line; returns the exit code: 0, 1 for a failure, 78 for the configuration. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  const program = new Command('cowbell')
    .description('Tells a mail admin, in chat, the moment an address is banned.')
    .version(VERSION)
    .showHelpAfterError('(cowbell --help shows what there is)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
    });
  for (const add of COMMANDS) add(program, context);
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    return reportFailure(error, context);
  }
}

function reportFailure(error: unknown, { stderr }: CliContext): number {
  // Commander has written its message already; help that was asked for is no failure.
  if (error instanceof CommanderError) return error.exitCode;
  if (error instanceof ConfigError) {
    const count = error.issues.length === 1 ? 'a mistake' : `${error.issues.length} mistakes`;
    stderr.write(`${error.message}\n\nThe configuration has ${count}; \`cowbell example\` prints one that works.\n`);
    return EXIT_CONFIG;
  }
  if (error instanceof CommandFailure) {
    stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof PermanentError || error instanceof TransientError) {
    stderr.write(`cowbell: ${hideAddresses(messageOf(error))}\n`);
    return 1;
  }
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  stderr.write(`cowbell: an unexpected failure: ${hideAddresses(trace)}\n`);
  return 1;
}

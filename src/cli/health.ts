import { messageOf } from '../core/errors.ts';
import { safeText } from '../core/text.ts';
import { type AddCommand, CONFIG_OPTION, CommandFailure } from './command.ts';

const TIMEOUT_MS = 3_000;
const LONGEST_REASON = 300;

export const addHealth: AddCommand = (program, context) => {
  program
    .command('health')
    .description('ask the daemon that runs whether it is alive, for HEALTHCHECK')
    .option(...CONFIG_OPTION)
    .option('--ready', 'fail also while a source, a notifier or the disk is down, and say which')
    .action(async ({ config: file, ready = false }: { config?: string; ready?: boolean }) => {
      const { loadConfig } = await import('../config/load.ts');
      const { listen } = loadConfig({ file, env: context.env }).http;
      const address = `http://${listen.replace(/^(0\.0\.0\.0|\[::\]):/, '127.0.0.1:')}`;
      const { status, body } = await ask(`${address}/${ready ? 'readyz' : 'healthz'}`);
      context.stdout.write(body);
      if (status !== 200) throw new CommandFailure(`not ${ready ? 'ready' : 'alive'}: ${whyNot(body, status)}`);
    });
};

interface Part {
  name: string;
  state?: string;
  up: boolean;
  reason?: string;
}

/** What `/readyz` says is not well, in words; the status where it says nothing of the kind. */
function whyNot(body: string, status: number): string {
  const { sources = [], lanes = [], ledger } = parseReadiness(body);
  const say = ({ name, state, reason }: Part) => `${name} is ${state ?? 'down'}${reason ? `: ${reason}` : ''}`;
  const parts = [...sources, ...lanes, ...(ledger === undefined ? [] : [{ name: 'the ledger', ...ledger }])];
  return parts.flatMap((part) => (part.up ? [] : [safeText(say(part), LONGEST_REASON)])).join('; ') || `HTTP ${status}`;
}

function parseReadiness(body: string): { sources?: Part[]; lanes?: Part[]; ledger?: Omit<Part, 'name'> } {
  try {
    return JSON.parse(body);
  } catch {
    return {};
  }
}

async function ask(url: string): Promise<{ status: number; body: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    throw new CommandFailure(`no answer from ${url}: ${messageOf(error)}`);
  }
}

import { messageOf } from '../core/errors.ts';
import { type AddCommand, CONFIG_OPTION, CommandFailure } from './command.ts';

const TIMEOUT_MS = 3_000;

export const addHealth: AddCommand = (program, context) => {
  program
    .command('health')
    .description('ask the daemon that runs whether it is alive, for HEALTHCHECK')
    .option(...CONFIG_OPTION)
    .option('--ready', 'fail also while a source, a notifier or the disk is down')
    .action(async ({ config: file, ready = false }: { config?: string; ready?: boolean }) => {
      const { loadConfig } = await import('../config/load.ts');
      const { listen } = loadConfig({ file, env: context.env }).http;
      const address = `http://${listen.replace(/^(0\.0\.0\.0|\[::\]):/, '127.0.0.1:')}`;
      const { status, body } = await ask(`${address}/${ready ? 'readyz' : 'healthz'}`);
      context.stdout.write(body);
      if (status !== 200) throw new CommandFailure(`not ${ready ? 'ready' : 'alive'}: HTTP ${status}`);
    });
};

async function ask(url: string): Promise<{ status: number; body: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    throw new CommandFailure(`no answer from ${url}: ${messageOf(error)}`);
  }
}

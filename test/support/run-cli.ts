import { Readable } from 'node:stream';
import { runCli } from '../../src/cli/program.ts';

/** Runs a command line in this process; returns its exit code and what it wrote. */
export async function cowbell(
  args: string[],
  { env = {}, input = '' }: { env?: Record<string, string>; input?: string } = {},
) {
  const written = { out: '', err: '' };
  const sink = (name: 'out' | 'err') =>
    ({
      write(text: string, done?: () => void) {
        written[name] += text;
        done?.();
        return true;
      },
      once() {},
    }) as unknown as NodeJS.WritableStream;
  const code = await runCli(args, {
    env,
    stdin: Readable.from([input]),
    stdout: sink('out'),
    stderr: sink('err'),
    signal: new AbortController().signal,
    reload: () => new AbortController().signal,
  });
  return { code, ...written };
}

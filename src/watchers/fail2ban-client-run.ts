import { TransientError } from '../core/errors.ts';
import { safeText } from '../core/text.ts';
import type { ContainerSelector, Exec, ExecResult } from '../core/watcher.ts';

export interface Fail2banClient {
  /**
   * What a command prints; undefined if this fail2ban does not know the command. Throws `TransientError` with what to do
   * when it fails otherwise, or prints more than can be read.
   */
  ask(signal: AbortSignal, ...command: string[]): Promise<string | undefined>;
  /** How far the container's clock is ahead of UTC, as `date +%z` prints it; undefined where there is no such program. */
  zone(signal: AbortSignal): Promise<string | undefined>;
}

/** Runs fail2ban-client in a container, each argument as it is and without a shell. */
export function createFail2banClient({
  exec,
  selector,
  socket,
}: {
  exec: Exec;
  selector: ContainerSelector;
  socket?: string | undefined;
}): Fail2banClient {
  const front = ['fail2ban-client', ...(socket === undefined ? [] : ['-s', socket])];
  const where = selector.container ?? selector.service ?? '';
  return {
    async ask(signal, ...command) {
      const result = await exec(selector, [...front, ...command], signal);
      if (result.exitCode === 0) {
        if (result.isCut) throw new TransientError(`fail2ban-client ${command[0]} prints more than can be read`);
        return result.stdout;
      }
      if (UNKNOWN_COMMAND.test(`${result.stdout}\n${result.stderr}`)) return undefined;
      throw explainFailure(result, command, where);
    },
    async zone(signal) {
      const { exitCode, stdout } = await exec(selector, ['date', '+%z'], signal);
      return exitCode === 0 ? stdout : undefined;
    },
  };
}

/** `Invalid command`, also with why; of older ones `Sorry but the command is invalid`. */
const UNKNOWN_COMMAND = /^Invalid command|Sorry but the command is invalid|NOK: \(['"]Invalid command/m;

/** https://github.com/fail2ban/fail2ban/blob/master/fail2ban/client/fail2banclient.py */
function explainFailure({ exitCode, stdout, stderr }: ExecResult, command: readonly string[], where: string) {
  const text = `${stderr}\n${stdout}`;
  const missing = /Failed to access socket path: (\S{1,200}?)\. Is fail2ban running/.exec(text)?.[1];
  if (missing !== undefined) {
    return new TransientError(
      `fail2ban does not run in ${where}, or has its socket elsewhere than ${missing}: start it, or name the place as \`socket\``,
    );
  }
  const forbidden = /Permission denied to socket: ([^\s,]{1,200})/.exec(text)?.[1];
  if (forbidden !== undefined) {
    return new TransientError(
      `fail2ban-client may not open ${forbidden} in ${where}: the user of the container has to be root, or fail2ban is just stopping`,
    );
  }
  if (text.includes('Unable to contact server')) {
    return new TransientError(`fail2ban in ${where} does not answer at its socket: it is starting, or was killed`);
  }
  const jail = /Sorry but the jail '(.{1,100}?)' does not exist/.exec(text)?.[1];
  if (jail !== undefined) return new TransientError(`fail2ban in ${where} has no jail ${safeText(jail, 64)}`);
  if (exitCode === 126 || exitCode === 127) {
    return new TransientError(
      `there is no fail2ban-client in ${where}: is this the container of fail2ban? Name another as \`service\` or \`container\``,
    );
  }
  const said = safeText(stderr.trim() === '' ? stdout : stderr, 200);
  return new TransientError(`fail2ban-client ${command[0]} fails with exit code ${exitCode}: ${said}`);
}

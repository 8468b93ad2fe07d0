import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { TransientError } from '../core/errors.ts';
import type { ExecResult } from '../core/watcher.ts';
import type { FoundContainer } from './discovery.ts';
import { askEngine, type DockerClient, statusOf } from './docker-client.ts';

const LONGEST_OUTPUT = 1_048_576;
/** Longer than any of fail2ban-client's answers takes. */
const LONGEST_MS = 30_000;

/**
 * Runs a program in a container by the engine's exec, as it is and without a shell. Throws when it cannot be run or does
 * not end in time; any exit code is an answer. https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Exec
 */
export async function execIn(
  docker: DockerClient,
  container: FoundContainer,
  argv: readonly string[],
  socket: string,
  signal: AbortSignal,
): Promise<ExecResult> {
  const ask = async <T>(work: (abortSignal: AbortSignal) => Promise<T>) => {
    try {
      return await askEngine(work, socket, signal);
    } catch (error) {
      if (statusOf(error) === 403) throw explainRefusal(socket, error);
      throw error;
    }
  };
  const exec = await ask((abortSignal) =>
    docker.getContainer(container.id).exec({ Cmd: [...argv], AttachStdout: true, AttachStderr: true, abortSignal }),
  );
  const stream = await ask((abortSignal) => exec.start({ Tty: false, abortSignal }));
  const stdout = new Collector();
  const stderr = new Collector();
  docker.modem.demuxStream(stream, stdout, stderr);
  const timeLimit = AbortSignal.timeout(LONGEST_MS);
  const end = () => stream.destroy();
  const limit = AbortSignal.any([signal, timeLimit]);
  limit.addEventListener('abort', end, { once: true });
  try {
    await finished(stream, { writable: false });
  } catch (cause) {
    if (!timeLimit.aborted) throw cause;
    throw new TransientError(`${argv[0]} did not end within ${LONGEST_MS / 1000} s in ${container.name}`, { cause });
  } finally {
    limit.removeEventListener('abort', end);
    stream.destroy();
  }
  const { ExitCode } = await ask((abortSignal) => exec.inspect({ abortSignal }));
  return {
    exitCode: ExitCode ?? -1,
    stdout: stdout.text(),
    stderr: stderr.text(),
    isCut: stdout.isCut || stderr.isCut,
  };
}

function explainRefusal(socket: string, cause: unknown): TransientError {
  return new TransientError(
    `${socket} refuses to run programs in containers: let the proxy pass POST and EXEC, or read the log instead`,
    { cause },
  );
}

class Collector extends Writable {
  readonly #chunks: Buffer[] = [];
  #size = 0;
  isCut = false;

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const kept = chunk.subarray(0, Math.max(0, LONGEST_OUTPUT - this.#size));
    this.#size += kept.length;
    this.isCut ||= kept.length < chunk.length;
    if (kept.length > 0) this.#chunks.push(kept);
    done();
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}

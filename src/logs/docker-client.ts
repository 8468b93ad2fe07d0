import type Docker from 'dockerode';
import { messageOf, PermanentError, TransientError } from '../core/errors.ts';
import { loadDockerode } from './load-dockerode.ts';

export type DockerClient = Docker;

/** A client for `/path/to.sock`, `unix:///path`, `tcp://host:port` or `http(s)://host:port`; it connects when used. */
export async function createDockerClient(socket: string): Promise<DockerClient> {
  const Dockerode = await loadDockerode();
  if (!/^[a-z]+:\/\//.test(socket)) return new Dockerode({ socketPath: socket });
  const url = URL.parse(socket);
  if (url?.protocol === 'unix:') return new Dockerode({ socketPath: decodeURIComponent(url.pathname) });
  if (url === null || !/^(tcp|https?):$/.test(url.protocol) || url.hostname === '') {
    throw new PermanentError(`docker.socket is neither a path nor tcp://host:port: ${socket}`);
  }
  const protocol = url.protocol === 'https:' ? 'https' : 'http';
  return new Dockerode({ protocol, host: url.hostname, port: Number(url.port || (protocol === 'https' ? 443 : 2375)) });
}

/** How long the engine may take to answer what it knows at once. */
const ANSWER_MS = 15_000;

/**
 * Bounds the wait for an answer in time: an engine that hangs is told, not waited for. What the answer goes on to stream
 * is not bounded; `signal` ends it.
 */
export async function askEngine<T>(
  ask: (abortSignal: AbortSignal) => Promise<T>,
  socket: string,
  signal?: AbortSignal,
): Promise<T> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), ANSWER_MS);
  try {
    return await ask(signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]));
  } catch (cause) {
    if (!limit.signal.aborted) throw cause;
    throw new TransientError(`the Docker Engine at ${socket} does not answer within ${ANSWER_MS / 1000} s`, { cause });
  } finally {
    clearTimeout(timer);
  }
}

/** Status of the engine's answer that an error was made of. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined;
}

/** Code of the trouble with a connection that an error was made of. */
export function connectionCodeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** What a failure of the engine means to whoever reads the alert; anything else comes back as it is. */
export function explainDockerError(error: unknown, socket: string): unknown {
  if (error instanceof TransientError || error instanceof PermanentError) return error;
  const code = connectionCodeOf(error);
  if (code === 'EACCES') {
    return new TransientError(
      `the Docker socket ${socket} may not be opened: run as a user of its group, or use a proxy`,
    );
  }
  if (code === 'ENOENT') {
    return new TransientError(`there is no Docker socket at ${socket}: mount it, or name another as docker.socket`);
  }
  if (code !== undefined) return new TransientError(`the Docker Engine at ${socket} cannot be reached: ${code}`);
  const status = statusOf(error);
  if (status === undefined) return error;
  if (status === 403) {
    return new TransientError(`${socket} refuses what cowbell asks for: let the proxy pass GET of /containers`);
  }
  // https://docs.docker.com/engine/logging/configure/: drivers such as `none` and `syslog` keep nothing to read.
  if (status === 501) {
    return new PermanentError(
      "the container's logging driver keeps nothing that can be read: use json-file, local or journald",
    );
  }
  return new TransientError(`the Docker Engine answers: ${messageOf(error)}`);
}

import type Docker from 'dockerode';
import { messageOf, PermanentError, TransientError } from '../core/errors.ts';

export type DockerClient = Docker;

/** A client for `/path/to.sock`, `unix:///path`, `tcp://host:port` or `http(s)://host:port`; it connects when used. */
export async function createDockerClient(socket: string): Promise<DockerClient> {
  const { default: Dockerode } = await import('dockerode');
  if (!/^[a-z]+:\/\//.test(socket)) return new Dockerode({ socketPath: socket });
  const url = URL.parse(socket);
  if (url?.protocol === 'unix:') return new Dockerode({ socketPath: decodeURIComponent(url.pathname) });
  if (url === null || !/^(tcp|https?):$/.test(url.protocol) || url.hostname === '') {
    throw new PermanentError(`docker.socket is neither a path nor tcp://host:port: ${socket}`);
  }
  const protocol = url.protocol === 'https:' ? 'https' : 'http';
  return new Dockerode({ protocol, host: url.hostname, port: Number(url.port || (protocol === 'https' ? 443 : 2375)) });
}

/** What a failure of the engine means to whoever reads the alert. */
export function explainDockerError(error: unknown, socket: string): Error {
  if (error instanceof TransientError || error instanceof PermanentError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined;
  switch (code) {
    case 'EACCES':
      return new TransientError(
        `the Docker socket ${socket} may not be opened: run as a user of its group, or use a proxy`,
      );
    case 'ENOENT':
      return new TransientError(`there is no Docker socket at ${socket}: mount it, or name another as docker.socket`);
    case 'ECONNREFUSED':
    case 'ECONNRESET':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'ETIMEDOUT':
    case 'EPIPE':
      return new TransientError(`the Docker Engine at ${socket} cannot be reached: ${code}`, { cause: undefined });
  }
  const text = messageOf(error);
  if (status === 403) {
    return new TransientError(
      `${socket} refuses what cowbell asks for: let the proxy pass GET of /containers/json, and of /json and /logs below one`,
    );
  }
  // https://docs.docker.com/engine/logging/configure/: drivers such as `none` and `syslog` keep nothing to read.
  if (status === 501 || /logging driver does not support reading/.test(text)) {
    return new PermanentError(
      "the container's logging driver keeps nothing that can be read: use json-file, local or journald",
    );
  }
  return new TransientError(`the Docker Engine answers: ${text}`);
}

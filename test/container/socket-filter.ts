import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SocketFilter {
  port: number;
  /** `GET /containers/json 200`, in the order of arrival; ids are shortened to `ID`. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

/**
 * Stands in for the proxy of the Compose file, whose image cannot be pulled here: it lets through what that file allows,
 * and answers the rest as https://github.com/wollomatic/socket-proxy does: 405 for a method, 403 for a path.
 */
export async function startSocketFilter(
  socketPath: string,
  allowed: ReadonlyMap<string, readonly RegExp[]>,
): Promise<SocketFilter> {
  const requests: string[] = [];
  const server = createServer((incoming, response) => {
    const { method = '', url = '', headers } = incoming;
    const path = url.split('?')[0] ?? '';
    const note = (status: number) =>
      requests.push(`${method} ${path.replace(/[0-9a-f]{64}/g, 'ID').replace(/^\/v1\.\d+/, '')} ${status}`);
    const patterns = allowed.get(method);
    if (!patterns?.some((pattern) => pattern.test(path))) {
      const status = patterns === undefined ? 405 : 403;
      note(status);
      response.writeHead(status).end();
      return;
    }
    const onward = send({ socketPath, method, path: url, headers }, (answer) => {
      note(answer.statusCode ?? 0);
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.on('error', () => response.destroy()).pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

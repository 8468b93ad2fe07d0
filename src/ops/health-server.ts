import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf, PermanentError } from '../core/errors.ts';

/** What `/readyz` answers: all parts with their state, and whether all of it is well. */
export interface Readiness {
  ready: boolean;
  sources: readonly object[];
  lanes: readonly object[];
  /** Why the ledger cannot be read. */
  ledger?: string;
}

export interface HealthServer {
  /** The port that is listened on. */
  port: number;
  close(): Promise<void>;
}

/** `GET /healthz`: the process is alive. `GET /readyz`: 200 while all is well, else 503, with the reasons. */
export async function startHealthServer(listen: string, readiness: () => Readiness): Promise<HealthServer> {
  const colon = listen.lastIndexOf(':');
  const host = listen.slice(0, colon).replace(/^\[|\]$/g, '');
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(request.method === 'HEAD' ? undefined : `${JSON.stringify(body)}\n`);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(405, { error: 'only GET' });
    else if (path === '/healthz') answer(200, { status: 'alive' });
    else if (path === '/readyz') {
      const state = readiness();
      answer(state.ready ? 200 : 503, state);
    } else answer(404, { error: 'only /healthz and /readyz' });
  });
  server.requestTimeout = 5_000;
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new PermanentError(`http.listen ${listen}: ${messageOf(error)}`)));
    server.listen(Number(listen.slice(colon + 1)), host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

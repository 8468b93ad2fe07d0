import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf, PermanentError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
import type { Exposition } from './exposition.ts';

/** What `/readyz` answers: all parts with their state, and whether all of it is well. */
export interface Readiness {
  ready: boolean;
  sources: readonly object[];
  lanes: readonly object[];
  ledger: { up: boolean; reason?: string };
}

export interface HealthServerOptions {
  /** `host:port`. */
  listen: string;
  /** Who wants `/metrics` must know it; anybody may where there is none. */
  token?: Secret | undefined;
  readiness(): Readiness;
  metrics(accept: string | undefined): Promise<Exposition>;
  /** The metrics could not be gathered. */
  onError(error: unknown): void;
}

/** In ms; Node looks for requests that take too long every 30 seconds unless told otherwise. */
const TIMES = { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 1_000 };

export interface HealthServer {
  /** What is listened on, as `host:port`. */
  address: string;
  /** The port that is listened on. */
  port: number;
  close(): Promise<void>;
}

/**
 * `GET /healthz`: the process is alive. `GET /readyz`: 200 while all is well, else 503, with the reasons. `GET /metrics`:
 * for Prometheus.
 */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { listen } = options;
  const colon = listen.lastIndexOf(':');
  const host = listen.slice(0, colon);
  const server = createServer(TIMES, (request, response) => answer(options, request, response));
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new PermanentError(`http.listen ${listen}: ${messageOf(error)}`)));
    server.listen(Number(listen.slice(colon + 1)), host.replace(/^\[|\]$/g, ''), resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    address: `${host}:${port}`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(options: HealthServerOptions, request: IncomingMessage, response: ServerResponse): void {
  const path = request.url?.split('?')[0];
  const send = (status: number, contentType: string, body: string, headers: Record<string, string> = {}) => {
    response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store', ...headers });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
  const sendJson = (status: number, body: object, headers?: Record<string, string>) =>
    send(status, 'application/json', `${JSON.stringify(body)}\n`, headers);
  if (request.method !== 'GET' && request.method !== 'HEAD') return sendJson(405, { error: 'only GET' });
  if (path === '/healthz') return sendJson(200, { status: 'alive' });
  if (path === '/readyz') {
    const state = options.readiness();
    return sendJson(state.ready ? 200 : 503, state);
  }
  if (path !== '/metrics') return sendJson(404, { error: 'only /healthz, /readyz and /metrics' });
  if (!isAllowed(request.headers.authorization, options.token))
    return sendJson(401, { error: 'a token is needed' }, { 'www-authenticate': 'Bearer' });
  options.metrics(request.headers.accept).then(
    ({ contentType, body }) => send(200, contentType, body),
    (error: unknown) => {
      options.onError(error);
      sendJson(500, { error: 'the metrics could not be gathered; the log says why' });
    },
  );
}

/** Takes the same time whatever was sent. */
function isAllowed(authorization: string | undefined, token: Secret | undefined): boolean {
  if (token === undefined) return true;
  const [, sent = ''] = /^Bearer +(.+)$/i.exec(authorization ?? '') ?? [];
  return timingSafeEqual(digest(sent), digest(token.reveal()));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

import type { Agent, Dispatcher } from 'undici';
import { messageOf, TransientError } from '../core/errors.ts';
import type { HttpClient, HttpRequest, HttpResponse } from '../core/http.ts';

const TIMEOUT_MS = 10_000;
const CONNECT_MS = 5_000;
/** More of an answer is not read: what matters of it stands in front. */
const BODY_CAP_BYTES = 65_536;

export interface ClosableHttpClient extends HttpClient {
  close(): Promise<void>;
}

/** The way out over undici, which is loaded with the first request. Redirects are answers, not followed. */
export function createHttpClient(options: { userAgent: string; bodyCapBytes?: number }): ClosableHttpClient {
  const { userAgent, bodyCapBytes = BODY_CAP_BYTES } = options;
  let agent: Promise<Agent> | undefined;
  const getAgent = () => {
    agent ??= import('undici').then(({ Agent }) => new Agent({ connect: { timeout: CONNECT_MS }, pipelining: 1 }));
    return agent;
  };
  return {
    async send(request, signal) {
      const timeout = new AbortController();
      const timeoutMs = request.timeoutMs ?? TIMEOUT_MS;
      const timer = setTimeout(() => timeout.abort(), timeoutMs);
      try {
        const dispatcher = await getAgent();
        return await exchange(dispatcher, request, AbortSignal.any([signal, timeout.signal]), userAgent, bodyCapBytes);
      } catch (error) {
        if (timeout.signal.aborted) throw new TransientError(`no answer within ${timeoutMs} ms`);
        throw new TransientError(`no connection: ${reasonOf(error)}`);
      } finally {
        clearTimeout(timer);
      }
    },
    async close() {
      await (await agent)?.destroy();
    },
  };
}

async function exchange(
  dispatcher: Dispatcher,
  request: HttpRequest,
  signal: AbortSignal,
  userAgent: string,
  bodyCapBytes: number,
): Promise<HttpResponse> {
  const url = URL.parse(request.url.reveal());
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new TransientError('the address is not an http or https address');
  }
  const answer = await dispatcher.request({
    origin: url.origin,
    path: url.pathname + url.search,
    method: request.method ?? 'POST',
    headers: {
      'user-agent': userAgent,
      ...(url.username !== '' && { authorization: basicAuth(url) }),
      ...request.headers,
    },
    body: request.body ?? null,
    signal,
  });
  return {
    status: answer.statusCode,
    headers: flatten(answer.headers),
    body: await readUpTo(answer.body, bodyCapBytes),
  };
}

function basicAuth(url: URL): string {
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
}

/** Reads the front of a body; the rest is given up together with its connection. */
async function readUpTo(body: AsyncIterable<Buffer>, bytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= bytes) break;
  }
  return Buffer.concat(chunks).subarray(0, bytes).toString('utf8');
}

/** The reason without the address: paths and queries of webhooks are secrets. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (code !== undefined) return code;
  return error instanceof TransientError ? messageOf(error) : error instanceof Error ? error.name : 'unknown';
}

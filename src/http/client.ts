import type { Agent, Dispatcher } from 'undici';
import { PermanentError, TransientError } from '../core/errors.ts';
import type { HttpClient, HttpRequest, HttpResponse } from '../core/http.ts';
import { scrubSecrets } from './scrub.ts';

const TIMEOUT_MS = 10_000;
const CONNECT_MS = 5_000;
/** More of an answer is not read: what matters of it stands in front. */
const BODY_CAP_BYTES = 65_536;
/** Nobody is owed more memory than this. */
const LARGEST_CAP_BYTES = 16_777_216;

export interface ClosableHttpClient extends HttpClient {
  close(): Promise<void>;
}

/**
 * The way out over undici, which is loaded with the first request. Redirects are answers, not followed. What an answer
 * other than 2xx quotes of the address or of the headers is taken out of it. No error has a cause: it would know them.
 */
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
        if (error instanceof PermanentError) throw error;
        if (signal.aborted) throw new TransientError('the request was given up');
        if (timeout.signal.aborted) throw new TransientError(`no answer within ${timeoutMs} ms`);
        const code = codeOf(error);
        if (code === 'UND_ERR_INVALID_ARG') throw new PermanentError('a header or the address cannot be sent');
        throw new TransientError(`no connection: ${code}`);
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
    throw new PermanentError('the address is not an http or https address');
  }
  const headers = {
    'user-agent': userAgent,
    ...(url.username !== '' && { authorization: basicAuth(url) }),
    ...request.headers,
  };
  const answer = await dispatcher.request({
    origin: url.origin,
    path: url.pathname + url.search,
    method: request.method ?? 'POST',
    headers,
    body: request.body ?? null,
    signal,
  });
  const cap = Math.min(request.maxBodyBytes ?? bodyCapBytes, LARGEST_CAP_BYTES);
  const { text: body, isCut } = await readUpTo(answer.body, cap);
  const isGood = answer.statusCode >= 200 && answer.statusCode < 300;
  return {
    status: answer.statusCode,
    headers: flatten(answer.headers),
    body: isGood ? body : scrubSecrets(body, url, headers),
    ...(isCut && { isCut }),
  };
}

function basicAuth(url: URL): string {
  try {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    return `Basic ${Buffer.from(pair).toString('base64')}`;
  } catch {
    throw new PermanentError('the user name or password in the address is not percent-encoded as it must be');
  }
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
}

/** Reads the front of a body; the rest is given up together with its connection. */
async function readUpTo(body: AsyncIterable<Buffer>, bytes: number): Promise<{ text: string; isCut: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > bytes) break;
  }
  return { text: Buffer.concat(chunks).subarray(0, bytes).toString('utf8'), isCut: size > bytes };
}

/** The reason without the address: paths and queries of webhooks are secrets, and some are host names. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown';
}

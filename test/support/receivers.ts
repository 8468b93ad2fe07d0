import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { discordProblems } from './discord-rules.ts';
import { slackProblems } from './slack-rules.ts';
import { createWebhookRules } from './webhook-rules.ts';

/** A notifier that sends by HTTP needs one of its type here, with the rules of its service. */
export const RECEIVER_KINDS = ['slack', 'discord', 'webhook'] as const;
export type ReceiverKind = (typeof RECEIVER_KINDS)[number];

/**
 * What a receiver does with a request. `accept`: as the service does, which refuses with 400 what breaks its rules;
 * `hang`: never answer; `cut`: drop the connection; `rateLimited`: the service's own 429, in seconds; or any answer.
 */
export type Answer =
  | 'accept'
  | 'hang'
  | 'cut'
  | { rateLimited: number }
  | { status: number; headers?: Record<string, string>; body?: string };

/** One answer for all, one for each request in turn (then `accept`), or a function of the request. */
export type Behaviour = Answer | readonly Answer[] | ((request: ReceivedRequest, index: number) => Answer);

export interface ReceivedRequest {
  /** ms since the epoch. */
  at: number;
  method: string;
  path: string;
  headers: Readonly<Record<string, string>>;
  body: string;
  json: unknown;
  /** `webhook-id`: the same for every attempt at one delivery. */
  deliveryId: string;
  /** What of it the service would not take, or would let act. */
  problems: readonly string[];
  /** The status it was answered with; 0 where there was no answer. */
  status: number;
}

export interface Receiver {
  /** The secret address to configure; it stays the same across `restart`. */
  readonly url: string;
  /** In the order of arrival, refused ones included. */
  readonly requests: readonly ReceivedRequest[];
  /** Those that were answered with 2xx. */
  accepted(): ReceivedRequest[];
  /** What was wrong with any request: empty in a test that passes. */
  problems(): string[];
  /** The CloudEvents that were accepted, batches taken apart; for kind `webhook`. */
  events(): CloudEvent[];
  behave(behaviour: Behaviour): void;
  /** Refuses connections from now on, and cuts those that there are. */
  stop(): Promise<void>;
  /** Takes connections again, on the same port. */
  restart(): Promise<void>;
}

export interface CloudEvent {
  id: string;
  type: string;
  source: string;
  subject?: string;
  time: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it as JSON
  data: any;
}

/** What the addresses of receivers carry that must never be shown. */
export const RECEIVER_TOKEN = 'tOkEn-4f9c2e7d1b';

const PATHS: Record<ReceiverKind, string> = {
  slack: `/services/T0COWBELL/B0COWBELL/${RECEIVER_TOKEN}`,
  discord: `/api/webhooks/123456789012345678/${RECEIVER_TOKEN}`,
  webhook: `/hooks/${RECEIVER_TOKEN}?key=${RECEIVER_TOKEN}`,
};

export interface ReceiverOptions {
  kind: ReceiverKind;
  behaviour?: Behaviour;
  /** With which kind `webhook` checks signatures. */
  secret?: string;
}

/** A real HTTP server on loopback that behaves as the service does. */
export async function startReceiver({ kind, behaviour = 'accept', secret }: ReceiverOptions): Promise<Receiver> {
  const requests: ReceivedRequest[] = [];
  const webhookRules = createWebhookRules(secret);
  const problemsOf = (request: ReceivedRequest): string[] => {
    if (kind === 'webhook') return webhookRules(request.headers, request.body, request.json);
    const isJson = request.headers['content-type']?.startsWith('application/json');
    const problems = kind === 'slack' ? slackProblems(request.json) : discordProblems(request.json);
    return isJson ? problems : ['content-type is not application/json', ...problems];
  };
  let behave = behaviour;
  let server: Server | undefined;
  let port = 0;

  const handle = async (incoming: IncomingMessage, response: ServerResponse) => {
    const request = await readRequest(incoming);
    if (request === undefined) return;
    request.problems = [...commonProblems(request, PATHS[kind]), ...problemsOf(request)];
    const index = requests.push(request) - 1;
    const answer = answerTo(behave, request, index);
    if (answer === 'hang') return;
    if (answer === 'cut') return void incoming.socket.destroy();
    const { status, headers = {}, body = '' } = replyOf(kind, answer, request);
    request.status = status;
    response.writeHead(status, headers).end(body);
  };
  const start = async () => {
    const started = createServer((incoming, response) => {
      handle(incoming, response).catch((error) => response.destroy(error));
    });
    server = started;
    await new Promise<void>((resolve, reject) => {
      started.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
    port = (started.address() as AddressInfo).port;
  };
  const stop = async () => {
    const stopping = server;
    server = undefined;
    if (stopping === undefined) return;
    await new Promise<void>((resolve) => {
      stopping.close(() => resolve());
      stopping.closeAllConnections();
    });
  };
  const accepted = () => requests.filter(({ status }) => status >= 200 && status < 300);
  await start();
  return {
    url: `http://127.0.0.1:${port}${PATHS[kind]}`,
    requests,
    accepted,
    problems: () => requests.flatMap(({ problems }) => problems),
    events: () => accepted().flatMap(({ json }) => json as CloudEvent | CloudEvent[]),
    behave(next) {
      behave = next;
    },
    stop,
    async restart() {
      await stop();
      await start();
    },
  };
}

type OpenRequest = { -readonly [Key in keyof ReceivedRequest]: ReceivedRequest[Key] };

/** Undefined where the sender went away before it had said all. */
async function readRequest(incoming: IncomingMessage): Promise<OpenRequest | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of incoming) chunks.push(chunk);
  } catch {
    return undefined;
  }
  const body = Buffer.concat(chunks).toString('utf8');
  const headers = Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]));
  return {
    at: Date.now(),
    method: incoming.method ?? '',
    path: incoming.url ?? '',
    headers,
    body,
    json: parseJson(body),
    deliveryId: headers['webhook-id'] ?? '',
    problems: [],
    status: 0,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function commonProblems(request: ReceivedRequest, path: string): string[] {
  const problems: string[] = [];
  if (request.path.split('?')[0] !== path.split('?')[0]) problems.push('no_service: another path');
  if (request.json === undefined) problems.push('the body is not JSON');
  if (request.deliveryId === '') problems.push('there is no webhook-id');
  if (!request.headers['user-agent']) problems.push('there is no user-agent');
  return problems;
}

function answerTo(behaviour: Behaviour, request: ReceivedRequest, index: number): Answer {
  if (typeof behaviour === 'function') return behaviour(request, index);
  return Array.isArray(behaviour) ? (behaviour[index] ?? 'accept') : (behaviour as Answer);
}

type Reply = { status: number; headers?: Record<string, string>; body?: string };

function replyOf(kind: ReceiverKind, answer: Exclude<Answer, 'hang' | 'cut'>, request: ReceivedRequest): Reply {
  if (answer === 'accept') return request.problems.length > 0 ? refusal(kind) : acceptance(kind, request);
  if ('status' in answer) return answer;
  const seconds = answer.rateLimited;
  const headers = { 'content-type': 'application/json', 'retry-after': String(Math.ceil(seconds)) };
  const body =
    kind === 'discord'
      ? { message: 'You are being rate limited.', retry_after: seconds, global: false }
      : { ok: false, error: 'rate_limited' };
  return { status: 429, headers, body: JSON.stringify(body) };
}

function acceptance(kind: ReceiverKind, request: ReceivedRequest): Reply {
  if (kind === 'slack') return { status: 200, headers: { 'content-type': 'text/html' }, body: 'ok' };
  if (kind === 'webhook' || !request.path.includes('wait=true')) return { status: 204 };
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ id: '1', type: 0 }) };
}

function refusal(kind: ReceiverKind): Reply {
  if (kind === 'slack') return { status: 400, body: 'invalid_payload' };
  const body = { message: 'Invalid Form Body', code: 50035 };
  return { status: 400, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { alertmanagerService } from './alertmanager-rules.ts';
import { appriseService } from './apprise-rules.ts';
import { discordFileProblems, discordProblems } from './discord-rules.ts';
import { lokiService } from './loki-rules.ts';
import { mattermostService, rocketchatService } from './markdown-rules.ts';
import { matrixService } from './matrix-rules.ts';
import { gotifyService, ntfyService, pushoverService } from './push-rules.ts';
import {
  jsonProblems,
  jsonReply,
  RECEIVER_TOKEN,
  type ReceivedRequest,
  type Reply,
  type Service,
  waitHeader,
} from './service.ts';
import { slackProblems } from './slack-rules.ts';
import { teamsService } from './teams-rules.ts';
import { telegramService } from './telegram-rules.ts';
import { createWebhookRules } from './webhook-rules.ts';

const slackService: Service = {
  path: `/services/T0COWBELL/B0COWBELL/${RECEIVER_TOKEN}`,
  problems: (request) => [...jsonProblems(request), ...slackProblems(request.json)],
  accept: () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: 'ok' }),
  refuse: () => ({ status: 400, body: 'invalid_payload' }),
  limit: (seconds) => jsonReply(429, { ok: false, error: 'rate_limited' }, waitHeader(seconds)),
};

const discordService: Service = {
  path: `/api/webhooks/123456789012345678/${RECEIVER_TOKEN}`,
  problems: (request) => [
    ...(request.files.size === 0 ? jsonProblems(request) : []),
    ...discordProblems(request.json),
    ...discordFileProblems(request.json, request.files),
  ],
  accept: ({ path }) => (path.includes('wait=true') ? jsonReply(200, { id: '1', type: 0 }) : { status: 204 }),
  refuse: () => jsonReply(400, { message: 'Invalid Form Body', code: 50035 }),
  limit: (seconds) =>
    jsonReply(
      429,
      { message: 'You are being rate limited.', retry_after: seconds, global: false },
      waitHeader(seconds),
    ),
};

function webhookService(secret?: string): Service {
  const rules = createWebhookRules(secret);
  return {
    path: `/hooks/${RECEIVER_TOKEN}?key=${RECEIVER_TOKEN}`,
    problems: ({ headers, body, json }) => rules(headers, body, json),
    accept: () => ({ status: 204 }),
    refuse: () => jsonReply(400, { error: 'bad request' }),
    limit: (seconds) => jsonReply(429, { error: 'too many requests' }, waitHeader(seconds)),
  };
}

/** A notifier that sends by HTTP needs one of its type here, with the rules of its service. */
const SERVICES = {
  slack: () => slackService,
  discord: () => discordService,
  webhook: webhookService,
  teams: () => teamsService,
  mattermost: () => mattermostService,
  rocketchat: () => rocketchatService,
  telegram: () => telegramService,
  matrix: () => matrixService,
  pushover: () => pushoverService,
  ntfy: () => ntfyService,
  gotify: () => gotifyService,
  alertmanager: () => alertmanagerService,
  loki: () => lokiService,
  apprise: () => appriseService,
} as const satisfies Record<string, (secret?: string) => Service>;

export type ReceiverKind = keyof typeof SERVICES;
export const RECEIVER_KINDS = Object.keys(SERVICES) as ReceiverKind[];

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

export interface ReceiverOptions {
  kind: ReceiverKind;
  behaviour?: Behaviour;
  /** With which kind `webhook` checks signatures. */
  secret?: string;
}

/** A real HTTP server on loopback that behaves as the service does. */
export async function startReceiver({ kind, behaviour = 'accept', secret }: ReceiverOptions): Promise<Receiver> {
  const requests: ReceivedRequest[] = [];
  const service: Service = SERVICES[kind](secret);
  let behave = behaviour;
  let server: Server | undefined;
  let port = 0;

  const handle = async (incoming: IncomingMessage, response: ServerResponse) => {
    const request = await readRequest(incoming);
    if (request === undefined) return;
    request.deliveryId = service.deliveryIdOf?.(request) ?? request.deliveryId;
    request.problems = [...commonProblems(request, service), ...service.problems(request)];
    const index = requests.push(request) - 1;
    const answer = answerTo(behave, request, index);
    if (answer === 'hang') return;
    if (answer === 'cut') return void incoming.socket.destroy();
    const { status, headers = {}, body = '' } = replyOf(service, answer, request);
    request.status = status;
    response.writeHead(status, headers).end(body);
  };
  const start = async () => {
    const started = createServer((incoming, response) => {
      handle(incoming, response).catch((error) => response.destroy(error));
    });
    // Where the process was busy for long, a connection would be closed just as it is used again.
    started.keepAliveTimeout = 0;
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
    url: `http://127.0.0.1:${port}${service.path}`,
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
  const bytes = Buffer.concat(chunks);
  const body = bytes.toString('utf8');
  const headers = Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]));
  const { json, files } = await readBody(headers['content-type'] ?? '', bytes);
  return {
    at: performance.timeOrigin + performance.now(),
    method: incoming.method ?? '',
    path: incoming.url ?? '',
    headers,
    body,
    json,
    files,
    deliveryId: headers['webhook-id'] ?? '',
    problems: [],
    status: 0,
  };
}

async function readBody(type: string, bytes: Buffer): Promise<Pick<ReceivedRequest, 'json' | 'files'>> {
  const files = new Map<string, Uint8Array>();
  const text = bytes.toString('utf8');
  if (type.includes('form-urlencoded')) return { json: parseForm(text), files };
  if (!type.startsWith('multipart/form-data')) return { json: parseJson(text), files };
  const form = await new Response(Uint8Array.from(bytes), { headers: { 'content-type': type } }).formData();
  for (const [name, value] of form)
    if (typeof value !== 'string') files.set(`${name} ${value.name}`, await value.bytes());
  return { json: parseJson(String(form.get('payload_json'))), files };
}

function parseForm(text: string): unknown {
  return Object.fromEntries(new URLSearchParams(text));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function commonProblems(request: ReceivedRequest, service: Service): string[] {
  const problems: string[] = [];
  const [path = ''] = request.path.split('?');
  const isThere = service.takes === undefined ? path === service.path.split('?')[0] : service.takes.test(path);
  if (!isThere) problems.push('no_service: another path');
  if (request.json === undefined && request.method !== 'GET') problems.push('the body is neither JSON nor a form');
  if (request.deliveryId === '') problems.push('it does not say which delivery it is');
  if (!request.headers['user-agent']) problems.push('there is no user-agent');
  return problems;
}

function answerTo(behaviour: Behaviour, request: ReceivedRequest, index: number): Answer {
  if (typeof behaviour === 'function') return behaviour(request, index);
  return Array.isArray(behaviour) ? (behaviour[index] ?? 'accept') : (behaviour as Answer);
}

function replyOf(service: Service, answer: Exclude<Answer, 'hang' | 'cut'>, request: ReceivedRequest): Reply {
  if (answer === 'accept') return request.problems.length > 0 ? service.refuse(request) : service.accept(request);
  if ('status' in answer) return answer;
  return service.limit(answer.rateLimited);
}

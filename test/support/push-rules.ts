import { jsonProblems, jsonReply, RECEIVER_TOKEN, type ReceivedRequest, type Service, waitHeader } from './service.ts';
import { controlProblems, isObject, unknownKeys } from './slack-rules.ts';

/**
 * What the services that push plain text demand, and what cowbell demands: no address with a scheme in it. Sources:
 * https://docs.ntfy.sh/publish/#limitations, https://gotify.net/api-docs#/message/createMessage.
 */

const TOPIC = /^[-_A-Za-z0-9]{1,64}$/;
const NTFY_KEYS = new Set(['topic', 'title', 'message', 'priority', 'tags']);
const GOTIFY_KEYS = new Set(['title', 'message', 'priority', 'extras']);

/** Plain text that is there, short enough, visible, and without an address that an app would open. */
export function plainTextProblems(text: unknown, bytes: number, what: string): string[] {
  if (typeof text !== 'string' || text.trim() === '') return [`${what}: no text`];
  const problems = controlProblems(text);
  const size = Buffer.byteLength(text);
  if (size > bytes) problems.push(`${what}: ${size} of ${bytes} bytes`);
  const link = /[a-z][a-z0-9+.-]*:\/\/|(?:mailto|tel|sms|geo):[^\s…]/iu.exec(text);
  return link === null ? problems : [...problems, `${what}: it becomes a link: ${link[0]}`];
}

/** Everything that is wrong with a message to ntfy. */
export function ntfyProblems({ json, headers }: Pick<ReceivedRequest, 'json' | 'headers'>): string[] {
  if (!isObject(json)) return ['40024: the body is not an object'];
  const problems = unknownKeys(json, NTFY_KEYS, 'message');
  if (!TOPIC.test(String(json.topic))) problems.push('40009: topic invalid');
  if (!Number.isInteger(json.priority) || Number(json.priority) < 1 || Number(json.priority) > 5)
    problems.push('40007: invalid priority');
  const sequence = headers['x-sequence-id'];
  if (sequence !== undefined && !TOPIC.test(sequence)) problems.push('invalid sequence id');
  if (sequence !== undefined && sequence !== headers['webhook-id']) problems.push('another sequence id');
  const title = plainTextProblems(json.title, 1_024, 'title');
  return [...problems, ...title, ...plainTextProblems(json.message, 4_096, 'message')];
}

/** Everything that is wrong with a message to Gotify. */
export function gotifyProblems({ json, headers }: Pick<ReceivedRequest, 'json' | 'headers'>): string[] {
  if (!isObject(json)) return ['the body is not an object'];
  const problems = unknownKeys(json, GOTIFY_KEYS, 'message');
  if (!headers['x-gotify-key']) problems.push('you need to provide a valid access token');
  if (!Number.isInteger(json.priority) || Number(json.priority) < 0 || Number(json.priority) > 10)
    problems.push('the priority is none');
  if (JSON.stringify(json.extras) !== '{"client::display":{"contentType":"text/plain"}}')
    problems.push('it could be shown as Markdown');
  const title = plainTextProblems(json.title, 1_024, 'title');
  return [...problems, ...title, ...plainTextProblems(json.message, 65_535, 'message')];
}

const PUSHOVER_KEYS = new Set(['token', 'user', 'title', 'message', 'priority']);

/** Everything that is wrong with a message to Pushover: https://pushover.net/api#limits */
export function pushoverProblems({ json, headers }: Pick<ReceivedRequest, 'json' | 'headers'>): string[] {
  if (!isObject(json)) return ['the body is not a form'];
  const problems = unknownKeys(json, PUSHOVER_KEYS, 'message');
  if (!headers['content-type']?.startsWith('application/x-www-form-urlencoded')) problems.push('it is not a form');
  if (!json.token || !json.user) problems.push('application token or user identifier is invalid');
  // 2 would need `retry` and `expire`.
  if (!/^(-[12]|[01])$/.test(String(json.priority))) problems.push('priority is invalid');
  if (String(json.title).length > 250) problems.push('title is too long');
  if ([...String(json.message)].length > 1_024) problems.push('message is too long');
  const title = plainTextProblems(json.title, 1_000, 'title');
  return [...problems, ...title, ...plainTextProblems(json.message, 4_096, 'message')];
}

export const pushoverService: Service = {
  path: `/${RECEIVER_TOKEN}`,
  takes: /^\/[^/]+\/1\/messages\.json$/,
  problems: pushoverProblems,
  accept: () => jsonReply(200, { status: 1, request: '647d2300-702c-4b38-8b2f-d56326ae460b' }),
  refuse: () => jsonReply(400, { message: 'cannot be blank', errors: ['message cannot be blank'], status: 0 }),
  limit: (seconds) => jsonReply(429, { status: 0, errors: ['application is over its quota'] }, waitHeader(seconds)),
};

export const ntfyService: Service = {
  path: `/${RECEIVER_TOKEN}`,
  takes: /^\/$/,
  problems: (request) => [...jsonProblems(request), ...ntfyProblems(request)],
  accept: () => jsonReply(200, { id: 'sPs71M8A2T', time: 1_795_435_200, event: 'message', topic: 't' }),
  refuse: () => jsonReply(400, { code: 40024, http: 400, error: 'invalid request: request body must be valid JSON' }),
  limit: (seconds) =>
    jsonReply(429, { code: 42901, http: 429, error: 'limit reached: too many requests' }, waitHeader(seconds)),
};

export const gotifyService: Service = {
  path: `/${RECEIVER_TOKEN}`,
  takes: /^\/[^/]+\/message$/,
  problems: (request) => [...jsonProblems(request), ...gotifyProblems(request)],
  accept: () =>
    jsonReply(200, { id: 25, appid: 5, message: 'x', title: 'x', priority: 5, date: '2026-11-23T12:00:00Z' }),
  refuse: () => jsonReply(400, { error: 'Bad Request', errorCode: 400, errorDescription: 'Field is required' }),
  // Gotify has no limit: it is the proxy in front of it that says so.
  limit: (seconds) => ({ status: 429, headers: waitHeader(seconds), body: '<html>429 Too Many Requests</html>' }),
};

import { linkProblems, readHtml } from './html-rules.ts';
import { plainTextProblems } from './push-rules.ts';
import { jsonProblems, jsonReply, RECEIVER_TOKEN, type Service, waitHeader } from './service.ts';
import { isObject, unknownKeys } from './slack-rules.ts';

/**
 * What a home server demands of m.room.message, and what cowbell demands of it: nobody is mentioned, and nothing that a
 * stranger wrote is markup or a link. Source: https://spec.matrix.org/latest/client-server-api/#mroommessage.
 */

const KEYS = new Set(['msgtype', 'body', 'format', 'formatted_body', 'm.mentions']);
const ELEMENTS = new Set(['strong', 'em', 'code', 'pre', 'br']);
const EMPTY = new Set(['br']);
/** Of the 65,536 of an event, less what the server adds. */
const CONTENT_BYTES = 60_000;

/** Everything that is wrong with the content of an event. */
export function matrixProblems(body: unknown): string[] {
  if (!isObject(body)) return ['M_NOT_JSON: the body is not an object'];
  const problems = unknownKeys(body, KEYS, 'content');
  const size = Buffer.byteLength(JSON.stringify(body));
  if (size > CONTENT_BYTES) problems.push(`M_TOO_LARGE: ${size} bytes`);
  if (body.msgtype !== 'm.text' && body.msgtype !== 'm.notice') problems.push('M_BAD_JSON: no msgtype');
  if (JSON.stringify(body['m.mentions']) !== '{}') problems.push('somebody may be mentioned');
  problems.push(...plainTextProblems(body.body, CONTENT_BYTES, 'body'));
  const { format, formatted_body: html } = body;
  if (format === undefined && html === undefined) return problems;
  if (format !== 'org.matrix.custom.html' || typeof html !== 'string') return [...problems, 'M_BAD_JSON: no format'];
  const read = readHtml(html, ELEMENTS, EMPTY);
  return [...problems, ...read.problems, ...linkProblems(read.bare)];
}

export const matrixService: Service = {
  path: `/${RECEIVER_TOKEN}`,
  takes: /^\/[^/]+\/_matrix\/client\/v3\/rooms\/[^/]+\/send\/m\.room\.message\/[^/]+$/,
  deliveryIdOf: ({ path }) => decodeURIComponent(path.split('/').at(-1) ?? ''),
  problems(request) {
    const problems = [...jsonProblems(request), ...matrixProblems(request.json)];
    if (request.method !== 'PUT') problems.push(`M_UNRECOGNIZED: ${request.method}`);
    return /^Bearer \S+$/.test(request.headers.authorization ?? '') ? problems : [...problems, 'M_MISSING_TOKEN'];
  },
  accept: () => jsonReply(200, { event_id: '$YUwRidLecu:example.org' }),
  refuse: () => jsonReply(400, { errcode: 'M_BAD_JSON', error: 'Invalid event content' }),
  limit: (seconds) =>
    jsonReply(
      429,
      { errcode: 'M_LIMIT_EXCEEDED', error: 'Too Many Requests', retry_after_ms: seconds * 1000 },
      waitHeader(seconds),
    ),
};

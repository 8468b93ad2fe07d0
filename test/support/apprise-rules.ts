import { plainTextProblems } from './push-rules.ts';
import { jsonProblems, jsonReply, RECEIVER_TOKEN, type Service, waitHeader } from './service.ts';
import { isObject, unknownKeys } from './slack-rules.ts';

/**
 * What the Apprise API takes, https://github.com/caronc/apprise-api#api-details; and, as it hands text on to services that
 * give it a meaning, that nothing in it calls anyone.
 */
export const appriseService: Service = {
  path: `/notify/${RECEIVER_TOKEN}`,
  problems: (request) => [...jsonProblems(request), ...messageProblems(request.json)],
  accept: () => jsonReply(200, { error: '' }),
  refuse: () => jsonReply(400, { error: 'An invalid payload was specified' }),
  limit: (seconds) => ({ status: 429, headers: waitHeader(seconds) }),
};

const KEYS = new Set(['title', 'body', 'type', 'format', 'tag', 'urls']);

function messageProblems(body: unknown): string[] {
  if (!isObject(body)) return ['the body is not an object'];
  const problems = unknownKeys(body, KEYS, 'message');
  if (!/^(info|success|warning|failure)$/.test(String(body.type))) problems.push(`type ${body.type}`);
  if (body.format !== 'text') problems.push(`format ${body.format}`);
  for (const key of ['title', 'body'] as const) {
    problems.push(...plainTextProblems(body[key], 3_000, key));
    const call = /[<>]|(?<![\w.+-])@/.exec(String(body[key]));
    if (call !== null) problems.push(`${key}: it may call somebody: ${call.input.slice(call.index, call.index + 40)}`);
  }
  return problems;
}

import { linkProblems, readHtml } from './html-rules.ts';
import { jsonProblems, jsonReply, RECEIVER_TOKEN, type Service } from './service.ts';
import { controlProblems, isObject, lengthOf, unknownKeys } from './slack-rules.ts';

/**
 * What Telegram demands of sendMessage, and what cowbell demands of it: nothing that a stranger wrote is markup, a
 * mention, a command or a link. Source: https://core.telegram.org/bots/api#sendmessage.
 */

const KEYS = new Set([
  'chat_id',
  'message_thread_id',
  'text',
  'parse_mode',
  'entities',
  'disable_notification',
  'link_preview_options',
]);
const ELEMENTS = new Set(['b', 'i', 'u', 's', 'code', 'pre']);

/** Everything that is wrong with a body; empty when Telegram takes it and nothing in it acts. */
export function telegramProblems(body: unknown): string[] {
  if (!isObject(body)) return ['the body is not an object'];
  const { text, chat_id, parse_mode, entities, link_preview_options } = body;
  const problems = unknownKeys(body, KEYS, 'message');
  if (!/^(-?\d+|@\w+)$/.test(String(chat_id))) problems.push('chat not found');
  if (!isObject(link_preview_options) || link_preview_options.is_disabled !== true)
    problems.push('links are previewed');
  if (typeof body.disable_notification !== 'boolean') problems.push('it does not say whether it makes a sound');
  if (typeof text !== 'string' || text.trim() === '') return [...problems, 'message text is empty'];
  if (parse_mode === undefined) {
    problems.push(...lengthOf(text, 4_096, 'text'), ...controlProblems(text));
    const whole = JSON.stringify([{ type: 'pre', offset: 0, length: text.length }]);
    return JSON.stringify(entities) === whole ? problems : [...problems, ...linkProblems(text)];
  }
  if (parse_mode !== 'HTML' || entities !== undefined) problems.push(`unknown mode ${String(parse_mode)}`);
  const read = readHtml(text, ELEMENTS);
  if (read.elements > 100) problems.push(`${read.elements} entities: the last lose their markup`);
  return [...problems, ...read.problems, ...lengthOf(read.text, 4_096, 'text'), ...linkProblems(read.bare)];
}

export const telegramService: Service = {
  path: `/${RECEIVER_TOKEN}`,
  takes: /^\/[^/]+\/bot[\w:-]+\/sendMessage$/,
  problems: (request) => [...jsonProblems(request), ...telegramProblems(request.json)],
  accept: () => jsonReply(200, { ok: true, result: { message_id: 1 } }),
  refuse: () => jsonReply(400, { ok: false, error_code: 400, description: "Bad Request: can't parse entities" }),
  // https://core.telegram.org/bots/api#responseparameters: only in the body.
  limit: (seconds) => {
    const description = `Too Many Requests: retry after ${seconds}`;
    return jsonReply(429, { ok: false, error_code: 429, description, parameters: { retry_after: seconds } });
  },
};

import { linkProblems } from './html-rules.ts';
import { jsonProblems, jsonReply, RECEIVER_TOKEN, type Service, waitHeader } from './service.ts';
import { controlProblems, isObject, lengthOf, listOf, unknownKeys } from './slack-rules.ts';

/**
 * What Mattermost and Rocket.Chat demand of an incoming webhook's body, and what cowbell demands of it: no Markdown, name,
 * emoji or link that a stranger wrote. Sources: https://developers.mattermost.com/integrate/webhooks/incoming/,
 * https://docs.rocket.chat/docs/integrations.
 */

const ATTACHMENT_KEYS = new Set(['color', 'text']);

/** Markup outside of code that is not ours: a bold label in front of a line is. */
export function chatMarkdownProblems(text: string): string[] {
  const problems = controlProblems(text);
  if ((text.match(/```/g)?.length ?? 0) % 2 !== 0) problems.push('a block of code without end');
  const bare = text
    .replace(/```[\s\S]*?```/g, '')
    .replace(/\\[^0-9A-Za-z\s]|`[^`\n]+`/g, (found) => (found.startsWith('\\') ? '' : ' '))
    .replace(/^\*{1,2}[A-Za-z ]+\*{1,2}: /gm, '');
  const act = /[`*_~|<>@#[\]]|:[\w+-]+:|^\s*(?:[-+]|\d+\.)\s/m.exec(bare);
  if (act !== null) problems.push(`markup acts: ${JSON.stringify(bare.slice(act.index, act.index + 40))}`);
  return [...problems, ...linkProblems(bare)];
}

/** Everything that is wrong with a body, where a text has so many characters, and all attachments so many as JSON. */
export function chatProblems(body: unknown, limits: { text: number; attachments: number }, keys: string[]): string[] {
  if (!isObject(body)) return ['the body is not an object'];
  const problems = unknownKeys(body, new Set(['text', 'attachments', ...keys]), 'message');
  if (typeof body.text !== 'string' || body.text.trim() === '') problems.push('no text');
  else problems.push(...lengthOf(body.text, limits.text, 'text'), ...chatMarkdownProblems(body.text));
  const attachments = listOf(body.attachments);
  const json = JSON.stringify(attachments);
  problems.push(...lengthOf(json, limits.attachments, 'attachments'));
  for (const attachment of attachments) {
    if (!isObject(attachment) || typeof attachment.text !== 'string' || attachment.text === '') {
      problems.push('an attachment without text');
      continue;
    }
    problems.push(...unknownKeys(attachment, ATTACHMENT_KEYS, 'attachment'));
    if (!/^#[0-9a-f]{6}$/.test(String(attachment.color))) problems.push('the colour is not #rrggbb');
    problems.push(...chatMarkdownProblems(attachment.text));
  }
  return problems;
}

export function mattermostProblems(body: unknown): string[] {
  return chatProblems(body, { text: 16_383, attachments: 7_900 }, []);
}

export function rocketchatProblems(body: unknown): string[] {
  const problems = chatProblems(body, { text: 5_000, attachments: 5_000 }, ['parseUrls']);
  return isObject(body) && body.parseUrls === false ? problems : [...problems, 'links would be shown in full'];
}

export const mattermostService: Service = {
  path: `/hooks/${RECEIVER_TOKEN}`,
  problems: (request) => [...jsonProblems(request), ...mattermostProblems(request.json)],
  accept: () => ({ status: 200, headers: { 'content-type': 'text/plain' }, body: 'ok' }),
  refuse: () => jsonReply(400, { id: 'web.incoming_webhook.text.app_error', message: 'No text', status_code: 400 }),
  limit: (seconds) => ({
    status: 429,
    headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Math.ceil(seconds)) },
    body: 'limit exceeded\n',
  }),
};

export const rocketchatService: Service = {
  path: `/hooks/6523f0a1/${RECEIVER_TOKEN}`,
  problems: (request) => [...jsonProblems(request), ...rocketchatProblems(request.json)],
  accept: () => jsonReply(200, { success: true }),
  refuse: () => jsonReply(400, { success: false, error: 'error-message-size-exceeded' }),
  limit: (seconds) =>
    jsonReply(
      429,
      { success: false, error: 'Error, too many requests. [error-too-many-requests]' },
      waitHeader(seconds),
    ),
};

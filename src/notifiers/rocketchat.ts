import { z } from 'zod';
import { PermanentError } from '../core/errors.ts';
import type { HttpResponse } from '../core/http.ts';
import { requireAccepted } from '../core/http-outcome.ts';
import { COLOURS, ICONS, type Line, type Message, plainMessage } from '../core/message.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { secretUrl } from '../core/options.ts';
import { cutText } from '../core/text.ts';
import { fitLine, joinUpTo } from './fit-lines.ts';
import { codeSpan, codeText, renderMarkdownLine } from './markdown-text.ts';
import { readAnswer } from './read-answer.ts';

/** Our own bounds, below the 5,000 that a message has unless the admin sets another (Message_MaxAllowedSize). */
const TITLE = 1_000;
const PLAIN_TEXT = 3_000;
const ATTACHMENT = 3_500;
const EVIDENCE = 1_000;

const Options = z.object({
  url: secretUrl().describe('Incoming webhook, https://chat.example.org/hooks/…'),
});

/** Rocket.Chat by an incoming integration: https://docs.rocket.chat/docs/integrations */
export const rocketchatNotifier: NotifierDefinition<typeof Options> = {
  type: 'rocketchat',
  summary: 'A Rocket.Chat channel, by an incoming integration',
  options: Options,
  audience: 'people',
  // 10 calls a minute, unless the admin sets API_Enable_Rate_Limiter_Limit_Calls_Default; hooks are calls too:
  // https://github.com/RocketChat/Rocket.Chat/blob/develop/apps/meteor/app/integrations/server/api/api.ts
  pace: { groupIntervalMs: 15_000, minIntervalMs: 6_000, maxEvents: 20_000 },
  create: ({ url }, { http, clock, compose }) => {
    const post = async (id: string, payload: object, signal: AbortSignal) => {
      const headers = { 'content-type': 'application/json', 'webhook-id': id };
      const body = JSON.stringify({ parseUrls: false, ...payload });
      requireSent(await http.send({ url, headers, body }, signal), clock.now());
    };
    return {
      notify: async ({ id, events }, signal) => post(id, renderRocketchat(await compose(events)), signal),
      notifyPlainly: async ({ id, events }, signal) => {
        const text = codeText(plainMessage(await compose(events), PLAIN_TEXT));
        return post(id, { text: `\`\`\`\n${text}\n\`\`\`` }, signal);
      },
    };
  },
};

/** Its errors, as those of Meteor do, may say how long to wait in words alone, or when in a header, in ms since the epoch. */
function requireSent(response: HttpResponse, now: number): void {
  const reset = Number(response.headers['x-ratelimit-reset']) - now;
  requireAccepted(response, now, Number.isFinite(reset) && reset > 0 ? reset : undefined);
  const answer = readAnswer(z.object({ success: z.boolean() }), response.body);
  if (answer === undefined) throw new PermanentError("the answer is not Rocket.Chat's");
  if (!answer.success) throw new PermanentError('the answer says that it was not taken', { payload: true });
}

/** A message as the body of a webhook: the title as text, all else as an attachment with its colour. */
export function renderRocketchat(message: Message): object {
  const footer = codeSpan(cutText(message.footer, 200));
  const evidence = joinUpTo(message.evidence.map(codeText), EVIDENCE);
  const end = evidence === '' ? footer : `\`\`\`\n${evidence}\n\`\`\`\n${footer}`;
  const lines: Line[] = [
    ...message.lead,
    // One star is bold here: https://docs.rocket.chat/docs/message-formatting
    ...message.facts.map(({ label, value }): Line => [{ markup: `*${label}*: ` }, ...value]),
    ...message.notes.map((note): Line => ['⚠ ', ...note]),
    ...message.items.map((item): Line => ['• ', ...item]),
  ];
  const text = joinUpTo(lines.map(renderMarkdownLine), ATTACHMENT - end.length - 1);
  return {
    text: fitLine([`${ICONS[message.tone]} `, ...message.title], TITLE, renderMarkdownLine),
    attachments: [
      {
        color: `#${COLOURS[message.tone].toString(16).padStart(6, '0')}`,
        text: [text, end].filter((part) => part !== '').join('\n'),
      },
    ],
  };
}

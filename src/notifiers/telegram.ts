import { z } from 'zod';
import { PermanentError } from '../core/errors.ts';
import type { HttpResponse } from '../core/http.ts';
import { requireAccepted } from '../core/http-outcome.ts';
import { ICONS, type Line, type Message, plainMessage, type Tone } from '../core/message.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { secretText, secretUrl } from '../core/options.ts';
import { Secret } from '../core/secret.ts';
import { cutText, safeText } from '../core/text.ts';
import { fitLine, joinUpTo } from './fit-lines.ts';
import { escapeHtml, renderHtmlLine } from './html-text.ts';
import { readAnswer } from './read-answer.ts';

/** https://core.telegram.org/bots/api#sendmessage: characters that remain when the markup is taken out. */
const TEXT = 4_096;
/** What is beyond loses its markup; not in Telegram's own pages: https://limits.tginfo.me/en */
const ENTITIES = 100;
/** Our own bounds of what shares the text. */
const TITLE = 1_000;
const EVIDENCE = 1_200;
/** Longest message without markup. */
const PLAIN_TEXT = 3_000;

/** What makes no sound; everything else does. */
const SILENT: Record<Tone, boolean> = {
  own: false,
  ban: false,
  end: true,
  cleared: false,
  denied: false,
  trouble: false,
  recovered: true,
  quiet: true,
};

/** Telegram has no code for it: these, of all that it answers with 400, are about the chat and not about the text. */
const ABOUT_CHAT =
  /chat not found|group chat|supergroup|rights|administrator|thread|TOPIC_|CHAT_|PEER_|user not found/i;

const Options = z.object({
  url: secretUrl()
    .default(new Secret('https://api.telegram.org'))
    .describe('The Bot API, where it is a server of your own')
    .meta({ examples: ['https://api.telegram.org'] }),
  token: secretText()
    .refine((token) => /^[\w:-]+$/.test(token.reveal()), 'expected the token that @BotFather gave, 123456789:AA…')
    .describe('Token of the bot, from @BotFather'),
  chat_id: z
    .string()
    .regex(/^(-?\d{1,20}|@\w{4,64})$/, 'expected a number in quotes, or the @name of a public channel')
    .describe('The chat, group or channel: its number, or the @name of a public channel')
    .meta({ examples: ['-1001234567890'] }),
  message_thread_id: z
    .int()
    .positive()
    .optional()
    .describe('The topic, in a group that has topics')
    .meta({ examples: [42] }),
});

/** A Telegram chat, by a bot: https://core.telegram.org/bots/api#sendmessage */
export const telegramNotifier: NotifierDefinition<typeof Options> = {
  type: 'telegram',
  summary: 'A Telegram chat, group or channel, by a bot',
  options: Options,
  audience: 'people',
  // 20 messages a minute to a group: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
  pace: { groupIntervalMs: 15_000, minIntervalMs: 3_000, maxEvents: 20_000 },
  create: ({ url, token, chat_id, message_thread_id }, { http, clock, compose }) => {
    const base = url.reveal().replace(/\/+$/, '');
    const target = new Secret(`${base}/bot${token.reveal()}/sendMessage`);
    const post = async (id: string, message: Message, payload: object, signal: AbortSignal) => {
      const body = JSON.stringify({
        chat_id,
        ...(message_thread_id !== undefined && { message_thread_id }),
        disable_notification: SILENT[message.tone],
        // https://core.telegram.org/bots/api#linkpreviewoptions
        link_preview_options: { is_disabled: true },
        ...payload,
      });
      const headers = { 'content-type': 'application/json', 'webhook-id': id };
      requireSent(await http.send({ url: target, headers, body }, signal), clock.now());
    };
    return {
      notify: async ({ id, events }, signal) => {
        const message = await compose(events);
        return post(id, message, { parse_mode: 'HTML', text: renderTelegram(message) }, signal);
      },
      notifyPlainly: async ({ id, events }, signal) => {
        const message = await compose(events);
        const text = plainMessage(message, PLAIN_TEXT);
        // Nothing is parsed, and no address or command in it becomes a link.
        return post(id, message, { text, entities: [{ type: 'pre', offset: 0, length: text.length }] }, signal);
      },
    };
  },
};

const Answer = z.object({
  ok: z.boolean(),
  description: z.string().optional(),
  // https://core.telegram.org/bots/api#responseparameters
  parameters: z.object({ migrate_to_chat_id: z.number().optional() }).optional(),
});

function requireSent(response: HttpResponse, now: number): void {
  const { status, body } = response;
  const answer = readAnswer(Answer, body);
  const { description = '', parameters } = answer ?? {};
  if (status === 400 && parameters?.migrate_to_chat_id !== undefined) {
    throw new PermanentError(
      `HTTP 400: the group became a supergroup: its chat_id is ${parameters.migrate_to_chat_id}`,
    );
  }
  if (status === 400 && ABOUT_CHAT.test(description)) {
    throw new PermanentError(`HTTP 400: ${safeText(description, 200)}`);
  }
  requireAccepted(response, now);
  if (answer?.ok !== true) throw new PermanentError("the answer is not Telegram's");
}

/** A message as HTML: https://core.telegram.org/bots/api#html-style */
export function renderTelegram(message: Message): string {
  // Code cannot be bold: only our own words are.
  const bold = (line: Line) => renderHtmlLine(line, 'b');
  const title = fitLine([`${ICONS[message.tone]} `, ...message.title], TITLE, bold);
  const footer = `<code>${escapeHtml(cutText(message.footer, 200))}</code>`;
  const evidence = joinUpTo(message.evidence.map(escapeHtml), EVIDENCE);
  const end = evidence === '' ? footer : `<pre>${evidence}</pre>\n${footer}`;
  const lines = [
    ...message.lead.map((line) => renderHtmlLine(line)),
    ...message.facts.map(({ label, value }) => `<b>${escapeHtml(label)}</b>: ${renderHtmlLine(value)}`),
    ...message.notes.map((note) => renderHtmlLine(['⚠ ', ...note])),
    ...message.items.map((item) => renderHtmlLine(['• ', ...item])),
  ];
  const room = ENTITIES - entitiesIn(title) - entitiesIn(end);
  const text = joinUpTo(withinEntities(lines, room), TEXT - title.length - end.length - 2);
  return [title, text, end].filter((part) => part !== '').join('\n');
}

function entitiesIn(html: string): number {
  return html.match(/<[a-z]/g)?.length ?? 0;
}

/** The first lines that have no more than so many entities together; `…` stands for the rest. */
function withinEntities(lines: readonly string[], most: number): readonly string[] {
  let count = 0;
  const tooMany = lines.findIndex((line) => {
    count += entitiesIn(line);
    return count > most;
  });
  return tooMany < 0 ? lines : [...lines.slice(0, tooMany), '…'];
}

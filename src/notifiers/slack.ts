import { z } from 'zod';
import { PermanentError } from '../core/errors.ts';
import { requireAccepted } from '../core/http-outcome.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { secretUrl } from '../core/options.ts';
import { cutText } from '../core/text.ts';
import { composeMessage } from './compose.ts';
import { COLOURS, ICONS, type Line, type Message, plainLine, plainTime } from './message.ts';

/** https://docs.slack.dev/reference/block-kit/blocks/section-block */
const SECTION_TEXT = 3_000;
const FIELDS = 10;
const FIELD_TEXT = 2_000;
/** Our own bounds: escaped five times as long, three of these still fit a section. */
const CODE_TEXT = 128;
/** Below the 4,000 that https://docs.slack.dev/reference/methods/chat.postMessage recommends. */
const FALLBACK_TEXT = 300;

const Options = z.object({
  url: secretUrl().describe('Incoming webhook, https://hooks.slack.com/services/…'),
});

/** Slack by an incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks */
export const slackNotifier: NotifierDefinition<typeof Options> = {
  type: 'slack',
  summary: 'A Slack channel, by an incoming webhook',
  options: Options,
  // One message a second is allowed: https://docs.slack.dev/apis/web-api/rate-limits
  pace: { groupIntervalMs: 15_000, maxEvents: 2_500 },
  create: ({ url }, { http, clock }) => ({
    async notify(delivery, signal) {
      const response = await http.send(
        {
          url,
          headers: { 'content-type': 'application/json; charset=utf-8', 'webhook-id': delivery.id },
          body: JSON.stringify(renderSlack(composeMessage(delivery.events))),
        },
        signal,
      );
      requireAccepted(response, clock.now());
      if (response.body.trim() !== 'ok') {
        throw new PermanentError(`the answer is not Slack's: ${cutText(escapeText(response.body), 100)}`);
      }
    },
  }),
};

/** A message as the body of an incoming webhook. */
export function renderSlack(message: Message) {
  const title = `${ICONS[message.tone]} ${plainLine(message.title)}`;
  const blocks: object[] = [];
  const lead = [...message.lead, ...message.notes.map((note): Line => ['⚠ ', ...note])];
  for (const lines of [lead, message.items.map((item): Line => ['• ', ...item])]) {
    const text = joinUpTo(lines.map(renderLine), SECTION_TEXT);
    if (text !== '') blocks.push({ type: 'section', text: mrkdwn(text) });
  }
  const fields = message.facts.slice(0, FIELDS).map(({ label, value }) => {
    return mrkdwn(fitMarkup(`*${escapeText(label)}*\n`, value, FIELD_TEXT));
  });
  if (fields.length > 0) blocks.push({ type: 'section', fields });
  if (message.evidence.length > 0) {
    const lines = joinUpTo(
      message.evidence.map((line) => escapeText(cutText(asCode(line), 500))),
      SECTION_TEXT - 8,
    );
    blocks.push({ type: 'section', text: mrkdwn(`\`\`\`\n${lines}\n\`\`\``) });
  }
  blocks.push({
    type: 'context',
    elements: [{ type: 'plain_text', text: cutText(message.footer || 'cowbell', 300), emoji: false }],
  });
  return {
    text: escapeText(cutText(title, FALLBACK_TEXT)),
    mrkdwn: false,
    parse: 'none',
    link_names: false,
    unfurl_links: false,
    unfurl_media: false,
    attachments: [
      {
        color: `#${COLOURS[message.tone].toString(16).padStart(6, '0')}`,
        fallback: escapeText(cutText(message.lead.map(plainLine).join(' ') || title, FALLBACK_TEXT)),
        blocks,
      },
    ],
  };
}

function mrkdwn(text: string) {
  // Verbatim: names, channels and addresses in it are not made into links.
  return { type: 'mrkdwn', text, verbatim: true };
}

/** https://docs.slack.dev/messaging/formatting-message-text#escaping: these three, and nothing else. */
export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Nothing acts inside code but the backtick that ends it, which cannot be escaped. */
function asCode(text: string): string {
  return text.replaceAll('`', 'ˋ');
}

function renderLine(line: Line): string {
  return line
    .map((part) => {
      if (typeof part === 'string') return escapeText(part);
      if ('code' in part) return part.code === '' ? '' : `\`${escapeText(asCode(cutText(part.code, CODE_TEXT)))}\``;
      const seconds = Math.floor(part.time / 1000);
      // https://docs.slack.dev/messaging/formatting-message-text#date-formatting
      if (part.as === 'distance') return ` (<!date^${seconds}^{ago}|${plainTime(part.time)}>)`;
      return `<!date^${seconds}^{date_short_pretty} {time}|${plainTime(part.time)}>`;
    })
    .join('');
}

/** Whole lines as long as there is room: markup that is cut in two would act. */
function joinUpTo(lines: readonly string[], limit: number): string {
  let text = '';
  for (const line of lines) {
    const longer = text === '' ? line : `${text}\n${line}`;
    if (longer.length > limit - 2) return text === '' ? '' : `${text}\n…`;
    text = longer;
  }
  return text;
}

function fitMarkup(head: string, line: Line, limit: number): string {
  const parts = [...line];
  let text = head + renderLine(parts);
  while (text.length > limit && parts.length > 0) {
    parts.pop();
    text = `${head}${renderLine(parts)}…`;
  }
  return text;
}

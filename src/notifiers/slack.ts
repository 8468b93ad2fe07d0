import type { KnownBlock, MessageAttachment } from '@slack/types';
import { z } from 'zod';
import { PermanentError } from '../core/errors.ts';
import { requireAccepted } from '../core/http-outcome.ts';
import { COLOURS, ICONS, isHarmless, type Line, type Message, plainLine, plainMessage } from '../core/message.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { secretUrl } from '../core/options.ts';
import { cutText } from '../core/text.ts';
import { chunkUpTo, fitLine, joinUpTo } from './fit-lines.ts';

/** https://docs.slack.dev/reference/block-kit/blocks/section-block */
const SECTION_TEXT = 3_000;
const FIELDS = 10;
/** Our own bound, below the 2,000 of a field: they share the message with all else. */
const FIELD_TEXT = 700;
/** All blocks together may have about 13,000: https://github.com/slackapi/bolt-js/issues/2509 */
const ITEM_SECTIONS = 2;
/** Below the 4,000 that https://docs.slack.dev/reference/methods/chat.postMessage recommends. */
const TITLE_TEXT = 1_000;
const FALLBACK_TEXT = 300;
/** Longest message without blocks: each character of it may become five. */
const PLAIN_TEXT = 800;

const Options = z.object({
  url: secretUrl()
    .describe('Incoming webhook, https://hooks.slack.com/services/…')
    .meta({ examples: ['${COWBELL_SLACK_URL}'] }),
});

/** Slack by an incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks */
export const slackNotifier: NotifierDefinition<typeof Options> = {
  type: 'slack',
  summary: 'A Slack channel, by an incoming webhook',
  options: Options,
  audience: 'people',
  // One message a second is allowed: https://docs.slack.dev/apis/web-api/rate-limits
  pace: { groupIntervalMs: 15_000, minIntervalMs: 1_000, maxEvents: 20_000 },
  create: ({ url }, { http, clock, compose }) => {
    const post = async (id: string, payload: object, signal: AbortSignal) => {
      const headers = { 'content-type': 'application/json; charset=utf-8', 'webhook-id': id };
      const response = await http.send({ url, headers, body: JSON.stringify(payload) }, signal);
      requireAccepted(response, clock.now());
      if (response.body.trim() !== 'ok') {
        // Its errors are words like `no_text`; anything else may be a stranger's page and is not quoted.
        const said = /^[a-z_]{1,60}$/.exec(response.body.trim())?.[0];
        throw new PermanentError(said === undefined ? "the answer is not Slack's" : `Slack answered ${said}`);
      }
    };
    return {
      notify: async ({ id, events }, signal) => post(id, renderSlack(await compose(events)), signal),
      notifyPlainly: async ({ id, events }, signal) => post(id, renderPlainly(await compose(events)), signal),
    };
  },
};

/** A message as text alone, within the length that Slack recommends. */
function renderPlainly(message: Message) {
  const text = escapeText(plainMessage(message, PLAIN_TEXT));
  return { text, mrkdwn: false, link_names: false, unfurl_links: false, unfurl_media: false };
}

/** A message as the body of an incoming webhook. */
export function renderSlack(message: Message) {
  const title: Line = [`${ICONS[message.tone]} `, ...message.title];
  const lead = [...message.lead, ...message.notes.map((note): Line => ['⚠ ', ...note])];
  const items = message.items.map((item): Line => ['• ', ...item]);
  const sections = [
    joinUpTo(lead.map(renderLine), SECTION_TEXT),
    ...chunkUpTo(items.map(renderLine), SECTION_TEXT, ITEM_SECTIONS),
  ];
  const blocks: KnownBlock[] = sections.flatMap((text) => (text === '' ? [] : [section(text)]));
  const fields = message.facts.slice(0, FIELDS).map(({ label, value }) => {
    return mrkdwn(fitLine(value, FIELD_TEXT, renderLine, `*${label}*\n`));
  });
  if (fields.length > 0) blocks.push({ type: 'section', fields });
  const evidence = joinUpTo(
    message.evidence.map((line) => escapeText(asCode(line))),
    SECTION_TEXT - 8,
  );
  if (evidence !== '') blocks.push(section(`\`\`\`\n${evidence}\n\`\`\``));
  blocks.push({
    type: 'context',
    elements: [{ type: 'plain_text', text: cutText(message.footer, 300), emoji: false }],
  });
  const attachment: MessageAttachment = {
    color: `#${COLOURS[message.tone].toString(16).padStart(6, '0')}`,
    fallback: escapeText(cutText(plainLine(message.lead[0] ?? message.title), FALLBACK_TEXT)),
    blocks,
  };
  return {
    // Stands above the attachment, and is what a notification shows.
    text: fitLine(title, TITLE_TEXT, renderLine),
    link_names: false,
    unfurl_links: false,
    unfurl_media: false,
    attachments: [attachment],
  };
}

function section(text: string): KnownBlock {
  return { type: 'section', text: mrkdwn(text) };
}

function mrkdwn(text: string) {
  // Verbatim: names, channels and addresses in it are not made into links.
  return { type: 'mrkdwn' as const, text, verbatim: true };
}

/** https://docs.slack.dev/messaging/formatting-message-text#escaping: these three, and nothing else. */
export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Nothing acts inside code but the backtick that ends it, which cannot be escaped. */
function asCode(text: string): string {
  return text.replaceAll('`', 'ˋ');
}

function codeSpan(text: string): string {
  return text === '' ? '' : `\`${escapeText(asCode(text))}\``;
}

function renderLine(line: Line): string {
  return line
    .map((part) => {
      if (typeof part === 'string') return escapeText(part);
      if ('code' in part) return codeSpan(part.code);
      if ('markup' in part) return part.markup;
      if ('words' in part) return isHarmless(part.words) ? escapeText(part.words) : codeSpan(part.words);
      const seconds = Math.floor(part.time / 1000);
      // https://docs.slack.dev/messaging/formatting-message-text#date-formatting
      if (part.as === 'distance') return ` (<!date^${seconds}^{ago}|${part.text}>)`;
      return `<!date^${seconds}^{date_short_pretty} {time}|${part.text}>`;
    })
    .join('');
}

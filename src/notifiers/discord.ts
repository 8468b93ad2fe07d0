import type { APIEmbedField, RESTPostAPIWebhookWithTokenJSONBody } from 'discord-api-types/v10';
import { z } from 'zod';
import type { HttpResponse } from '../core/http.ts';
import { requireAccepted } from '../core/http-outcome.ts';
import { COLOURS, ICONS, isHarmless, type Line, type Message, plainMessage } from '../core/message.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { secretUrl } from '../core/options.ts';
import { Secret } from '../core/secret.ts';
import { cutText } from '../core/text.ts';
import { fitLine, joinUpTo } from './fit-lines.ts';

/** https://docs.discord.com/developers/resources/message#embed-object-embed-limits */
const CONTENT = 2_000;
const TITLE = 256;
const DESCRIPTION = 4_096;
const FIELDS = 25;
const FIELD_NAME = 256;
const FIELD_VALUE = 1_024;
/** https://docs.discord.com/developers/resources/message#attachment-object-attachment-structure */
const ALT_TEXT = 1_024;
const PICTURE = 'chart.png';
/** Our own bound, below the 2,048 of a footer. */
const FOOTER = 256;
/** Title, description, fields and footer of all embeds together. */
const EMBEDS_TOTAL = 6_000;
/** Our own bound of log lines. */
const EVIDENCE = 1_500;

const Options = z.object({
  url: secretUrl()
    .describe('Webhook, https://discord.com/api/webhooks/…')
    .meta({ examples: ['${COWBELL_DISCORD_URL}'] }),
});

/** Discord by a webhook: https://docs.discord.com/developers/resources/webhook#execute-webhook */
export const discordNotifier: NotifierDefinition<typeof Options> = {
  type: 'discord',
  summary: 'A Discord channel, by a webhook',
  options: Options,
  audience: 'people',
  // About 30 messages a minute and channel are let through; the headers say so as it happens.
  pace: { groupIntervalMs: 15_000, minIntervalMs: 2_000, maxEvents: 20_000 },
  create: ({ url }, { http, clock, compose }) => {
    const target = waiting(url);
    let restUntil = 0;
    const post = async (id: string, payload: object, chart: Message['chart'], signal: AbortSignal) => {
      const { body, contentType } = await contentOf(payload, chart);
      const headers = { 'content-type': contentType, 'webhook-id': id };
      const response = await http.send({ url: target, headers, body }, signal);
      restUntil = clock.now() + bucketWaitMs(response, clock.now());
      requireAccepted(response, clock.now());
    };
    return {
      restUntil: () => restUntil,
      notify: async ({ id, events }, signal) => {
        const message = await compose(events);
        return post(id, renderDiscord(message), message.chart, signal);
      },
      notifyPlainly: async ({ id, events }, signal) =>
        post(id, renderPlainly(await compose(events)), undefined, signal),
    };
  },
};

/** The payload, and beside it the picture that it shows: https://docs.discord.com/developers/reference#uploading-files */
async function contentOf(payload: object, chart: Message['chart']) {
  const json = JSON.stringify(payload);
  if (chart === undefined) return { body: json, contentType: 'application/json' };
  const { drawChart } = await import('./chart-png.ts');
  const form = new FormData();
  form.set('payload_json', json);
  form.set('files[0]', new Blob([Uint8Array.from(await drawChart(chart))], { type: 'image/png' }), PICTURE);
  const encoded = new Response(form);
  return { body: await encoded.bytes(), contentType: encoded.headers.get('content-type') ?? '' };
}

/** A message as text alone. */
function renderPlainly(message: Message): RESTPostAPIWebhookWithTokenJSONBody {
  // Each character may need a backslash; a number or a dash in front would make a list of the line.
  const content = escapeMarkdown(plainMessage(message, CONTENT / 2 - 100)).replace(/^(\d*)([.-])(?=\s)/gm, '$1\\$2');
  return { allowed_mentions: { parse: [] }, content };
}

/** With `wait` an answer comes after the message was stored, and says so if it was not. */
function waiting(url: Secret): Secret {
  const target = new URL(url.reveal());
  target.searchParams.set('wait', 'true');
  return new Secret(target.href);
}

/**
 * An empty bucket is full again after so long: in seconds, with a fraction; else when, in seconds since the epoch.
 * https://docs.discord.com/developers/topics/rate-limits#header-format
 */
function bucketWaitMs({ headers }: HttpResponse, now: number): number {
  if (Number(headers['x-ratelimit-remaining']) !== 0) return 0;
  const after = Number(headers['x-ratelimit-reset-after']) * 1000;
  const waitMs = Number.isFinite(after) ? after : Number(headers['x-ratelimit-reset']) * 1000 - now;
  return Number.isFinite(waitMs) && waitMs > 0 ? Math.ceil(waitMs) : 0;
}

/** A message as the body of a webhook call. */
export function renderDiscord(message: Message): RESTPostAPIWebhookWithTokenJSONBody {
  const title = fitLine([`${ICONS[message.tone]} `, ...message.title], TITLE, renderLine);
  const footer = cutText(message.footer, FOOTER);
  const evidence = message.evidence.length === 0 ? '' : codeBlock(message.evidence, EVIDENCE);
  const lines = [
    ...message.lead,
    ...message.notes.map((note): Line => ['⚠ ', ...note]),
    ...message.items.map((item): Line => ['- ', ...item]),
  ].map(renderLine);
  const text = joinUpTo(lines, DESCRIPTION - evidence.length - 1);
  const description = [text, evidence].filter((part) => part !== '').join('\n');
  const fields = fieldsOf(message, EMBEDS_TOTAL - title.length - description.length - footer.length);
  return {
    // https://docs.discord.com/developers/resources/message#allowed-mentions-object: nothing in it may call anyone.
    allowed_mentions: { parse: [] },
    embeds: [
      {
        title,
        ...(description !== '' && { description }),
        color: COLOURS[message.tone],
        ...(fields.length > 0 && { fields }),
        ...(message.chart !== undefined && { image: { url: `attachment://${PICTURE}` } }),
        footer: { text: footer },
        timestamp: new Date(message.at).toISOString(),
      },
    ],
    ...(message.chart !== undefined && {
      attachments: [{ id: 0, filename: PICTURE, description: cutText(message.chart.caption, ALT_TEXT) }],
    }),
  };
}

/** The facts that there is room for. */
function fieldsOf(message: Message, room: number): APIEmbedField[] {
  const fields: APIEmbedField[] = [];
  let left = room;
  for (const { label, value } of message.facts.slice(0, FIELDS)) {
    const name = cutText(escapeMarkdown(label), FIELD_NAME);
    const shown = fitLine(value, FIELD_VALUE, renderLine);
    if (shown === '' || name.length + shown.length > left) continue;
    left -= name.length + shown.length;
    fields.push({ name, value: shown, inline: shown.length <= 40 });
  }
  return fields;
}

/** Backslashes in front of all that Discord's Markdown, its mentions, emojis and links are made of. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_~|<>@#[\]]|:(?=[\w+-]*:|\/\/)/g, '\\$&');
}

/** Nothing acts inside a code span but the backticks that end it. */
function codeSpan(text: string): string {
  return text === '' ? '' : `\`${text.replaceAll('`', 'ˋ')}\``;
}

function codeBlock(lines: readonly string[], limit: number): string {
  const text = joinUpTo(
    lines.map((line) => line.replaceAll('`', 'ˋ')),
    limit - 8,
  );
  return `\`\`\`\n${text}\n\`\`\``;
}

function renderLine(line: Line): string {
  return line
    .map((part) => {
      if (typeof part === 'string') return escapeMarkdown(part);
      if ('code' in part) return codeSpan(part.code);
      if ('markup' in part) return part.markup;
      if ('words' in part) return isHarmless(part.words) ? escapeMarkdown(part.words) : codeSpan(part.words);
      // https://docs.discord.com/developers/reference#message-formatting-timestamp-styles
      const seconds = Math.floor(part.time / 1000);
      return part.as === 'distance' ? ` (<t:${seconds}:R>)` : `<t:${seconds}:f>`;
    })
    .join('');
}

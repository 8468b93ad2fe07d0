import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { Received, Service } from './receivers.ts';

/** What the chat services demand of a message, from their documentation. */

interface SlackText {
  type: string;
  text: string;
  verbatim?: boolean;
}

interface SlackBlock {
  type: string;
  text?: SlackText;
  fields?: SlackText[];
  elements?: SlackText[];
}

export interface SlackMessage {
  text: string;
  attachments: { color: string; fallback: string; blocks: SlackBlock[] }[];
}

/** https://docs.slack.dev/reference/block-kit/blocks, https://docs.slack.dev/messaging/formatting-message-text */
export const slackService: Service = {
  accepts: { status: 200, body: 'ok' },
  check({ json, headers }) {
    const complaints: string[] = [];
    const message = json as SlackMessage;
    if (!headers['content-type']?.startsWith('application/json')) complaints.push('content-type');
    if (typeof message?.text !== 'string' || message.text === '') return [...complaints, 'no_text'];
    if (message.text.length > 4_000) complaints.push('text too long');
    complaints.push(...checkSlackText(message.text));
    for (const { blocks, fallback } of message.attachments ?? []) {
      complaints.push(...checkSlackText(fallback));
      if (blocks.length > 50) complaints.push('more than 50 blocks');
      for (const block of blocks) complaints.push(...checkSlackBlock(block));
    }
    return complaints;
  },
};

function checkSlackBlock({ type, text, fields, elements }: SlackBlock): string[] {
  const complaints: string[] = [];
  if (!['section', 'context', 'header', 'divider'].includes(type)) complaints.push(`block ${type}`);
  if (type === 'section' && text === undefined && fields === undefined) complaints.push('an empty section');
  if (text !== undefined && (text.text.length < 1 || text.text.length > 3_000)) complaints.push('section text length');
  if (fields !== undefined && (fields.length < 1 || fields.length > 10)) complaints.push('number of fields');
  for (const field of fields ?? []) if (field.text.length > 2_000 || field.text === '') complaints.push('field length');
  if ((elements?.length ?? 0) > 10) complaints.push('more than 10 elements');
  for (const each of [...(text ? [text] : []), ...(fields ?? []), ...(elements ?? [])]) {
    if (each.type === 'mrkdwn') complaints.push(...checkSlackText(each.text));
    else if (each.type !== 'plain_text') complaints.push(`text of type ${each.type}`);
  }
  return complaints;
}

/** Whatever stands between `<` and `>` acts; only our own dates may. */
export function checkSlackText(text: string): string[] {
  const complaints: string[] = [];
  if (!text.isWellFormed()) complaints.push('half a code point');
  for (const [control] of text.matchAll(/<[^>]*>?/g)) {
    if (!/^<!date\^\d+\^[^|<>]+\|[^|<>]+>$/.test(control)) complaints.push(`acts: ${control}`);
  }
  const withoutEntities = text.replaceAll(/&(amp|lt|gt);/g, '').replaceAll(/<!date[^>]*>/g, '');
  if (/[&<>]/.test(withoutEntities)) complaints.push('unescaped & < or >');
  return complaints;
}

interface DiscordEmbed {
  title?: string;
  description?: string;
  color?: number;
  fields?: { name: string; value: string }[];
  footer?: { text: string };
  timestamp?: string;
}

export interface DiscordMessage {
  content?: string;
  allowed_mentions: { parse: string[] };
  embeds: DiscordEmbed[];
}

/** https://docs.discord.com/developers/resources/message#embed-object-embed-limits */
export const discordService: Service = {
  accepts: { status: 200, headers: { 'content-type': 'application/json' }, body: '{"id":"1"}' },
  check({ json }) {
    const message = json as DiscordMessage;
    const complaints: string[] = [];
    if (message?.allowed_mentions?.parse?.length !== 0) complaints.push('allowed_mentions');
    if ((message?.content?.length ?? 0) > 2_000) complaints.push('content too long');
    const embeds = message?.embeds ?? [];
    if (embeds.length < 1 || embeds.length > 10) complaints.push('number of embeds');
    let total = 0;
    const bound = (text: string | undefined, limit: number, what: string) => {
      total += text?.length ?? 0;
      if (text === '' || (text?.length ?? 0) > limit) complaints.push(`${what}: ${text?.length}`);
      if (text?.isWellFormed() === false) complaints.push(`${what}: half a code point`);
    };
    for (const embed of embeds) {
      bound(embed.title, 256, 'title');
      bound(embed.description, 4_096, 'description');
      bound(embed.footer?.text, 2_048, 'footer');
      if ((embed.fields?.length ?? 0) > 25) complaints.push('more than 25 fields');
      for (const { name, value } of embed.fields ?? []) {
        bound(name, 256, 'field name');
        bound(value, 1_024, 'field value');
      }
      for (const text of [embed.title, embed.description, ...(embed.fields ?? []).map(({ value }) => value)]) {
        complaints.push(...checkDiscordText(text ?? ''));
      }
    }
    if (total > 6_000) complaints.push(`embeds: ${total}`);
    return complaints;
  },
};

/** What stands outside of code must not act, but for our own times. */
export function checkDiscordText(text: string): string[] {
  const outside = text
    .replaceAll(/```[\s\S]*?```/g, ' ')
    .replaceAll(/`[^`\n]+`/g, ' ')
    .replaceAll(/<t:\d+:[fR]>/g, ' ')
    .replaceAll(/\\[\\`*_~|<>@#:[\]]/g, ' ');
  const acting = /[`*_~|<>@#[\]]|https?:\/\//.exec(outside);
  return acting === null
    ? []
    : [`acts: ${acting[0]} in ${outside.slice(Math.max(0, acting.index - 20), acting.index + 20)}`];
}

const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
const isEvents = ajv.compile(
  JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'events.schema.json'), 'utf8')),
);

/** CloudEvents 1.0 by the published schema, with the signature of Standard Webhooks if there is a secret. */
export function webhookService(secret?: string): Service {
  return {
    accepts: { status: 204 },
    check(request) {
      const complaints: string[] = [];
      const isBatch = Array.isArray(request.json);
      const type = isBatch ? 'application/cloudevents-batch+json' : 'application/cloudevents+json';
      if (!request.headers['content-type']?.startsWith(type)) complaints.push('content-type');
      if (!isEvents(request.json)) complaints.push(`schema: ${ajv.errorsText(isEvents.errors)}`);
      if (request.headers['webhook-id'] === undefined) complaints.push('no webhook-id');
      if (secret !== undefined && !isSigned(request, secret)) complaints.push('signature');
      return complaints;
    },
  };
}

function isSigned({ headers, body }: Received, secret: string): boolean {
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  return headers['webhook-signature'] === `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`;
}

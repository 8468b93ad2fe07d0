import { decode } from 'fast-png';
import { controlProblems, isObject, lengthOf, listOf, unknownKeys } from './slack-rules.ts';

/**
 * What Discord demands of a webhook's body, and what cowbell demands of it: nobody is called, and nothing that a stranger
 * wrote acts. Sources: https://docs.discord.com/developers/resources/webhook#execute-webhook,
 * https://docs.discord.com/developers/resources/message#embed-object-embed-limits.
 */

const MESSAGE_KEYS = new Set([
  'content',
  'username',
  'avatar_url',
  'embeds',
  'allowed_mentions',
  'attachments',
  'flags',
]);
const EMBED_KEYS = new Set([
  'title',
  'description',
  'url',
  'timestamp',
  'color',
  'footer',
  'author',
  'fields',
  'image',
]);
const TOTAL = 6_000;

/** Everything that is wrong with a body; empty when Discord takes it and nothing in it acts. */
export function discordProblems(body: unknown): string[] {
  if (!isObject(body)) return ['the body is not an object'];
  const problems = unknownKeys(body, MESSAGE_KEYS, 'message');
  const mentions = body.allowed_mentions;
  if (!isObject(mentions) || JSON.stringify(mentions) !== '{"parse":[]}')
    problems.push('mentions are not switched off');
  const content = body.content;
  if (content !== undefined) problems.push(...textProblems(content, 2_000, 'content'));
  const embeds = listOf(body.embeds);
  if (content === undefined && embeds.length === 0) problems.push('50006: an empty message');
  if (embeds.length > 10) problems.push(`${embeds.length} embeds`);
  let total = 0;
  for (const embed of embeds) {
    if (!isObject(embed)) problems.push('an embed is not an object');
    else {
      problems.push(...embedProblems(embed));
      total += embedLength(embed);
    }
  }
  return total > TOTAL ? [...problems, `embeds: ${total} of ${TOTAL} characters`] : problems;
}

/**
 * What is wrong with the files beside a body: each is announced, and each picture of an embed is one of them.
 * https://docs.discord.com/developers/reference#uploading-files
 */
export function discordFileProblems(body: unknown, files: ReadonlyMap<string, Uint8Array>): string[] {
  if (!isObject(body)) return [];
  const announced = listOf(body.attachments).filter(isObject);
  const names = announced.map(({ id, filename }) => `files[${id}] ${filename}`);
  const shown = listOf(body.embeds).flatMap((embed) =>
    isObject(embed) && isObject(embed.image) ? embed.image.url : [],
  );
  const problems = [...files.keys()].filter((name) => !names.includes(name)).map((name) => `${name} is not announced`);
  if (announced.length !== files.size) problems.push('a file is announced that is not there');
  for (const url of shown) {
    const name = String(url).replace(/^attachment:\/\//, '');
    if (!announced.some(({ filename }) => filename === name)) problems.push(`no file for ${url}`);
  }
  for (const { description } of announced) problems.push(...lengthOf(String(description), 1_024, 'description'));
  for (const bytes of files.values()) {
    const { width, height } = decode(bytes);
    if (bytes.length > 10_000_000 || width < 100 || height < 100) problems.push('no picture, or too large a one');
  }
  return problems;
}

type Embed = Record<string, unknown>;

function embedProblems(embed: Embed): string[] {
  const problems = unknownKeys(embed, EMBED_KEYS, 'embed');
  const { title, description, color, timestamp, footer } = embed;
  if (title !== undefined) problems.push(...textProblems(title, 256, 'title'));
  if (description !== undefined) problems.push(...textProblems(description, 4_096, 'description'));
  if (!Number.isInteger(color) || Number(color) < 0 || Number(color) > 0xffffff)
    problems.push('the colour is no RGB number');
  if (timestamp !== undefined && Number.isNaN(Date.parse(String(timestamp)))) problems.push('the timestamp is no time');
  if (footer !== undefined) {
    const text = isObject(footer) ? footer.text : undefined;
    // A footer shows Markdown as it stands.
    if (typeof text !== 'string' || text.trim() === '') problems.push('the footer has no text');
    else problems.push(...lengthOf(text, 2_048, 'footer'), ...controlProblems(text));
  }
  const fields = listOf(embed.fields);
  if (fields.length > 25) problems.push(`${fields.length} fields`);
  for (const field of fields) {
    if (!isObject(field)) problems.push('a field is not an object');
    else problems.push(...textProblems(field.name, 256, 'name'), ...textProblems(field.value, 1_024, 'value'));
  }
  return problems;
}

function embedLength(embed: Embed): number {
  const texts = [embed.title, embed.description, isObject(embed.footer) ? embed.footer.text : undefined];
  for (const field of listOf(embed.fields)) if (isObject(field)) texts.push(field.name, field.value);
  return texts.reduce((sum: number, text) => sum + (typeof text === 'string' ? text.length : 0), 0);
}

function textProblems(text: unknown, limit: number, what: string): string[] {
  if (typeof text !== 'string' || text.trim() === '') return [`${what}: no text`];
  return [...lengthOf(text, limit, what), ...markdownProblems(text)];
}

/** Markdown, mentions, emojis and links outside of code that are not ours: time stamps and bullets are. */
export function markdownProblems(text: string): string[] {
  const problems = controlProblems(text);
  const bare = text
    .replace(/```[\s\S]*?```/g, '')
    .replace(/\\[^0-9A-Za-z\s]|`[^`\n]+`/g, (found) => (found.startsWith('\\') ? '·' : ' '))
    .replace(/<t:\d{1,12}:[tTdDfFR]>/g, '');
  const act = /[`*_~|<>@#[\]]|:[\w+-]+:|[a-z]+:\/\/|^\s*(?:-#|\d+\.\s)/im.exec(bare);
  return act === null
    ? problems
    : [...problems, `markup acts: ${JSON.stringify(bare.slice(act.index, act.index + 40))}`];
}

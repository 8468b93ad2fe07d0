/**
 * What Slack demands of an incoming webhook's body, and what cowbell demands of it: nothing in it that a stranger wrote
 * may act. Sources: https://docs.slack.dev/reference/block-kit/blocks, https://docs.slack.dev/messaging/formatting-message-text,
 * https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments.
 */

type Json = Record<string, unknown>;

const MESSAGE_KEYS = new Set([
  'text',
  'blocks',
  'attachments',
  'mrkdwn',
  'parse',
  'link_names',
  'unfurl_links',
  'unfurl_media',
]);
const ATTACHMENT_KEYS = new Set(['color', 'fallback', 'blocks']);
/** Of all blocks together; undocumented, seen as `msg_blocks_too_long`. */
const BLOCKS_TOTAL = 13_000;

/** Everything that is wrong with a body; empty when Slack takes it and nothing in it acts. */
export function slackProblems(body: unknown): string[] {
  if (!isObject(body)) return ['the body is not an object'];
  const problems = unknownKeys(body, MESSAGE_KEYS, 'message');
  if (typeof body.text !== 'string' || body.text === '') problems.push('no_text: there is no fallback text');
  else {
    const isMarkup = body.mrkdwn !== false;
    problems.push(...lengthOf(body.text, 4_000, 'text'));
    problems.push(...(isMarkup ? mrkdwnProblems(body.text) : escapeProblems(body.text)));
  }
  if (body.unfurl_links !== false || body.unfurl_media !== false) problems.push('links would be unfurled');
  if (body.link_names === true || body.parse === 'full') problems.push('names would be linked');
  const attachments = listOf(body.attachments);
  if (attachments.length > 100) problems.push('too_many_attachments');
  for (const attachment of attachments) {
    if (!isObject(attachment)) problems.push('an attachment is not an object');
    else problems.push(...attachmentProblems(attachment));
  }
  problems.push(...blocksProblems(body.blocks));
  return problems;
}

function attachmentProblems(attachment: Json): string[] {
  const problems = unknownKeys(attachment, ATTACHMENT_KEYS, 'attachment');
  if (!/^#[0-9a-f]{6}$/.test(String(attachment.color))) problems.push('the colour is not #rrggbb');
  const fallback = attachment.fallback;
  if (fallback !== undefined) problems.push(...escapeProblems(String(fallback)));
  return [...problems, ...blocksProblems(attachment.blocks)];
}

function blocksProblems(value: unknown): string[] {
  if (value === undefined) return [];
  const blocks = listOf(value);
  const problems = blocks.flatMap((block) => (isObject(block) ? blockProblems(block) : ['a block is not an object']));
  if (blocks.length < 1 || blocks.length > 50) problems.push(`${blocks.length} blocks`);
  if (JSON.stringify(blocks).length > BLOCKS_TOTAL * 2 || textLength(blocks) > BLOCKS_TOTAL)
    problems.push('msg_blocks_too_long');
  return problems;
}

function blockProblems(block: Json): string[] {
  switch (block.type) {
    case 'section': {
      const fields = block.fields;
      if (block.text === undefined && fields === undefined) return ['a section has neither text nor fields'];
      const problems = block.text === undefined ? [] : textProblems(block.text, 3_000);
      if (fields === undefined) return problems;
      const list = listOf(fields);
      if (list.length < 1 || list.length > 10) problems.push(`${list.length} fields`);
      return [...problems, ...list.flatMap((field) => textProblems(field, 2_000))];
    }
    case 'header': {
      const text = block.text;
      if (!isObject(text) || text.type !== 'plain_text') return ['a header is not plain_text'];
      return textProblems(text, 150);
    }
    case 'context': {
      const elements = listOf(block.elements);
      const problems = elements.flatMap((element) => textProblems(element, 2_000));
      return elements.length < 1 || elements.length > 10 ? [...problems, `${elements.length} elements`] : problems;
    }
    case 'divider':
      return [];
    default:
      return [`unknown block ${String(block.type)}`];
  }
}

function textProblems(value: unknown, limit: number): string[] {
  if (!isObject(value) || typeof value.text !== 'string') return ['a text object has no text'];
  const { text, type } = value as { text: string; type: unknown };
  const problems = text === '' ? ['an empty text'] : lengthOf(text, limit, 'text object');
  if (type === 'plain_text') return value.emoji === false ? problems : [...problems, 'emoji in plain text'];
  if (type !== 'mrkdwn') return [...problems, `unknown text type ${String(type)}`];
  if (value.verbatim !== true) problems.push('not verbatim: names and addresses would become links');
  return [...problems, ...mrkdwnProblems(text)];
}

/** Markup outside of code that is not ours: dates, and a bold label at the front of a field. */
export function mrkdwnProblems(text: string): string[] {
  const problems = escapeProblems(text);
  const bare = text
    .replace(/```[\s\S]*?```/g, '')
    .replace(/`[^`\n]+`/g, '')
    .replace(DATE, '')
    .replace(/^\*[A-Za-z ]+\*\n/, '');
  const act = /[`*_~]|:[\w+'-]+:|https?:\/\/|mailto:\S|^\s*&gt;/im.exec(bare);
  return act === null
    ? problems
    : [...problems, `markup acts: ${JSON.stringify(bare.slice(act.index, act.index + 40))}`];
}

const DATE = /<!date\^\d{1,12}\^[^|<>^]*\|[^|<>]*>/g;

function escapeProblems(text: string): string[] {
  const rest = text.replace(DATE, '');
  const problems = controlProblems(text);
  if (/[<>]/.test(rest)) problems.push(`unescaped < or >: ${JSON.stringify(rest.slice(0, 80))}`);
  if (/&(?!amp;|lt;|gt;)/.test(rest)) problems.push('unescaped &');
  return problems;
}

/** Characters that act on a reader's eye or terminal. */
export function controlProblems(text: string): string[] {
  const found =
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Cs}/u.exec(text);
  return found === null ? [] : [`control character U+${found[0].codePointAt(0)?.toString(16)}`];
}

function textLength(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, each) => sum + textLength(each), 0);
  if (!isObject(value)) return 0;
  return Object.entries(value).reduce((sum, [key, each]) => {
    return sum + (key === 'text' && typeof each === 'string' ? each.length : textLength(each));
  }, 0);
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function unknownKeys(value: Json, known: ReadonlySet<string>, what: string): string[] {
  return Object.keys(value).flatMap((key) => (known.has(key) ? [] : [`${what}: unknown key ${key}`]));
}

export function lengthOf(text: string, limit: number, what: string): string[] {
  return text.length > limit ? [`${what}: ${text.length} of ${limit} characters`] : [];
}

export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

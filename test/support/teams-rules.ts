import { jsonProblems, jsonReply, RECEIVER_TOKEN, type Service, waitHeader } from './service.ts';
import { controlProblems, isObject, listOf, unknownKeys } from './slack-rules.ts';

/**
 * What a workflow and Teams demand of an Adaptive Card, and what cowbell demands of it: a stranger's text is in TextRuns,
 * which know no Markdown. Sources: https://adaptivecards.io/explorer, https://learn.microsoft.com/connectors/teams,
 * https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features.
 */

type Json = Record<string, unknown>;

const CARD_KEYS = new Set(['$schema', 'type', 'version', 'msteams', 'body']);
const RUN_KEYS = new Set(['type', 'text', 'weight', 'fontType', 'isSubtle']);
const STYLES = new Set(['default', 'emphasis', 'good', 'attention', 'warning', 'accent']);
/** Refused at 21,000, whatever is documented. */
const LARGEST = 20_000;

/** Everything that is wrong with a body; empty when Teams takes it and nothing in it acts. */
export function teamsProblems(body: unknown): string[] {
  if (!isObject(body)) return ['the body is not an object'];
  const size = Buffer.byteLength(JSON.stringify(body));
  const problems = size > LARGEST ? [`RequestEntityTooLarge: ${size} bytes`] : [];
  problems.push(...unknownKeys(body, new Set(['type', 'attachments']), 'message'));
  if (body.type !== 'message') problems.push('it is not a message');
  const attachments = listOf(body.attachments);
  if (attachments.length !== 1) problems.push('the workflow needs a list of one card');
  return [...problems, ...attachments.flatMap((each) => (isObject(each) ? attachmentProblems(each) : ['no card']))];
}

function attachmentProblems({ contentType, content }: Json): string[] {
  if (contentType !== 'application/vnd.microsoft.card.adaptive' || !isObject(content)) return ['it is no card'];
  const problems = unknownKeys(content, CARD_KEYS, 'card');
  if (content.type !== 'AdaptiveCard' || content.version !== '1.2') problems.push('an unknown kind of card');
  // Entities could mention people.
  if (JSON.stringify(content.msteams) !== '{"width":"Full"}') problems.push('msteams has more than a width');
  const body = listOf(content.body);
  if (body.length === 0) problems.push('an empty card');
  return [...problems, ...body.flatMap(blockProblems)];
}

function blockProblems(block: unknown): string[] {
  if (!isObject(block)) return ['a block is not an object'];
  if (block.type === 'Container') {
    const problems = STYLES.has(String(block.style)) ? [] : [`unknown style ${String(block.style)}`];
    return [...problems, ...listOf(block.items).flatMap(blockProblems)];
  }
  // Of a template alone.
  if (block.type === 'TextBlock' && typeof block.text === 'string') return markdownProblems(block.text);
  if (block.type !== 'RichTextBlock') return [`${String(block.type)} would read Markdown`];
  const inlines = listOf(block.inlines);
  return inlines.length === 0 ? ['a block without text'] : inlines.flatMap(runProblems);
}

/** Bold words with a colon are our own labels. */
function markdownProblems(text: string): string[] {
  const bare = text.replace(/^\*\*[\w ]+:\*\* /, '').replace(/\\[^0-9A-Za-z\s]/g, '·');
  const act = /[`*_[\]<>#~|]|[a-z]+:\/\/|\{\{|^\s*(?:[-+]|\d+\.)\s/im.exec(bare);
  const problems = text.trim() === '' ? ['a block without text'] : controlProblems(text);
  return act === null
    ? problems
    : [...problems, `markup acts: ${JSON.stringify(bare.slice(act.index, act.index + 40))}`];
}

function runProblems(value: unknown): string[] {
  if (!isObject(value) || value.type !== 'TextRun') return ['it is no TextRun'];
  if (typeof value.text !== 'string' || value.text === '') return ['a run without text'];
  const problems = [...unknownKeys(value, RUN_KEYS, 'run'), ...controlProblems(value.text)];
  return value.text.includes('{{') ? [...problems, 'it begins a function'] : problems;
}

export const teamsService: Service = {
  path: `/workflows/b840a60a/triggers/manual/paths/invoke?api-version=1&sig=${RECEIVER_TOKEN}`,
  problems: (request) => [...jsonProblems(request), ...teamsProblems(request.json)],
  accept: () => ({ status: 202 }),
  refuse: () => jsonReply(400, { error: { code: 'TriggerInputSchemaMismatch', message: 'The input is not valid' } }),
  limit: (seconds) =>
    jsonReply(429, { error: { code: 'WorkflowTriggerRateLimitExceeded', message: 'Slow down' } }, waitHeader(seconds)),
};

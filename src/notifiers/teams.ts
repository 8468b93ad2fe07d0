import { z } from 'zod';
import type { HttpResponse } from '../core/http.ts';
import { requireAccepted } from '../core/http-outcome.ts';
import { ICONS, type Line, type Message, type Part, plainMessage, type Tone } from '../core/message.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { secretUrl } from '../core/options.ts';
import { cutText } from '../core/text.ts';

/**
 * Bytes of all that is in the card. The limit is 28 KB, https://learn.microsoft.com/connectors/teams/#known-issues-and-limitations-with-actions,
 * but 21,000 were seen to be refused: https://www.rubydoc.info/gems/msteams_hermes/MsTeamsHermes/Message
 */
const CARD_BYTES = 16_000;
const PLAIN_TEXT = 3_000;

/** https://adaptivecards.io/explorer/Container.html: what stands behind the title. */
const STYLES: Record<Tone, string> = {
  own: 'attention',
  ban: 'attention',
  end: 'good',
  cleared: 'warning',
  denied: 'emphasis',
  trouble: 'warning',
  recovered: 'good',
  quiet: 'default',
};

const Options = z.object({
  url: secretUrl().describe('Address of a workflow that begins "When a Teams webhook request is received"'),
});

type Run = { type: 'TextRun'; text: string; weight?: 'Bolder'; fontType?: 'Monospace'; isSubtle?: true };
type Block =
  | { type: 'RichTextBlock'; inlines: Run[]; spacing?: 'Small' }
  | { type: 'TextBlock'; text: string; wrap: true; spacing?: 'Small' }
  | { type: 'Container'; style: string; bleed: true; items: Block[] };

/** Microsoft Teams, by a workflow of Power Automate that posts an Adaptive Card. */
export const teamsNotifier: NotifierDefinition<typeof Options> = {
  type: 'teams',
  summary: 'A Microsoft Teams channel or chat, by a workflow',
  options: Options,
  audience: 'people',
  // 1,800 an hour to one conversation: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit
  pace: { groupIntervalMs: 15_000, minIntervalMs: 2_000, maxEvents: 20_000 },
  create: ({ url }, { http, clock, compose }) => {
    const post = async (id: string, card: object, signal: AbortSignal) => {
      const headers = { 'content-type': 'application/json', 'webhook-id': id };
      const body = JSON.stringify({
        type: 'message',
        attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content: card }],
      });
      requireAccepted(outcomeOf(await http.send({ url, headers, body }, signal)), clock.now());
    };
    return {
      notify: async ({ id, events }, signal) => post(id, renderTeams(await compose(events)), signal),
      notifyPlainly: async ({ id, events }, signal) => {
        const lines = plainMessage(await compose(events), PLAIN_TEXT)
          .split('\n')
          .filter((line) => line !== '');
        return post(id, cardOf(lines.map((line): Block => rich([run(line)]))), signal);
      },
    };
  },
};

/**
 * A workflow answers 202. What stands behind may answer 200 and tell of a failure in its text alone:
 * https://github.com/MicrosoftDocs/msteams-docs/issues/9698
 */
function outcomeOf(response: HttpResponse): HttpResponse {
  const failed = /returned HTTP error ([45]\d\d)/.exec(response.body);
  return response.status === 200 && failed !== null ? { ...response, status: Number(failed[1]) } : response;
}

/** A message as an Adaptive Card, without Markdown: https://adaptivecards.io/explorer/RichTextBlock.html */
export function renderTeams(message: Message): object {
  const title: Line = [`${ICONS[message.tone]} `, ...message.title];
  const head: Block = {
    type: 'Container',
    style: STYLES[message.tone],
    bleed: true,
    items: [blockOf(title, (text) => ({ ...run(text), weight: 'Bolder' }))],
  };
  const foot: Block = rich([{ ...run(cutText(message.footer, 300)), isSubtle: true }]);
  const blocks = [
    ...message.lead.map((line) => blockOf(line)),
    ...message.facts.map(({ label, value }) => withLabel(label, blockOf(value))),
    ...message.notes.map((note) => blockOf(['⚠ ', ...note])),
    ...message.items.map((item) => blockOf(['• ', ...item])),
    ...message.evidence.map((line): Block => rich([{ ...run(line), fontType: 'Monospace' }])),
  ];
  return cardOf([head, ...withinBytes(blocks, CARD_BYTES - sizeOf(head) - sizeOf(foot)), foot]);
}

function cardOf(body: readonly Block[]): object {
  return {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    // The first with RichTextBlock, and what Teams shows on telephones too.
    version: '1.2',
    msteams: { width: 'Full' },
    body,
  };
}

function sizeOf(block: Block): number {
  return Buffer.byteLength(JSON.stringify(block)) + 1;
}

/** The first blocks that fit; `…` stands for the rest. */
function withinBytes(blocks: readonly Block[], bytes: number): readonly Block[] {
  const more = rich([run('…')]);
  let left = bytes - sizeOf(more);
  const tooMany = blocks.findIndex((block) => {
    left -= sizeOf(block);
    return left < 0;
  });
  return tooMany < 0 ? blocks : [...blocks.slice(0, tooMany), more];
}

/** Text in which nothing is Markdown; `{{` would begin a date: https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features */
function run(text: string): Run {
  return { type: 'TextRun', text: text.replace(/\{(?=\{)/g, '{ ') };
}

function rich(inlines: Run[]): Block {
  return { type: 'RichTextBlock', inlines, spacing: 'Small' };
}

function withLabel(label: string, block: Block): Block {
  if (block.type === 'TextBlock') return { ...block, text: `**${escapeMarkdown(label)}:** ${block.text}` };
  if (block.type !== 'RichTextBlock') return block;
  return { ...block, inlines: [{ ...run(`${label}: `), weight: 'Bolder' }, ...block.inlines] };
}

/** A line of runs; of Markdown, where the admin wrote some of it. */
function blockOf(line: Line, own: (text: string) => Run = run): Block {
  if (line.some((part) => typeof part === 'object' && 'markup' in part)) {
    return { type: 'TextBlock', text: line.map(markdownOf).join(''), wrap: true, spacing: 'Small' };
  }
  const runs = line.map((part): Run => {
    if (typeof part === 'object' && 'code' in part) return { ...run(part.code), fontType: 'Monospace' };
    return own(textOf(part));
  });
  const shown = runs.filter(({ text }) => text !== '');
  return rich(shown.length === 0 ? [run('–')] : shown);
}

function textOf(part: Part): string {
  if (typeof part === 'string') return part;
  if ('code' in part) return part.code;
  if ('words' in part) return part.words;
  if ('markup' in part) return part.markup;
  // In the time zone that is configured: `{{DATE(…)}}` would be the reader's own, but works in Markdown alone.
  return part.as === 'moment' ? part.text : '';
}

function markdownOf(part: Part): string {
  return typeof part === 'object' && 'markup' in part ? part.markup : escapeMarkdown(run(textOf(part)).text);
}

function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_[\]()<>#~|]|^\s*(?:[-+]|\d+\.)(?=\s)/g, '\\$&').replace(/:(?=\/\/)/g, ': ');
}

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

/** Our own bounds; a text may have 16,383: https://developers.mattermost.com/integrate/webhooks/incoming/ */
const TITLE = 1_000;
const PLAIN_TEXT = 3_000;
/** All attachments as JSON: older servers take 7,900, https://gitlab.com/gitlab-org/gitlab-foss/-/issues/37555 */
const ATTACHMENT = 5_500;
const EVIDENCE = 1_200;
/** The webhook, its channel or its user, and not what is sent; Mattermost answers all of it with 400. */
const ABOUT_WEBHOOK = /incoming_webhook\.(invalid|channel|user|team|permissions)/;

const Options = z.object({
  url: secretUrl().describe('Incoming webhook, https://mattermost.example.org/hooks/…'),
});

/** Mattermost by an incoming webhook: https://developers.mattermost.com/integrate/webhooks/incoming/ */
export const mattermostNotifier: NotifierDefinition<typeof Options> = {
  type: 'mattermost',
  summary: 'A Mattermost channel, by an incoming webhook',
  options: Options,
  audience: 'people',
  // 10 requests a second where an admin limits them at all.
  pace: { groupIntervalMs: 15_000, minIntervalMs: 1_000, maxEvents: 20_000 },
  create: ({ url }, { http, clock, compose }) => {
    const post = async (id: string, payload: object, signal: AbortSignal) => {
      const headers = { 'content-type': 'application/json', 'webhook-id': id };
      const response = await http.send({ url, headers, body: JSON.stringify(payload) }, signal);
      requireSent(response, clock.now());
    };
    return {
      notify: async ({ id, events }, signal) => post(id, renderMattermost(await compose(events)), signal),
      notifyPlainly: async ({ id, events }, signal) => {
        return post(id, { text: codeBlock(plainMessage(await compose(events), PLAIN_TEXT)) }, signal);
      },
    };
  },
};

function requireSent(response: HttpResponse, now: number): void {
  const id = response.status === 400 ? readAnswer(z.object({ id: z.string() }), response.body)?.id : undefined;
  const said = id === undefined ? undefined : ABOUT_WEBHOOK.exec(id)?.[0];
  if (said !== undefined) throw new PermanentError(`HTTP 400: ${said}`);
  requireAccepted(response, now, resetMs(response));
  if (response.body.trim() !== 'ok') throw new PermanentError("the answer is not Mattermost's");
}

/** Seconds: https://docs.mattermost.com/configure/rate-limiting-configuration-settings.html */
function resetMs({ headers }: HttpResponse): number {
  const seconds = Number(headers['x-ratelimit-reset']);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
}

/** A message as the body of an incoming webhook: the title as text, all else as an attachment with its colour. */
export function renderMattermost(message: Message): object {
  const footer = codeSpan(cutText(message.footer, 200));
  const evidence = joinUpTo(message.evidence.map(codeText), EVIDENCE);
  const end = evidence === '' ? footer : `\`\`\`\n${evidence}\n\`\`\`\n${footer}`;
  const lines: Line[] = [
    ...message.lead,
    ...message.facts.map(({ label, value }): Line => [{ markup: `**${label}**: ` }, ...value]),
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

/** Nothing in it is Markdown, a name or a link. */
export function codeBlock(text: string): string {
  return `\`\`\`\n${codeText(text)}\n\`\`\``;
}

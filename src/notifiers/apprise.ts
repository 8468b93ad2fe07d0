import { z } from 'zod';
import { PermanentError, TransientError } from '../core/errors.ts';
import { requireAccepted } from '../core/http-outcome.ts';
import { plainMessage, type Tone } from '../core/message.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { secretText, secretUrl } from '../core/options.ts';
import { cutBytes, type PushText, renderPush, withoutLinks } from './push-text.ts';

/** Our own bound, as each service behind it has another: it cuts what is longer, or sends it in pieces. */
const BODY_BYTES = 3_000;
const PLAIN_BYTES = 1_000;

/** https://github.com/caronc/apprise-api#api-details */
const TYPES: Record<Tone, 'info' | 'success' | 'warning' | 'failure'> = {
  own: 'failure',
  trouble: 'failure',
  ban: 'warning',
  denied: 'warning',
  cleared: 'warning',
  recovered: 'success',
  end: 'success',
  quiet: 'info',
};

const Options = z
  .object({
    url: secretUrl()
      .describe('Address of the server with `/notify/KEY`, or `/notify/` where `urls` are given')
      .meta({ examples: ['http://apprise:8000/notify/cowbell'] }),
    urls: secretText()
      .optional()
      .describe('Apprise URLs of the services, where the server keeps none; with commas in between'),
    tag: z
      .string()
      .regex(/^[\w .,-]{1,200}$/, 'expected tags: a comma is an or, a blank an and')
      .optional()
      .describe('Only the services that have these tags')
      .meta({ examples: ['admins'] }),
  })
  .superRefine(({ url, urls }, context) => {
    const hasKey = /\/notify\/[\w-]+\/?$/.test(new URL(url.reveal()).pathname);
    if (!hasKey && urls === undefined)
      context.addIssue({
        code: 'custom',
        path: ['url'],
        message: 'expected /notify/KEY at its end, or `urls` beside it',
      });
  });

/** An Apprise API server, and whatever it sends on to: https://github.com/caronc/apprise-api */
export const appriseNotifier: NotifierDefinition<typeof Options> = {
  type: 'apprise',
  summary: 'An Apprise API server, and the services that it sends on to',
  options: Options,
  audience: 'people',
  pace: { groupIntervalMs: 15_000, minIntervalMs: 1_000, maxEvents: 20_000 },
  create: ({ url, urls, tag }, { http, clock, compose }) => {
    const post = async (id: string, tone: Tone, { title, text }: PushText, signal: AbortSignal) => {
      const payload = {
        title: withoutCalls(title),
        body: cutBytes(withoutCalls(text), BODY_BYTES),
        type: TYPES[tone],
        format: 'text',
        ...(tag !== undefined && { tag }),
        ...(urls !== undefined && { urls: urls.reveal() }),
      };
      const headers = { 'content-type': 'application/json', accept: 'application/json', 'webhook-id': id };
      const response = await http.send({ url, headers, body: JSON.stringify(payload) }, signal);
      if (response.status === 204) throw new PermanentError('Apprise has no service under this key and tag: HTTP 204');
      // Whoever was reached is told again: better than that the other never is.
      if (response.status === 424) throw new TransientError('HTTP 424: Apprise could not reach one of its services');
      requireAccepted(response, clock.now());
    };
    return {
      notify: async ({ id, events }, signal) => {
        const message = await compose(events);
        return post(id, message.tone, renderPush(message, BODY_BYTES), signal);
      },
      notifyPlainly: async ({ id, events }, signal) => {
        const message = await compose(events);
        const text = withoutLinks(plainMessage(message, PLAIN_BYTES));
        return post(id, message.tone, { title: 'cowbell', text }, signal);
      },
    };
  },
};

/** Apprise hands text on as it is, also to services for which `<!channel>` and `@everyone` call somebody. */
function withoutCalls(text: string): string {
  return text
    .replaceAll('<', '‹')
    .replaceAll('>', '›')
    .replace(/(?<![\w.+-])@/g, '＠');
}

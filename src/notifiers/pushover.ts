import { z } from 'zod';
import { PermanentError } from '../core/errors.ts';
import type { HttpResponse } from '../core/http.ts';
import { requireAccepted, waitIn } from '../core/http-outcome.ts';
import { plainMessage, type Tone } from '../core/message.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { secretText, secretUrl } from '../core/options.ts';
import { Secret } from '../core/secret.ts';
import { cutText } from '../core/text.ts';
import { type PushText, renderPush, withoutLinks } from './push-text.ts';
import { readAnswer } from './read-answer.ts';

/** Of the 1,024 characters, counted as bytes to be safe: https://pushover.net/api#limits */
const MESSAGE_BYTES = 1_000;
const PLAIN_TEXT = 300;

/** https://pushover.net/api#priority: 1 is shown in quiet hours too, -1 makes no sound; 2 would have to be confirmed. */
const PRIORITIES: Record<Tone, -1 | 0 | 1> = {
  own: 1,
  trouble: 1,
  denied: 0,
  ban: 0,
  cleared: 0,
  recovered: 0,
  end: -1,
  quiet: -1,
};

const Options = z.object({
  url: secretUrl()
    .default(new Secret('https://api.pushover.net'))
    .describe('The API, where it is reached by a proxy')
    .meta({ examples: ['https://api.pushover.net'] }),
  token: secretText().describe('API token of the application'),
  user: secretText().describe('Key of the user, or of the group'),
});

/** Pushover: https://pushover.net/api */
export const pushoverNotifier: NotifierDefinition<typeof Options> = {
  type: 'pushover',
  summary: 'Telephones, by Pushover',
  options: Options,
  audience: 'people',
  // 10,000 messages a month: https://pushover.net/api#limits
  pace: { groupIntervalMs: 60_000, minIntervalMs: 5_000, maxEvents: 20_000 },
  create: ({ url, token, user }, { http, clock, compose }) => {
    const target = new Secret(`${url.reveal().replace(/\/+$/, '')}/1/messages.json`);
    const secrets = { token: token.reveal(), user: user.reveal() };
    const post = async (id: string, tone: Tone, { title, text }: PushText, signal: AbortSignal) => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded', 'webhook-id': id };
      const form = { ...secrets, title, message: text, priority: String(PRIORITIES[tone]) };
      const body = new URLSearchParams(form).toString();
      requireSent(await http.send({ url: target, headers, body }, signal), clock.now());
    };
    return {
      notify: async ({ id, events }, signal) => {
        const message = await compose(events);
        return post(id, message.tone, renderPush(message, MESSAGE_BYTES), signal);
      },
      notifyPlainly: async ({ id, events }, signal) => {
        const message = await compose(events);
        const text = cutText(withoutLinks(plainMessage(message, PLAIN_TEXT)), PLAIN_TEXT);
        return post(id, message.tone, { title: 'cowbell', text }, signal);
      },
    };
  },
};

const Answer = z.object({ status: z.number(), token: z.string().optional(), user: z.string().optional() });

/** What is wrong is named by its parameter, with `invalid`: https://pushover.net/api#response */
function requireSent(response: HttpResponse, now: number): void {
  const answer = readAnswer(Answer, response.body);
  if (response.status === 400 && answer?.token === 'invalid')
    throw new PermanentError('HTTP 400: the token is invalid');
  if (response.status === 400 && answer?.user === 'invalid') throw new PermanentError('HTTP 400: the user is invalid');
  requireAccepted(quoteless(response), now, Math.max(resetMs(response, now), waitIn(response.body)));
  if (answer?.status !== 1) throw new PermanentError("the answer is not Pushover's");
}

/** The token and the key are in the body of the request: an answer that is not Pushover's own may quote them. */
function quoteless(response: HttpResponse): HttpResponse {
  return readAnswer(Answer, response.body) === undefined ? { ...response, body: '' } : response;
}

/** When the messages of the month are used up: seconds since the epoch. */
function resetMs({ headers }: HttpResponse, now: number): number {
  const reset = Number(headers['x-limit-app-reset']) * 1000 - now;
  return Number.isFinite(reset) && reset > 0 ? reset : 0;
}

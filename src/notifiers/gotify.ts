import { z } from 'zod';
import { PermanentError } from '../core/errors.ts';
import { requireAccepted } from '../core/http-outcome.ts';
import { plainMessage, type Tone } from '../core/message.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { secretText, secretUrl } from '../core/options.ts';
import { Secret } from '../core/secret.ts';
import { cutBytes, type PushText, renderPush, withoutLinks } from './push-text.ts';
import { readAnswer } from './read-answer.ts';

/** Our own bound: Gotify has none but that of its database. */
const MESSAGE_BYTES = 8_000;
const PLAIN_BYTES = 1_000;

/** 8 and more vibrate, 4 and more make a sound: https://github.com/gotify/android#message-priorities */
const PRIORITIES: Record<Tone, number> = {
  own: 9,
  trouble: 8,
  denied: 5,
  ban: 5,
  cleared: 5,
  recovered: 4,
  end: 2,
  quiet: 2,
};

const Options = z.object({
  url: secretUrl().describe('Address of the server, https://gotify.example.org'),
  token: secretText()
    .refine((token) => /^[\x21-\x7e]+$/.test(token.reveal()), 'expected the token of an application')
    .describe('Token of an application, not of a client'),
});

/** A Gotify server: https://gotify.net/api-docs#/message/createMessage */
export const gotifyNotifier: NotifierDefinition<typeof Options> = {
  type: 'gotify',
  summary: 'A Gotify server',
  options: Options,
  audience: 'people',
  pace: { groupIntervalMs: 15_000, minIntervalMs: 1_000, maxEvents: 20_000 },
  create: ({ url, token }, { http, clock, compose }) => {
    const target = messageUrl(url);
    const post = async (id: string, tone: Tone, { title, text }: PushText, signal: AbortSignal) => {
      const headers = { 'content-type': 'application/json', 'webhook-id': id, 'x-gotify-key': token.reveal() };
      const body = JSON.stringify({
        title,
        message: text,
        priority: PRIORITIES[tone],
        // https://gotify.net/docs/msgextras#clientdisplay
        extras: { 'client::display': { contentType: 'text/plain' } },
      });
      const response = await http.send({ url: target, headers, body }, signal);
      requireAccepted(response, clock.now());
      if (readAnswer(Answer, response.body) === undefined) throw new PermanentError("the answer is not Gotify's");
    };
    return {
      notify: async ({ id, events }, signal) => {
        const message = await compose(events);
        return post(id, message.tone, renderPush(message, MESSAGE_BYTES), signal);
      },
      notifyPlainly: async ({ id, events }, signal) => {
        const message = await compose(events);
        const text = cutBytes(withoutLinks(plainMessage(message, PLAIN_BYTES)), PLAIN_BYTES);
        return post(id, message.tone, { title: 'cowbell', text }, signal);
      },
    };
  },
};

const Answer = z.object({ id: z.number(), message: z.string() });

function messageUrl(url: Secret): Secret {
  const target = new URL(url.reveal());
  target.pathname = `${target.pathname.replace(/\/+$/, '')}/message`;
  return new Secret(target.href);
}

import { z } from 'zod';
import { PermanentError } from '../core/errors.ts';
import type { HttpResponse } from '../core/http.ts';
import { requireAccepted } from '../core/http-outcome.ts';
import { plainMessage, type Tone } from '../core/message.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { secretText, secretUrl } from '../core/options.ts';
import { Secret } from '../core/secret.ts';
import { cutBytes, type PushText, renderPush, withoutLinks } from './push-text.ts';
import { readAnswer } from './read-answer.ts';

/** Bytes, of the 4,096 beyond which it becomes a file: https://docs.ntfy.sh/publish/#limitations */
const MESSAGE_BYTES = 4_000;
const PLAIN_BYTES = 1_000;
/** https://docs.ntfy.sh/publish/#updating-deleting-notifications */
const SEQUENCE_ID = /^[-_A-Za-z0-9]{1,64}$/;
/** The topic is no topic, or a reserved one: https://github.com/binwiederhier/ntfy/blob/main/server/errors.go */
const ABOUT_TOPIC: readonly unknown[] = [40009, 40010];

/** https://docs.ntfy.sh/publish/#message-priority: 1 to 5. */
const PRIORITIES: Record<Tone, number> = {
  own: 5,
  trouble: 4,
  denied: 3,
  ban: 3,
  cleared: 3,
  recovered: 3,
  end: 2,
  quiet: 2,
};

const Options = z.object({
  url: secretUrl()
    .refine((url) => topicOf(url) !== undefined, 'expected the address of a topic, https://ntfy.sh/a-topic')
    .describe('Address of the topic, https://ntfy.sh/…; who knows a public one can read it'),
  token: secretText().optional().describe('Access token, tk_…, where the topic is protected'),
});

/** ntfy, its own server or one of yours: https://docs.ntfy.sh/publish/#publish-as-json */
export const ntfyNotifier: NotifierDefinition<typeof Options> = {
  type: 'ntfy',
  summary: 'A topic of ntfy.sh, or of an ntfy server of your own',
  options: Options,
  audience: 'people',
  // 60 at once, then one in 5 seconds: https://docs.ntfy.sh/publish/#limitations
  pace: { groupIntervalMs: 15_000, minIntervalMs: 5_000, maxEvents: 20_000 },
  create: ({ url, token }, { http, clock, compose }) => {
    const topic = topicOf(url);
    const target = serverOf(url);
    const post = async (id: string, tone: Tone, { title, text }: PushText, signal: AbortSignal) => {
      const headers = {
        'content-type': 'application/json',
        'webhook-id': id,
        // A second message under the same takes the place of the first.
        ...(SEQUENCE_ID.test(id) && { 'x-sequence-id': id }),
        ...(token !== undefined && { authorization: `Bearer ${token.reveal()}` }),
      };
      const body = JSON.stringify({ topic, title, message: text, priority: PRIORITIES[tone] });
      requireSent(await http.send({ url: target, headers, body }, signal), clock.now());
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

function topicOf(url: Secret): string | undefined {
  const topic = URL.parse(url.reveal())?.pathname.split('/').at(-1) ?? '';
  return SEQUENCE_ID.test(topic) ? topic : undefined;
}

/** What is published as JSON goes to the address without the topic. */
function serverOf(url: Secret): Secret {
  const server = new URL(url.reveal());
  server.pathname = server.pathname.replace(/[^/]*$/, '');
  return new Secret(server.href);
}

const Answer = z.object({ code: z.number().optional(), event: z.string().optional() });

function requireSent(response: HttpResponse, now: number): void {
  const answer = readAnswer(Answer, response.body);
  if (response.status === 400 && ABOUT_TOPIC.includes(answer?.code)) {
    throw new PermanentError(`HTTP 400: ntfy does not take this topic (${answer?.code})`);
  }
  requireAccepted(response, now);
  if (answer?.event !== 'message') throw new PermanentError("the answer is not ntfy's");
}

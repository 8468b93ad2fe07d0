import { createHmac } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import type { HttpClient } from '../core/http.ts';
import { requireAccepted } from '../core/http-outcome.ts';
import type { Delivery, Notifier, NotifierDefinition } from '../core/notifier.ts';
import { secretText, secretUrl } from '../core/options.ts';
import type { Secret } from '../core/secret.ts';
import { compileBody } from './body-template.ts';
import { toCloudEvent } from './cloud-event.ts';
import { authHeaders, authOptions, checkAuth } from './http-auth.ts';

const KEY_PREFIX = 'whsec_';

/** Those that are cowbell's to set, or HTTP's. */
const OUR_HEADERS =
  /^(host|connection|keep-alive|upgrade|expect|te|trailer|transfer-encoding|content-(length|type)|webhook-(id|timestamp|signature))$/i;

const Options = z
  .object({
    url: secretUrl()
      .describe('Where CloudEvents are sent')
      .meta({ examples: ['${COWBELL_WEBHOOK_URL}', 'https://example.org/hooks/cowbell'] }),
    secret: secretText()
      .refine(isKey, 'expected base64 behind `whsec_`')
      .optional()
      .describe('Signs each request as https://www.standardwebhooks.com says; `whsec_` and base64, or any text'),
    method: z.enum(['POST', 'PUT']).default('POST').describe('How it is sent'),
    body: z
      .string()
      .min(1)
      .max(20_000)
      .optional()
      .describe('A body of your own in place of a CloudEvent, in Liquid; then each event is a request')
      .meta({ examples: ['{"text": "{{ type }} on {{ host }}"}'] }),
    content_type: z
      .string()
      .regex(/^[\w.+-]+\/[\w.+-]+(?:; ?[\w-]+=[\w-]+)*$/, 'expected a type such as application/json')
      .default('application/json')
      .describe('What `body` is: values are escaped for JSON, forms, XML and HTML'),
    ...authOptions,
    headers: z
      .record(
        z
          .string()
          .regex(/^[\w-]+$/)
          .refine(isOwnHeader, 'cowbell sets this header itself'),
        headerValue(),
      )
      .default({})
      .describe('Further headers')
      .meta({ examples: [{ 'x-api-key': '${API_KEY}' }] }),
  })
  .superRefine((options, context) => {
    checkAuth(options, context);
    const isDouble = Object.keys(options.headers).some((name) => name.toLowerCase() === 'authorization');
    if (options.token !== undefined && isDouble)
      context.addIssue({ code: 'custom', path: ['headers'], message: 'authorization is set by token already' });
  });

/** Anything that takes CloudEvents 1.0 by HTTP, one event as an object, several as an array; or a body of one's own. */
export const webhookNotifier: NotifierDefinition<typeof Options> = {
  type: 'webhook',
  summary: 'Any HTTP receiver: CloudEvents 1.0, or a body of your own, signed as Standard Webhooks',
  options: Options,
  audience: 'programs',
  pace: { groupIntervalMs: 0, minIntervalMs: 0, maxEvents: 100 },
  eventsAtOnce: ({ body }) => (body === undefined ? undefined : 1),
  create: (options, { http, clock }) => createWebhookNotifier(options, http, clock),
};

function createWebhookNotifier(options: z.output<typeof Options>, http: HttpClient, clock: Clock): Notifier {
  const { url, secret, method, headers, user, token } = options;
  const own = options.body === undefined ? undefined : compileBody(options.body, options.content_type);
  const contentOf = ({ size, events }: Delivery): { body: string; contentType: string } => {
    const [first] = events;
    if (own !== undefined && first !== undefined) return { body: own.render(first), contentType: options.content_type };
    const cloudEvents = Array.from(events, toCloudEvent);
    const isBatch = size > 1;
    return {
      body: JSON.stringify(isBatch ? cloudEvents : cloudEvents[0]),
      contentType: `application/cloudevents${isBatch ? '-batch' : ''}+json; charset=utf-8`,
    };
  };
  return {
    async notify(delivery, signal) {
      const { id } = delivery;
      const { body, contentType } = contentOf(delivery);
      const seconds = String(Math.floor(clock.now() / 1000));
      const response = await http.send(
        {
          url,
          method,
          headers: {
            ...authHeaders({ user, token }),
            ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value.reveal()])),
            'content-type': contentType,
            'webhook-id': id,
            'webhook-timestamp': seconds,
            ...(secret !== undefined && { 'webhook-signature': sign(secret, id, seconds, body) }),
          },
          body,
        },
        signal,
      );
      requireAccepted(response, clock.now());
    },
  };
}

function isOwnHeader(name: string): boolean {
  return !OUR_HEADERS.test(name);
}

function headerValue() {
  return secretText().refine(
    (value) => /^[\t\x20-\x7e\x80-\xff]*$/.test(value.reveal()),
    'a header is one line, without characters beyond Latin-1',
  );
}

function isKey(secret: Secret): boolean {
  const text = secret.reveal();
  return !text.startsWith(KEY_PREFIX) || /^[A-Za-z0-9+/]{2,}={0,2}$/.test(text.slice(KEY_PREFIX.length));
}

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme */
function sign(secret: Secret, id: string, seconds: string, body: string): string {
  const text = secret.reveal();
  const key = text.startsWith(KEY_PREFIX) ? Buffer.from(text.slice(KEY_PREFIX.length), 'base64') : Buffer.from(text);
  return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`;
}

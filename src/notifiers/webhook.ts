import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { requireAccepted } from '../core/http-outcome.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { secretText, secretUrl } from '../core/options.ts';
import type { Secret } from '../core/secret.ts';
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

/** Anything that takes CloudEvents 1.0 by HTTP: one event as an object, several as an array. */
export const webhookNotifier: NotifierDefinition<typeof Options> = {
  type: 'webhook',
  summary: 'Any HTTP receiver: CloudEvents 1.0, signed as Standard Webhooks',
  options: Options,
  audience: 'programs',
  pace: { groupIntervalMs: 0, minIntervalMs: 0, maxEvents: 100 },
  create: ({ url, secret, method, headers, user, token }, { http, clock }) => ({
    async notify({ id, size, events }, signal) {
      const isBatch = size > 1;
      const cloudEvents = Array.from(events, toCloudEvent);
      const body = JSON.stringify(isBatch ? cloudEvents : cloudEvents[0]);
      const seconds = String(Math.floor(clock.now() / 1000));
      const response = await http.send(
        {
          url,
          method,
          headers: {
            ...authHeaders({ user, token }),
            ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value.reveal()])),
            'content-type': `application/cloudevents${isBatch ? '-batch' : ''}+json; charset=utf-8`,
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
  }),
};

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

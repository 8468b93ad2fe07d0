import { afterAll, expect, test } from 'vitest';
import type { NotifierDefinition } from '../../src/core/notifier.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { gotifyNotifier } from '../../src/notifiers/gotify.ts';
import { ntfyNotifier } from '../../src/notifiers/ntfy.ts';
import { cutBytes, renderPush, withoutLinks } from '../../src/notifiers/push-text.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { deliveryOf } from '../support/delivery.ts';
import { type Behaviour, type ReceiverKind, startReceiver } from '../support/receivers.ts';
import { jsonReply } from '../support/service.ts';
import { stormOf } from './hostile-events.ts';
import { collectOutput, fixedClock, NOW } from './rig.ts';

const samples = sampleEvents('mail.example.org', NOW);
const http = createHttpClient({ userAgent: 'cowbell/test' });
afterAll(() => http.close());

/** Sends the sample of a ban to a receiver of the kind, and gives back what it was sent. */
async function sendBan(definition: unknown, options: object = {}, behaviour: Behaviour = 'accept') {
  const { type, options: schema, create } = definition as NotifierDefinition;
  const receiver = await startReceiver({ kind: type as ReceiverKind, behaviour });
  try {
    const parsed = schema.parse({ url: receiver.url, ...options });
    const tools = {
      http,
      clock: fixedClock,
      stdout: collectOutput(),
      mailer: createSmtpMailer(),
      compose: composeMessage,
    };
    await create(parsed, tools).notify(deliveryOf('d-1', samples.slice(0, 1)), new AbortController().signal);
    return receiver.requests[0];
  } finally {
    await receiver.stop();
  }
}

test('a push has the news in its title, and ends with its foot', () => {
  const { title, text } = renderPush(composeMessage(samples.slice(0, 1)), 4_000);
  expect(title).toBe('🔔 Test: Banned 203.0.113.7 for 30 min');
  expect(text.split('\n')[0]).toBe('10 failed logins on smtp as info@example.org and sales@example.org');
  expect(text).toMatch(/\nmail\.example\.org · netfilter$/);
});

test.each([200, 500, 1_000])('a storm fits %i bytes, with its foot', (bytes) => {
  const { text } = renderPush(composeMessage(stormOf(2_500)), bytes);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(bytes);
  expect(text).toMatch(/…\nmail\.example\.org/);
});

test('text is cut between characters', () => {
  expect(cutBytes('üüü', 6)).toBe('üüü');
  expect(cutBytes('üüüü', 7)).toBe('üü…');
  expect(cutBytes('😀😀', 7)).toBe('😀…');
});

test('an address is told, and opens nothing', () => {
  expect(withoutLinks('see https://evil.example mailto:a@b.example')).toBe(
    'see https: //evil.example mailto: a@b.example',
  );
  expect(withoutLinks('at 12:30, 2001:db8::1')).toBe('at 12:30, 2001:db8::1');
});

test('ntfy: the topic is the end of the address, and a repeat takes the place of the first', async () => {
  const request = await sendBan(ntfyNotifier, { token: 'tk_abc' });
  expect(request?.json).toMatchObject({ topic: 'tOkEn-4f9c2e7d1b', priority: 3 });
  expect(request?.headers).toMatchObject({ authorization: 'Bearer tk_abc', 'x-sequence-id': 'd-1' });
});

test.each([
  [40009, false],
  [40010, false],
  [40017, true],
])('ntfy: 400 with code %i', async (code, isPayload) => {
  const behaviour = jsonReply(400, { code, http: 400, error: 'invalid request' });
  await expect(sendBan(ntfyNotifier, {}, behaviour)).rejects.toMatchObject({ name: 'PermanentError', isPayload });
});

test.each(['https://ntfy.sh', 'https://ntfy.sh/', 'https://ntfy.sh/a.b', 'ntfy.sh/topic'])(
  'ntfy: %s is no topic',
  (url) => {
    expect(ntfyNotifier.options.safeParse({ url }).success).toBe(false);
  },
);

test('gotify: the token goes as a header, and a slash at the end of the address does no harm', async () => {
  const request = await sendBan(gotifyNotifier, { token: 'A.bc' });
  expect(request?.headers['x-gotify-key']).toBe('A.bc');
  expect(request?.path).toMatch(/[^/]\/message$/);
  expect(gotifyNotifier.options.safeParse({ url: 'https://x.example', token: 'a\nb' }).success).toBe(false);
});

test.each([
  [ntfyNotifier, "the answer is not ntfy's"],
  [gotifyNotifier, "the answer is not Gotify's"],
])('200 with a page of somebody else is no success', async (definition, message) => {
  const behaviour = { status: 200, body: '<html>Welcome</html>' };
  await expect(sendBan(definition, { token: 'x' }, behaviour)).rejects.toMatchObject({
    name: 'PermanentError',
    message,
  });
});

import { afterAll, expect, test } from 'vitest';
import type { NotifierDefinition, NotifierTools } from '../../src/core/notifier.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { matrixNotifier, renderMatrix } from '../../src/notifiers/matrix.ts';
import { pushoverNotifier } from '../../src/notifiers/pushover.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { deliveryOf } from '../support/delivery.ts';
import { type Behaviour, type ReceiverKind, startReceiver } from '../support/receivers.ts';
import { jsonReply } from '../support/service.ts';
import { collectOutput, fixedClock, NOW } from './rig.ts';

const samples = sampleEvents('mail.example.org', NOW);
const http = createHttpClient({ userAgent: 'cowbell/test' });
afterAll(() => http.close());

const OPTIONS: Record<string, object> = {
  matrix: { token: 'syt_abc', room_id: '!a+b:example.org' },
  pushover: { token: 'aToken', user: 'uKey' },
};

async function send(definition: unknown, behaviour: Behaviour = 'accept') {
  const { type, options, create } = definition as NotifierDefinition;
  const receiver = await startReceiver({ kind: type as ReceiverKind, behaviour });
  try {
    const tools = { http, clock: fixedClock, stdout: collectOutput(), compose: composeMessage };
    const notifier = create(
      options.parse({ url: `${receiver.url}/`, ...OPTIONS[type] }),
      tools as Partial<NotifierTools> as NotifierTools,
    );
    await notifier.notify(deliveryOf('d/1', samples.slice(0, 1)), new AbortController().signal);
    return receiver.requests[0];
  } finally {
    await receiver.stop();
  }
}

test('Matrix: a ban is text and HTML, and mentions nobody', () => {
  expect(renderMatrix(composeMessage(samples.slice(0, 1)))).toMatchObject({
    msgtype: 'm.text',
    body: expect.stringContaining('🔔 Test: Banned 203.0.113.7 for 30 min\n'),
    formatted_body: expect.stringContaining(
      '<strong>🔔 Test: Banned </strong><code>203.0.113.7</code><strong> for 30 min</strong><br>',
    ),
  });
});

test('Matrix: a delivery is one transaction, in a room whose id needs escaping', async () => {
  const request = await send(matrixNotifier);
  expect(request?.problems).toEqual([]);
  expect(request?.path).toMatch(/\/rooms\/!a%2Bb%3Aexample\.org\/send\/m\.room\.message\/d%2F1$/);
  expect(request?.json).toHaveProperty(['m.mentions'], {});
});

test('Matrix: the wait is obeyed where only the body tells it', async () => {
  const behaviour = jsonReply(429, { errcode: 'M_LIMIT_EXCEEDED', error: 'x', retry_after_ms: 1_234 });
  await expect(send(matrixNotifier, behaviour)).rejects.toMatchObject({ retryAfterMs: 1_234 });
});

test.each([
  [400, 'M_BAD_JSON', true],
  [413, 'M_TOO_LARGE', true],
  [400, 'M_INVALID_PARAM', false],
  [401, 'M_UNKNOWN_TOKEN', false],
  [403, 'M_FORBIDDEN', false],
])('Matrix: %i %s is never tried again', async (status, errcode, isPayload) => {
  const behaviour = jsonReply(status, { errcode, error: 'x' });
  await expect(send(matrixNotifier, behaviour)).rejects.toMatchObject({ name: 'PermanentError', isPayload });
});

test.each(['#alias:example.org', 'abc', '!a/b', ''])('Matrix: %j is no id of a room', (room_id) => {
  expect(matrixNotifier.options.safeParse({ url: 'https://m.example', token: 'x', room_id }).success).toBe(false);
});

test('Pushover: the token and the key go in the form, never in the address', async () => {
  const request = await send(pushoverNotifier);
  expect(request?.problems).toEqual([]);
  expect(request?.path).toMatch(/[^/]\/1\/messages\.json$/);
  expect(request?.json).toMatchObject({ token: 'aToken', user: 'uKey', priority: '0' });
});

test.each([
  [{ status: 0, token: 'invalid', errors: ['application token is invalid'] }, false],
  [{ status: 0, user: 'invalid', errors: ['user key is invalid'] }, false],
  [{ status: 0, message: 'cannot be blank', errors: ['message cannot be blank'] }, true],
])('Pushover: 400 with %j', async (body, isPayload) => {
  await expect(send(pushoverNotifier, jsonReply(400, body))).rejects.toMatchObject({ isPayload });
});

test('Pushover: a month that is used up is waited for', async () => {
  const behaviour = jsonReply(429, { status: 0 }, { 'x-limit-app-reset': String(NOW / 1000 + 600) });
  await expect(send(pushoverNotifier, behaviour)).rejects.toMatchObject({ retryAfterMs: 600_000 });
});

test('Pushover: a stranger that quotes the form is not quoted', async () => {
  const error = await send(pushoverNotifier, ({ body }) => ({ status: 500, body })).catch((cause: unknown) => cause);
  expect(error).toMatchObject({ name: 'TransientError', message: 'HTTP 500' });
});

test.each([
  [matrixNotifier, "the answer is not a home server's"],
  [pushoverNotifier, "the answer is not Pushover's"],
])('200 with anything else is no success', async (definition, message) => {
  await expect(send(definition, { status: 200, body: '{}' })).rejects.toMatchObject({
    name: 'PermanentError',
    message,
  });
});

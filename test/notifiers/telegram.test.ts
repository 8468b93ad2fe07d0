import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { renderTelegram, telegramNotifier } from '../../src/notifiers/telegram.ts';
import { deliveryOf } from '../support/delivery.ts';
import { type Receiver, startReceiver } from '../support/receivers.ts';
import { jsonReply } from '../support/service.ts';
import { stormOf } from './hostile-events.ts';
import { collectOutput, fixedClock, NOW } from './rig.ts';

const never = new AbortController().signal;
const samples = sampleEvents('mail.example.org', NOW);
const http = createHttpClient({ userAgent: 'cowbell/test' });
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver({ kind: 'telegram' });
});
afterAll(async () => {
  await http.close();
  await receiver.stop();
});
beforeEach(() => receiver.behave('accept'));

function send(options: object = {}) {
  const parsed = telegramNotifier.options.parse({
    url: receiver.url,
    token: '1:AA-b_c',
    chat_id: '-100123',
    ...options,
  });
  const tools = {
    http,
    clock: fixedClock,
    stdout: collectOutput(),
    mailer: createSmtpMailer(),
    compose: composeMessage,
  };
  return telegramNotifier.create(parsed, tools).notify(deliveryOf('d', samples.slice(0, 1)), never);
}

test('a ban is a few lines, with what a stranger wrote as code', () => {
  const lines = renderTelegram(composeMessage(samples.slice(0, 1))).split('\n');
  expect(lines[0]).toBe('<b>🔔 Test: Banned </b><code>203.0.113.7</code><b> for 30 min</b>');
  expect(lines[1]).toContain('<code>info@example.org</code>');
  expect(lines.at(-1)).toBe('<code>mail.example.org · netfilter</code>');
});

test('a storm has no more markup than is shown', () => {
  const html = renderTelegram(composeMessage(stormOf(2_500)));
  expect(html.match(/<(?=[a-z])/g)?.length).toBeLessThanOrEqual(100);
});

test('it goes to the topic of a group, with a slash at the end of the address or not', async () => {
  await send({ message_thread_id: 7, url: `${receiver.url}/` });
  expect(receiver.requests.at(-1)?.json).toMatchObject({ chat_id: '-100123', message_thread_id: 7 });
  expect(receiver.problems()).toEqual([]);
});

test.each([
  [400, 'Bad Request: chat not found', false],
  [400, 'Bad Request: message thread not found', false],
  [400, 'Bad Request: not enough rights to send text messages to the chat', false],
  [400, "Bad Request: can't parse entities: Unsupported start tag", true],
  [400, 'Bad Request: message is too long', true],
  [401, 'Unauthorized', false],
  [403, 'Forbidden: bot was kicked from the group chat', false],
  [404, 'Not Found', false],
])('%i %j is never tried again', async (error_code, description, isPayload) => {
  receiver.behave(jsonReply(error_code, { ok: false, error_code, description }));
  await expect(send()).rejects.toMatchObject({ name: 'PermanentError', isPayload });
});

test('it says where a group has gone', async () => {
  const description = 'Bad Request: group chat was upgraded to a supergroup chat';
  const parameters = { migrate_to_chat_id: -100987 };
  receiver.behave(jsonReply(400, { ok: false, error_code: 400, description, parameters }));
  await expect(send()).rejects.toThrow('its chat_id is -100987');
});

test.each([{ ok: false }, {}, 'ok'])('200 with %j is no success', async (body) => {
  receiver.behave({ status: 200, body: JSON.stringify(body) });
  await expect(send()).rejects.toMatchObject({ name: 'PermanentError', message: "the answer is not Telegram's" });
});

test.each([{ token: 'a/b' }, { token: '1:a?x=' }, { chat_id: 'a chat' }, { chat_id: '' }])('%j is refused', (wrong) => {
  const given = { token: '1:AA', chat_id: '1', ...wrong };
  expect(telegramNotifier.options.safeParse(given).success).toBe(false);
});

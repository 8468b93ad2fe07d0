import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { discordNotifier, escapeMarkdown, renderDiscord } from '../../src/notifiers/discord.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { deliveryOf } from '../support/delivery.ts';
import { type Receiver, startReceiver } from '../support/receivers.ts';
import { collectOutput, fixedClock, NOW } from './rig.ts';

const never = new AbortController().signal;
const samples = sampleEvents('mail.example.org', NOW);
const http = createHttpClient({ userAgent: 'cowbell/test' });
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver({ kind: 'discord' });
});
afterAll(async () => {
  await http.close();
  await receiver.stop();
});

function createNotifier(query = '') {
  const options = discordNotifier.options.parse({ url: receiver.url + query });
  const mailer = createSmtpMailer();
  const tools = { http, clock: fixedClock, stdout: collectOutput(), mailer, compose: composeMessage };
  return { notifier: discordNotifier.create(options, tools) };
}

const send = (notifier: ReturnType<typeof createNotifier>['notifier']) =>
  notifier.notify(deliveryOf('d', samples.slice(0, 1)), never);

beforeEach(() => receiver.behave('accept'));

test('a ban is an embed, with times in the reader’s zone', () => {
  const body = renderDiscord(composeMessage(samples.slice(0, 1)));
  const embed = body.embeds?.[0];
  expect(body.allowed_mentions).toEqual({ parse: [] });
  expect(embed?.title).toBe('🔔 Test: Banned `203.0.113.7` for 30 min');
  expect(embed?.color).toBe(0xd32f2f);
  expect(embed?.description).toMatch(
    /^10 failed logins on smtp as `info@example.org` and `sales@example.org`\n```\nwarning:/,
  );
  const until = Date.parse('2026-11-23T12:30:00Z') / 1000;
  expect(embed?.fields).toContainEqual({ name: 'Until', value: `<t:${until}:f> (<t:${until}:R>)`, inline: true });
  expect(embed?.footer?.text).toBe('mail.example.org · netfilter');
  expect(embed?.timestamp).toBe('2026-11-23T12:00:00.000Z');
});

test('it waits for the message to be stored, whatever else the address asks for', async () => {
  const before = receiver.requests.length;
  await send(createNotifier().notifier);
  await send(createNotifier('?thread_id=42').notifier);
  const paths = receiver.requests.slice(before).map(({ path }) => path.split('?')[1]);
  expect(paths).toEqual(['wait=true', 'thread_id=42&wait=true']);
  expect(receiver.problems()).toEqual([]);
});

test('204 is as good', async () => {
  receiver.behave({ status: 204 });
  await expect(send(createNotifier().notifier)).resolves.toBeUndefined();
});

test.each([
  ['the body asks for longer', '1', { retry_after: 2.45, global: false }, 2_450],
  ['the header asks for longer', '3', { retry_after: 0.5 }, 3_000],
  ['the body is no JSON', '3', undefined, 3_000],
  ['the body asks for nonsense', '3', { retry_after: 'soon' }, 3_000],
])('429: %s', async (_what, header, body, expected) => {
  receiver.behave({ status: 429, headers: { 'retry-after': header }, body: body ? JSON.stringify(body) : 'slow down' });
  await expect(send(createNotifier().notifier)).rejects.toMatchObject({
    name: 'TransientError',
    retryAfterMs: expected,
  });
});

const EMPTY = { 'x-ratelimit-remaining': '0' };

test.each<[string, Record<string, string>, number]>([
  ['in seconds with a fraction', { ...EMPTY, 'x-ratelimit-reset-after': '1.2345' }, 1_235],
  ['in a minute', { ...EMPTY, 'x-ratelimit-reset-after': '60' }, 60_000],
  ['at a time', { ...EMPTY, 'x-ratelimit-reset': String((NOW + 2_500) / 1_000) }, 2_500],
  ['in seconds, whatever the time', { ...EMPTY, 'x-ratelimit-reset-after': '1', 'x-ratelimit-reset': '1' }, 1_000],
  ['at a time that is over', { ...EMPTY, 'x-ratelimit-reset': '1470173023.5' }, 0],
  ['later, but is not empty', { 'x-ratelimit-remaining': '1', 'x-ratelimit-reset-after': '2' }, 0],
  ['in no time', { ...EMPTY, 'x-ratelimit-reset-after': '' }, 0],
  ['soon', { ...EMPTY, 'x-ratelimit-reset-after': 'soon' }, 0],
  ['before', { ...EMPTY, 'x-ratelimit-reset-after': '-1' }, 0],
  ['never', { ...EMPTY, 'x-ratelimit-reset-after': '1e400' }, 0],
])('a bucket that is full again %s', async (_when, headers, restMs) => {
  const { notifier } = createNotifier();
  receiver.behave({ status: 204, headers });
  await send(notifier);
  expect(Math.max(0, (notifier.restUntil?.() ?? 0) - NOW)).toBe(restMs);
  receiver.behave({ status: 204 });
  await send(notifier);
  expect(notifier.restUntil?.()).toBeLessThanOrEqual(NOW);
});

test('a webhook that was deleted is refused for good', async () => {
  receiver.behave({ status: 404, body: '{"message": "Unknown Webhook", "code": 10015}' });
  await expect(send(createNotifier().notifier)).rejects.toMatchObject({
    name: 'PermanentError',
    message: expect.stringContaining('Unknown Webhook'),
  });
});

test('our own words keep their colons', () => {
  expect(escapeMarkdown('Logs in: *x* :x: a://b')).toBe('Logs in: \\*x\\* \\:x: a\\://b');
});

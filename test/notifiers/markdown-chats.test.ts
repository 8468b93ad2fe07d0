import { afterAll, expect, test } from 'vitest';
import type { NotifierDefinition, NotifierTools } from '../../src/core/notifier.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { escapeMarkdown, renderMarkdownLine } from '../../src/notifiers/markdown-text.ts';
import { mattermostNotifier, renderMattermost } from '../../src/notifiers/mattermost.ts';
import { renderRocketchat, rocketchatNotifier } from '../../src/notifiers/rocketchat.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { deliveryOf } from '../support/delivery.ts';
import { type Behaviour, type ReceiverKind, startReceiver } from '../support/receivers.ts';
import { jsonReply } from '../support/service.ts';
import { collectOutput, fixedClock, NOW } from './rig.ts';

const samples = sampleEvents('mail.example.org', NOW);
const http = createHttpClient({ userAgent: 'cowbell/test' });
afterAll(() => http.close());

async function sendAnswered(definition: unknown, behaviour: Behaviour) {
  const { type, options, create } = definition as NotifierDefinition;
  const receiver = await startReceiver({ kind: type as ReceiverKind, behaviour });
  try {
    const tools = {
      http,
      clock: fixedClock,
      stdout: collectOutput(),
      compose: composeMessage,
    } as Partial<NotifierTools> as NotifierTools;
    const notifier = create(options.parse({ url: receiver.url }), tools);
    await notifier.notify(deliveryOf('d', samples.slice(0, 1)), new AbortController().signal);
  } finally {
    await receiver.stop();
  }
}

test.each([
  ['Mattermost', renderMattermost, '**Until**: '],
  ['Rocket.Chat', renderRocketchat, '*Until*: '],
])('%s: a ban is a title, and a text with its colour', (_name, render, label) => {
  const body = render(composeMessage(samples.slice(0, 1)));
  expect(body).toMatchObject({ text: '🔔 Test: Banned `203.0.113.7` for 30 min', attachments: [{ color: '#d32f2f' }] });
  expect(body).toHaveProperty('attachments[0].text', expect.stringContaining(`\n${label}`));
  expect(body).toHaveProperty('attachments[0].text', expect.stringContaining('as `info@example.org` and'));
});

test('what a stranger says is shown as it is, or as code', () => {
  expect(escapeMarkdown('*a* @all :x: [b](c) 1. d')).toBe('\\*a\\* \\@all \\:x: \\[b\\]\\(c\\) 1. d');
  expect(escapeMarkdown('1. item')).toBe('\\1. item');
  expect(renderMarkdownLine([{ words: 'no answer' }, ' ', { words: 'see evil.example' }])).toBe(
    'no answer `see evil.example`',
  );
});

test.each([
  ['web.incoming_webhook.invalid.app_error', false],
  ['web.incoming_webhook.channel.app_error', false],
  ['web.incoming_webhook.text.app_error', true],
  ['model.incoming_hook.parse_data.app_error', true],
])('Mattermost: 400 with %s', async (id, isPayload) => {
  const behaviour = jsonReply(400, { id, message: 'x', status_code: 400 });
  await expect(sendAnswered(mattermostNotifier, behaviour)).rejects.toMatchObject({
    name: 'PermanentError',
    isPayload,
  });
});

test('Rocket.Chat: a reset in ms since the epoch is waited for', async () => {
  const behaviour = jsonReply(429, { success: false }, { 'x-ratelimit-reset': String(NOW + 42_000) });
  await expect(sendAnswered(rocketchatNotifier, behaviour)).rejects.toMatchObject({ retryAfterMs: 42_000 });
});

test.each([
  [mattermostNotifier, '<html>', "the answer is not Mattermost's"],
  [rocketchatNotifier, '<html>', "the answer is not Rocket.Chat's"],
  [rocketchatNotifier, '{"success":false}', 'the answer says that it was not taken'],
])('200 with anything else is no success', async (definition, body, message) => {
  const sent = sendAnswered(definition, { status: 200, body });
  await expect(sent).rejects.toMatchObject({ name: 'PermanentError', message });
});

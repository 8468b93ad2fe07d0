import { afterAll, expect, test } from 'vitest';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { renderTeams, teamsNotifier } from '../../src/notifiers/teams.ts';
import { deliveryOf } from '../support/delivery.ts';
import { startReceiver } from '../support/receivers.ts';
import { collectOutput, fixedClock, NOW } from './rig.ts';

const samples = sampleEvents('mail.example.org', NOW);
const http = createHttpClient({ userAgent: 'cowbell/test' });
afterAll(() => http.close());

async function sendAnswered(status: number, body: string) {
  const receiver = await startReceiver({ kind: 'teams', behaviour: { status, body } });
  try {
    const tools = {
      http,
      clock: fixedClock,
      stdout: collectOutput(),
      mailer: createSmtpMailer(),
      compose: composeMessage,
    };
    const notifier = teamsNotifier.create(teamsNotifier.options.parse({ url: receiver.url }), tools);
    await notifier.notify(deliveryOf('d', samples.slice(0, 1)), new AbortController().signal);
  } finally {
    await receiver.stop();
  }
}

test('a ban is a card whose title stands on a colour, with what a stranger wrote in runs of its own', () => {
  const card = renderTeams(composeMessage(samples.slice(0, 1)));
  expect(card).toHaveProperty('body[0]', expect.objectContaining({ type: 'Container', style: 'attention' }));
  expect(JSON.stringify(card)).toContain('{"type":"TextRun","text":"info@example.org","fontType":"Monospace"}');
  expect(JSON.stringify(card)).toContain('{"type":"TextRun","text":"Until: ","weight":"Bolder"}');
});

test("the admin's own Markdown is kept, and escapes what is put into it", () => {
  const message = composeMessage(samples.slice(0, 1));
  const card = renderTeams({
    ...message,
    lead: [[{ markup: '**Look** ' }, { code: '[x](https://evil.example) {{DATE' }]],
  });
  expect(JSON.stringify(card)).toContain(
    JSON.stringify('**Look** \\[x\\]\\(https: //evil.example\\) { {DATE').slice(1, -1),
  );
});

test.each([
  [202, ''],
  [200, '1'],
  [200, '{"sent":true}'],
])('%i %j is success', async (status, body) => {
  await expect(sendAnswered(status, body)).resolves.toBeUndefined();
});

test.each([
  [429, 'TransientError'],
  [503, 'TransientError'],
  [413, 'PermanentError'],
])('200 that tells of HTTP error %i is none', async (status, name) => {
  const body = `Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error ${status} with ContextId x`;
  await expect(sendAnswered(200, body)).rejects.toMatchObject({ name });
});

import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { consoleNotifier } from '../../src/notifiers/console.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { deliveryOf } from '../support/delivery.ts';
import { eventsWith, HOSTILE_TEXTS } from './hostile-events.ts';
import { collectOutput, fixedClock, NOW } from './rig.ts';

const never = new AbortController().signal;
const samples = sampleEvents('mail.example.org', NOW);
const http = createHttpClient({ userAgent: 'cowbell/test' });

async function print(options: { colours?: string; isTTY?: boolean }, events = samples.slice(0, 1)): Promise<string> {
  const stdout = collectOutput({ isTTY: options.isTTY ?? false });
  const parsed = consoleNotifier.options.parse({ colours: options.colours });
  await consoleNotifier
    .create(parsed, { http, clock: fixedClock, stdout, mailer: createSmtpMailer(), compose: composeMessage })
    .notify(deliveryOf('d', events), never);
  return stdout.text();
}

test('reads as it would in chat', async () => {
  expect(await print({})).toBe(
    [
      '🔔 Test: Banned 203.0.113.7 for 30 min',
      '   10 failed logins on smtp as info@example.org and sales@example.org',
      '   Until           2026-11-23 12:30 UTC',
      '   Accounts tried  info@example.org ×7, sales@example.org ×3',
      '   Rule            3',
      '   History         3rd ban in 7 days, first seen 2026-11-19 12:00 UTC',
      '   │ warning: unknown[203.0.113.7]: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=info@example.org',
      '   mail.example.org · netfilter',
      '\n',
    ].join('\n'),
  );
});

test('tells each event on its own', async () => {
  expect((await print({}, samples)).match(/Test: /g)).toHaveLength(samples.length);
});

test('has colours on a terminal only, unless asked', async () => {
  expect(await print({ isTTY: true })).toContain('\u001b[');
  expect(await print({ isTTY: false })).not.toContain('\u001b[');
  expect(await print({ colours: 'always' })).toContain('\u001b[');
  expect(await print({ colours: 'never', isTTY: true })).not.toContain('\u001b[');
});

test('only its own colours reach a terminal', async () => {
  for (const text of HOSTILE_TEXTS) {
    const printed = await print({ colours: 'always' }, eventsWith(text));
    expect(printed.replace(/\u001b\[\d{1,2}m/g, '')).not.toMatch(
      /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/,
    );
  }
  expect(await print({}, eventsWith('\u001b[31mred'))).not.toContain('\u001b');
});

test('a terminal that is gone may come back', async () => {
  const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
  broken.on('error', () => {});
  const notifier = consoleNotifier.create(consoleNotifier.options.parse({}), {
    http,
    mailer: createSmtpMailer(),
    compose: composeMessage,
    clock: fixedClock,
    stdout: broken,
  });
  await expect(notifier.notify(deliveryOf('d', samples), never)).rejects.toMatchObject({ name: 'TransientError' });
});

import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { messageOf } from '../../src/core/errors.ts';
import type { BanEvent } from '../../src/core/event.ts';
import { plainLine } from '../../src/core/message.ts';
import type { Notifier, NotifierTools } from '../../src/core/notifier.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { createComposer } from '../../src/notifiers/composer.ts';
import { emailNotifier } from '../../src/notifiers/email.ts';
import { defang } from '../../src/notifiers/mail-text.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { deliveryOf } from '../support/delivery.ts';
import { headerOf, headerProblems, linkProblems, mailProblems, readMail } from '../support/mail-rules.ts';
import { type SmtpBehaviour, startSmtpService } from '../support/smtp-service.ts';
import { eventsWith, HOSTILE_TEXTS, stormOf } from './hostile-events.ts';
import { collectOutput, fixedClock, NOW } from './rig.ts';

const never = new AbortController().signal;
const samples = sampleEvents('mail.example.org', NOW);

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function rig(behaviour: SmtpBehaviour = {}, compose: NotifierTools['compose'] = composeMessage) {
  const service = await startSmtpService(behaviour);
  cleanups.push(() => service.stop());
  const http = createHttpClient({ userAgent: 'cowbell/test' });
  const options = emailNotifier.options.parse({
    host: '127.0.0.1',
    port: service.port,
    security: 'none',
    from: 'The bell <cowbell@example.org>',
    to: ['admin@example.org', 'second@example.org'],
  });
  const tools = { http, mailer: createSmtpMailer(), clock: fixedClock, stdout: collectOutput(), compose };
  return { service, notifier: emailNotifier.create(options, tools) };
}

const send = (notifier: Notifier, id: string, events: readonly BanEvent[]) =>
  notifier.notify(deliveryOf(id, events), never);

test('every sample is a mail as it should be, in text and in HTML', async () => {
  const { service, notifier } = await rig();
  for (const event of samples) {
    await send(notifier, `delivery-${event.type}`, [event]);
    const received = service.mails.at(-1);
    const raw = received?.raw ?? '';
    expect.soft(mailProblems(raw), event.type).toEqual([]);
    const mail = readMail(raw);
    const title = defang(plainLine(composeMessage([event]).title));
    for (const shown of [headerOf(mail, 'subject'), mail.text, mail.html?.replace(/<[^>]*>/g, '')])
      expect.soft(shown?.replaceAll('&amp;', '&'), event.type).toContain(title);
    expect(headerOf(mail, 'from')).toBe('The bell <cowbell@example.org>');
    expect(headerOf(mail, 'to')).toBe('admin@example.org, second@example.org');
    expect(headerOf(mail, 'message-id')).toBe(`<delivery-${event.type}@example.org>`);
    expect(headerOf(mail, 'date')).toBe(new Date(NOW).toUTCString().replace('GMT', '+0000'));
    expect(headerOf(mail, 'auto-submitted')).toBe('auto-generated');
    expect(headerOf(mail, 'x-auto-response-suppress')).toBe('All');
    expect(received).toMatchObject({ from: 'cowbell@example.org', to: ['admin@example.org', 'second@example.org'] });
  }
  expect(service.mails).toHaveLength(samples.length);
});

test('the begin and the end of a ban are one conversation; a group is none', async () => {
  const { service, notifier } = await rig();
  const [started] = samples.filter(({ type }) => type === 'ban.started');
  if (started === undefined || !('ban' in started)) return expect.unreachable();
  const ended: BanEvent = { ...started, type: 'ban.ended', id: 'another' };
  await send(notifier, 'd1', [started]);
  await send(notifier, 'd2', [ended]);
  await send(notifier, 'd3', [started, ended, ...stormOf(3)]);
  const threads = service.mails.map(({ raw }) => {
    const mail = readMail(raw);
    return [headerOf(mail, 'references'), headerOf(mail, 'in-reply-to')];
  });
  const thread = `<ban.${started.ban.id.replace(/[^\w.-]/g, '_')}@example.org>`;
  expect(threads).toEqual([
    [thread, thread],
    [thread, thread],
    [undefined, undefined],
  ]);
});

test.each([2, 50, 2_500])('%i events are one mail', async (count) => {
  const { service, notifier } = await rig();
  await send(notifier, 'storm', stormOf(count));
  expect(service.mails).toHaveLength(1);
  expect(mailProblems(service.mails[0]?.raw ?? '')).toEqual([]);
});

test('what matters most is marked as such', async () => {
  const { service, notifier } = await rig();
  for (const event of samples) await send(notifier, event.id, [event]);
  const marks = service.mails.map(({ raw }) => headerOf(readMail(raw), 'importance'));
  expect(new Set(marks)).toEqual(new Set(['high', 'normal', 'low']));
});

describe('nothing that a stranger wrote acts, nor makes a header', () => {
  test('of the worst that is known', async () => {
    const { service, notifier } = await rig();
    for (const text of [...HOSTILE_TEXTS, 'x\r\nBcc: all@example.org\r\n\r\nbody', '=?utf-8?q?=0D=0ABcc:_a@b?=']) {
      const events = eventsWith(text);
      const batches = [...events.map((event) => [event]), events];
      const before = service.mails.length;
      await Promise.all(
        batches.flatMap((batch) => [
          send(notifier, 'full', batch),
          notifier.notifyPlainly?.(deliveryOf('plain', batch), never),
        ]),
      );
      const received = service.mails.slice(before);
      expect(received).toHaveLength(2 * batches.length);
      for (const { raw, to } of received) {
        const isFull = raw.includes('<full@example.org>');
        const problems = isFull ? mailProblems(raw) : headerProblems(readMail(raw));
        expect.soft(problems, JSON.stringify(text.slice(0, 60))).toEqual([]);
        expect(to).toEqual(['admin@example.org', 'second@example.org']);
      }
    }
  }, 180_000);

  test('of anything at all', async () => {
    const { service, notifier } = await rig();
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 400 }), async (text) => {
        const events = eventsWith(text);
        const before = service.mails.length;
        const batches = [events, events.slice(0, 1), events.slice(1, 2)];
        await Promise.all(batches.map((batch) => send(notifier, 'any', batch)));
        expect(service.mails.slice(before).flatMap(({ raw }) => mailProblems(raw))).toEqual([]);
      }),
      { numRuns: 40 },
    );
  }, 180_000);

  test('an id is no header either', async () => {
    const { service, notifier } = await rig();
    await send(notifier, 'a>\r\nBcc: <b@c', samples.slice(0, 1));
    expect(mailProblems(service.mails[0]?.raw ?? '')).toEqual([]);
  });
});

test('links of strangers are taken apart, mail addresses are not', () => {
  expect(defang('see https://evil.example/x.html, evil.example or info@mail.example.org at 203.0.113.7')).toBe(
    'see https[:]//evil[.]example/x[.]html, evil[.]example or info@mail.example.org at 203.0.113.7',
  );
  expect(linkProblems('see evil.example')).not.toEqual([]);
});

test('a template’s own markup stands in the HTML, and not in the text', async () => {
  const compose = createComposer({
    timeZone: 'UTC',
    templates: { 'ban.started': { title: 'Banned <b>{{ ban.network }}</b>', body: '<i>{{ ban.jail }}</i>' } },
  });
  const { service, notifier } = await rig({}, compose);
  await send(notifier, 'd', samples.slice(0, 1));
  const mail = readMail(service.mails[0]?.raw ?? '');
  expect(headerOf(mail, 'subject')).toMatch(/Banned 203\.0\.113\.7/);
  expect(mail.html).toMatch(/<h1[^>]*>.*Banned <b>/);
  expect(mail.text).not.toContain('<');
});

describe('recipients', () => {
  test('that are put off are tried again, alone', async () => {
    const { service, notifier } = await rig();
    service.behave({ onTo: (to) => (to.startsWith('second') ? { code: 450, text: 'greylisted' } : undefined) });
    await expect(send(notifier, 'd1', samples.slice(0, 1))).rejects.toMatchObject({ name: 'TransientError' });
    service.behave({});
    await send(notifier, 'd1', samples.slice(0, 1));
    await send(notifier, 'd2', samples.slice(0, 1));
    expect(service.mails.map(({ to }) => to)).toEqual([
      ['admin@example.org'],
      ['second@example.org'],
      ['admin@example.org', 'second@example.org'],
    ]);
    const ids = service.mails.map(({ raw }) => headerOf(readMail(raw), 'message-id'));
    expect(ids[0]).toBe(ids[1]);
  });

  test('that are gone do not keep it from the others', async () => {
    const { service, notifier } = await rig();
    service.behave({ onTo: (to) => (to.startsWith('second') ? { code: 550, text: 'no such user' } : undefined) });
    await send(notifier, 'd1', samples.slice(0, 1));
    expect(service.mails.map(({ to }) => to)).toEqual([['admin@example.org']]);
    service.behave({ onTo: () => ({ code: 550, text: 'no such user' }) });
    await expect(send(notifier, 'd2', samples.slice(0, 1))).rejects.toMatchObject({
      name: 'PermanentError',
      isPayload: false,
      message: 'SMTP 550 to RCPT: no such user',
    });
  });
});

test('a content that is refused is sent plainly', async () => {
  const { service, notifier } = await rig();
  service.behave({ onData: (raw) => (raw.includes('text/html') ? { code: 554, text: 'spam' } : undefined) });
  await expect(send(notifier, 'd1', samples.slice(0, 1))).rejects.toMatchObject({ isPayload: true });
  await notifier.notifyPlainly?.(deliveryOf('d1', samples.slice(0, 1)), never);
  const mail = readMail(service.mails[0]?.raw ?? '');
  expect(mail.html).toBeUndefined();
  expect(mail.text).toContain('203.0.113.7');
});

describe('the configuration', () => {
  const PASSWORD = 'pAsS-1f0e9d8c7b';
  const base = 'notifiers:\n  - {type: email, host: h, from: a@example.org, to: [b@example.org]';
  test.each([
    ['a user alone', ', user: u}', 'a user needs a password beside it'],
    ['a password alone', `, password: ${PASSWORD}}`, 'a password needs a user beside it'],
    ['a login in the clear', `, user: u, password: ${PASSWORD}, security: none}`, 'not sent in the clear'],
    ['a recipient with a header', ', to: ["b@example.org\\r\\nBcc: c@example.org"]}', ''],
    ['a sender that is none', ', from: "cowbell"}', 'expected an address'],
    ['a sender with two lines', ', from: "a\\nb <a@example.org>"}', 'expected an address'],
  ])('refuses %s', (_what, rest, message) => {
    const keys = [...rest.matchAll(/(\w+):/g)].map(([, key]) => key);
    const start = keys.includes('to')
      ? base.replace(', to: [b@example.org]', '')
      : keys.includes('from')
        ? base.replace(' from: a@example.org,', '')
        : base;
    const problem = () => parseConfig(`${start}${rest}\n`, { env: {} });
    expect(problem).toThrow(message);
    expect(problem).not.toThrow(PASSWORD);
  });

  test('never shows the password', () => {
    const config = parseConfig(`${base}, user: u, password: ${PASSWORD}}\n`, { env: {} });
    const notifier = emailNotifier.create(emailNotifier.options.parse({ ...config.notifiers[0], password: PASSWORD }), {
      http: createHttpClient({ userAgent: 'cowbell/test' }),
      mailer: createSmtpMailer(),
      clock: fixedClock,
      stdout: collectOutput(),
      compose: composeMessage,
    });
    const shown = [
      inspect(config, { depth: 12, showHidden: true }),
      JSON.stringify(config),
      inspect(notifier),
      messageOf(notifier),
    ];
    expect(shown.join('\n')).not.toContain(PASSWORD);
  });
});

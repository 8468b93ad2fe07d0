import { createServer } from 'node:net';
import tls from 'node:tls';
import { inspect } from 'node:util';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { messageOf, PermanentError, TransientError } from '../../src/core/errors.ts';
import type { Mail, MailServer } from '../../src/core/mail.ts';
import { Secret } from '../../src/core/secret.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { eventually } from '../support/eventually.ts';
import { SMTP_CERTIFICATE, type SmtpBehaviour, startSmtpService } from '../support/smtp-service.ts';

const never = new AbortController().signal;
const PASSWORD = 'pAsS-1f0e9d8c7b';
const login = { user: 'cowbell', password: PASSWORD };
const mail: Mail = {
  from: { name: 'cowbell', address: 'cowbell@example.org' },
  to: ['admin@example.org', 'second@example.org'],
  shownTo: ['admin@example.org', 'second@example.org'],
  subject: 'a subject',
  text: 'a text',
  messageId: '<1@example.org>',
  headers: {},
  pictures: [],
  date: new Date(0),
};

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const trusted = tls.getCACertificates('default');
beforeAll(() => {
  tls.setDefaultCACertificates([...trusted, SMTP_CERTIFICATE]);
  return () => tls.setDefaultCACertificates(trusted);
});

async function rig(behaviour: SmtpBehaviour, server: Partial<MailServer> = {}) {
  const service = await startSmtpService(behaviour);
  cleanups.push(() => service.stop());
  const security = behaviour.tls === 'secure' ? 'tls' : (behaviour.tls ?? 'none');
  const target: MailServer = {
    host: 'localhost',
    port: service.port,
    security,
    ...(behaviour.login && { login: { user: behaviour.login.user, password: new Secret(behaviour.login.password) } }),
    ...server,
  };
  const send = (signal = never, what: Partial<Mail> = {}) =>
    createSmtpMailer().send(target, { ...mail, ...what }, signal);
  return { service, send };
}

const failure = (sent: Promise<unknown>) =>
  sent.then(
    () => expect.unreachable('it was accepted'),
    (error: unknown) => error as Error,
  );

describe('a mail is taken', () => {
  test.each([
    ['in the clear', {}, false],
    ['by STARTTLS', { tls: 'starttls', login }, true],
    ['by TLS from the start', { tls: 'secure', login }, true],
  ] as const)('%s', async (_how, behaviour, isEncrypted) => {
    const { service, send } = await rig(behaviour);
    expect(await send()).toEqual([]);
    expect(service.mails).toMatchObject([
      {
        from: 'cowbell@example.org',
        to: mail.to,
        isEncrypted,
        user: 'login' in behaviour ? 'cowbell' : undefined,
      },
    ]);
  });

  test('by a server whose certificate has another name than its host', async () => {
    const { send } = await rig({ tls: 'starttls' }, { host: '127.0.0.1', tlsName: 'localhost' });
    expect(await send()).toEqual([]);
  });
});

describe('nothing is sent', () => {
  test.each(['starttls', 'secure'] as const)('to a certificate with another name, %s', async (how) => {
    const { service, send } = await rig({ tls: how, login }, { tlsName: 'mail.example.org' });
    expect(await failure(send())).toMatchObject({
      name: 'TransientError',
      message: 'no connection: ERR_TLS_CERT_ALTNAME_INVALID',
    });
    expect([service.mails, service.logins]).toEqual([[], []]);
  });

  test.each(['starttls', 'secure'] as const)('to a certificate that nobody vouches for, %s', async (how) => {
    tls.setDefaultCACertificates(trusted);
    const { service, send } = await rig({ tls: how, login });
    const error = await failure(send());
    tls.setDefaultCACertificates([...trusted, SMTP_CERTIFICATE]);
    expect(error).toMatchObject({ name: 'TransientError', message: 'no connection: DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect([service.mails, service.logins]).toEqual([[], []]);
  });

  test('in the clear, where STARTTLS is demanded and not there', async () => {
    const { service, send } = await rig({ login }, { security: 'starttls' });
    expect(await failure(send())).toMatchObject({ name: 'PermanentError', isPayload: false });
    expect([service.mails, service.logins]).toEqual([[], []]);
  });

  test('without the login, where the server offers none', async () => {
    const { service, send } = await rig(
      { tls: 'starttls' },
      { login: { user: 'cowbell', password: new Secret(PASSWORD) } },
    );
    expect(await failure(send())).toMatchObject({ name: 'PermanentError', isPayload: false });
    expect(service.mails).toEqual([]);
  });
});

describe('refused', () => {
  const answer = (code: number) => () => ({ code, text: 'no' });
  test.each([
    ['login', { onLogin: answer(535) }, { name: 'PermanentError', isPayload: false }],
    ['login, for now', { onLogin: answer(454) }, { name: 'TransientError' }],
    ['sender', { onFrom: answer(550) }, { name: 'PermanentError', isPayload: false }],
    ['sender, for now', { onFrom: answer(451) }, { name: 'TransientError' }],
    [
      'size that is announced',
      { onFrom: () => ({ code: 552, text: '5.3.4 no' }) },
      { name: 'PermanentError', isPayload: true },
    ],
    ['content', { onData: answer(554) }, { name: 'PermanentError', isPayload: true }],
    ['content, for now', { onData: answer(451) }, { name: 'TransientError' }],
  ] as const)('%s', async (_what, refusal, expected) => {
    const { send } = await rig({ tls: 'starttls', login, ...refusal });
    const error = await failure(send());
    expect(error).toMatchObject(expected);
    expect(error.message).toMatch(/^SMTP \d{3} to (AUTH|MAIL|DATA): (5\.3\.4 )?no$/);
  });

  test('some recipients: the others have it', async () => {
    const onTo = (to: string) => (to.startsWith('second') ? { code: 452, text: 'the mailbox is full' } : undefined);
    const { service, send } = await rig({ onTo });
    expect(await send()).toEqual([
      { address: 'second@example.org', isTemporary: true, reason: 'SMTP 452 to RCPT: the mailbox is full' },
    ]);
    expect(service.mails).toMatchObject([{ to: ['admin@example.org'] }]);
  });

  test('all recipients, each for its own reason', async () => {
    const onTo = (to: string) => ({ code: to.startsWith('second') ? 450 : 550, text: 'no' });
    const { send } = await rig({ onTo });
    expect((await send()).map(({ isTemporary }) => isTemporary)).toEqual([false, true]);
  });

  test('an answer that quotes the login shows nothing of it', async () => {
    const plain = Buffer.from(`\0cowbell\0${PASSWORD}`).toString('base64');
    const text = `cannot AUTH PLAIN ${plain} ${PASSWORD} ${Buffer.from(PASSWORD).toString('base64')} \u001b[31m`;
    for (const code of [535, 454]) {
      const { send } = await rig({ tls: 'starttls', login, onLogin: () => ({ code, text }) });
      const error = await failure(send());
      const shown = `${inspect(error, { depth: 12, showHidden: true })} ${messageOf(error)} ${error.stack}`;
      expect(shown).toContain('[secret]');
      for (const secret of [PASSWORD, plain, Buffer.from(PASSWORD).toString('base64'), '\u001b'])
        expect(shown).not.toContain(secret);
    }
  });
});

describe('it may work later', () => {
  test('nobody listens', async () => {
    const { service, send } = await rig({});
    await service.stop();
    expect(await failure(send())).toMatchObject({ name: 'TransientError', message: 'no connection: ECONNREFUSED' });
  });

  test.each([
    ['hangs up', ''],
    ['is busy', '421 4.3.2 busy\r\n'],
    ['speaks no SMTP', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
  ])('the server %s', async (_how, greeting) => {
    const server = createServer((socket) => socket.on('error', () => {}).end(greeting));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as { port: number };
    const { send } = await rig({}, { port });
    expect(await failure(send())).toBeInstanceOf(TransientError);
  });

  test('a server that does not answer is given up', async () => {
    const { service, send } = await rig({ hangs: true });
    const giveUp = new AbortController();
    const sent = failure(send(giveUp.signal));
    await eventually(() => expect(service.mails).toHaveLength(1));
    giveUp.abort();
    expect(await sent).toMatchObject({ name: 'TransientError', message: 'the mail was given up' });
    expect(await failure(send(giveUp.signal))).not.toBeInstanceOf(PermanentError);
  });
});

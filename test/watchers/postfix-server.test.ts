import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { Observation, Statement } from '../../src/core/observation.ts';
import { createFileLog } from '../../src/logs/file-log.ts';
import { createPostfixWatcher } from '../../src/watchers/postfix.ts';
import { parsePostfixLine } from '../../src/watchers/postfix-line.ts';
import { eventually } from '../support/eventually.ts';
import { startAuthServer } from '../support/postfix-auth.ts';
import { smtpFrom } from '../support/postfix-client.ts';
import { ALLOWED, DENIED, type PostfixServer, startPostfix } from '../support/postfix-server.ts';
import { tempDir } from '../support/temp-dir.ts';
import { observe } from './line-source.ts';

type Ports = PostfixServer['ports'];

/** What each client does; the name is its address. They come at the same time, each waits for its own replies. */
const CLIENTS: Record<string, (address: string, ports: Ports) => Promise<void>> = {
  // Speaks before the greeting, which then never ends: its first line and the answer are one reply.
  '127.0.0.2': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    client.send('EHLO early.example\r\n');
    await client.reply();
    await client.say('MAIL FROM:<spammer@sender.example>');
    await client.say('RCPT TO:<info@example.org>');
    await client.say('QUIT');
  },
  '127.0.0.3': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    client.hangUp();
    await client.closed;
  },
  '127.0.0.4': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    client.send('HELO x.example\r\nMAIL FROM:<"x> to=<y[8.8.8.8]: z"@sender.example>\r\n');
    await client.reply();
    await client.reply();
    await client.say('RCPT TO:<info@example.org>');
    await client.say('QUIT');
  },
  '127.0.0.5': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    await client.say('GET http://[8.8.8.8]:25/ HTTP/1.1');
    await client.closed;
  },
  '127.0.0.6': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    client.send('HELO x.example\n');
    await client.reply();
    await client.say('QUIT');
  },
  // Behaves, and is told to come again.
  '127.0.0.7': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    await client.say('EHLO mail.example.net');
    await client.say('MAIL FROM:<>');
    await client.say('RCPT TO:<info@example.org>');
    await client.say('QUIT');
  },
  '127.0.0.8': async (address, { postscreen }) => {
    const clients = [await smtpFrom(address, postscreen), await smtpFrom(address, postscreen)];
    const third = await smtpFrom(address, postscreen);
    await third.closed;
    for (const client of clients) {
      await client.reply();
      await client.say('QUIT');
    }
  },
  '127.0.0.9': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    for (let count = 0; count < 6; count++) await client.say('NOOP');
    await client.closed;
  },
  '127.0.0.10': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    client.send('A'.repeat(4_096));
    await client.closed;
  },
  [DENIED]: async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    await client.say('EHLO x.example');
    await client.say('MAIL FROM:<a@sender.example>');
    await client.say('RCPT TO:<info@example.org>');
    await client.say('QUIT');
  },
  [ALLOWED]: async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    await client.say('EHLO x.example');
    await client.say('MAIL FROM:<a@sender.example>');
    await client.say('RCPT TO:<victim@gmail.com>');
    await client.say('RCPT TO:<nobody@example.org>');
    await client.say('QUIT');
  },
  '127.0.0.21': async (address, { smtpd }) => {
    const client = await smtpFrom(address, smtpd);
    await client.reply();
    await client.say('HELO -bad-');
    await client.say('MAIL FROM:<a@sender.example>');
    await client.say('RCPT TO:<info@example.org>');
    await client.say('QUIT');
  },
  // Writes what looks like a reply of its own.
  '127.0.0.22': async (address, { smtpd }) => {
    const client = await smtpFrom(address, smtpd);
    await client.reply();
    await client.say('EHLO unknown[8.8.8.8]');
    await client.say('MAIL FROM:<"x>: Access denied; from=<y"@sender.example>');
    await client.say('RCPT TO:<"x[8.8.8.8]: 554 5.7.1 <z"@gmail.com>');
    await client.say('QUIT');
  },
  '127.0.0.23': async (address, { smtpd }) => {
    const client = await smtpFrom(address, smtpd);
    await client.reply();
    await client.say('CONNECT 8.8.8.8:443 HTTP/1.0');
    await client.closed;
  },
  '127.0.0.24': async (address, { smtpd }) => {
    const client = await smtpFrom(address, smtpd);
    await client.reply();
    client.send('HELO x.example\r\nMAIL FROM:<a@sender.example>\r\n');
    await client.reply();
    await client.reply();
    await client.say('QUIT');
  },
  '127.0.0.25': async (address, { smtpd }) => {
    const client = await smtpFrom(address, smtpd);
    await client.reply();
    for (let count = 0; count < 5; count++) await client.say('BOGUS');
    await client.closed;
  },
  '127.0.0.31': async (address, { submission }) => {
    const client = await smtpFrom(address, submission);
    await client.reply();
    await client.say('EHLO x.example');
    await client.say(`AUTH PLAIN ${plain('info@example.org', 'wrong')}`);
    await client.say(`AUTH PLAIN ${plain('x: SASL PLAIN from unknown[8.8.8.8]: @everyone', 'wrong')}`);
    await client.say('AUTH CRAM-MD5');
    await client.say(`AUTH PLAIN ${plain('broken', 'wrong')}`);
    client.hangUp();
    await client.closed;
  },
  '127.0.0.32': async (address, { submission }) => {
    const client = await smtpFrom(address, submission);
    await client.reply();
    await client.say('EHLO x.example');
    await client.say(`AUTH PLAIN ${plain('info@example.org', 'right')}`);
    await client.say('MAIL FROM:<info@example.org>');
    await client.say('RCPT TO:<info@example.org>');
    await client.say('QUIT');
  },
  '127.0.0.33': async (address, { submission }) => {
    const client = await smtpFrom(address, submission);
    await client.reply();
    await client.say('EHLO x.example');
    await client.say('AUTH PLAIN');
    client.hangUp();
    await client.closed;
  },
  '127.0.0.41': async (address, { limited }) => {
    for (let count = 0; count < 2; count++) {
      const client = await smtpFrom(address, limited);
      await client.reply();
      await client.say('QUIT');
      await client.closed;
    }
  },
};

function plain(user: string, password: string): string {
  return Buffer.from(`\0${user}\0${password}`).toString('base64');
}

const byPostscreen = (reason: string, more: object = {}) => ({
  kind: 'rejected',
  service: 'postscreen',
  reason,
  ...more,
});
const bySmtpd = (reason: string, more: object = {}) => ({ kind: 'rejected', service: 'smtp', reason, ...more });
const bySubmission = (reason: string) => ({ kind: 'rejected', service: 'submission', reason });

/** What each client is said to have done, in this order. */
const EXPECTED: Record<string, object[]> = {
  '127.0.0.2': [
    byPostscreen('PREGREET'),
    byPostscreen('Protocol error', {
      code: '550 5.5.1',
      sender: 'spammer@sender.example',
      recipient: 'info@example.org',
      helo: 'early.example',
    }),
  ],
  '127.0.0.3': [byPostscreen('HANGUP')],
  '127.0.0.4': [
    byPostscreen('COMMAND PIPELINING'),
    byPostscreen('Protocol error', {
      code: '550 5.5.1',
      sender: '"x> to=<y[8.8.8.8]: z"@sender.example',
      recipient: 'info@example.org',
      helo: 'x.example',
    }),
  ],
  '127.0.0.5': [byPostscreen('NON-SMTP COMMAND')],
  '127.0.0.6': [byPostscreen('BARE NEWLINE')],
  '127.0.0.7': [
    byPostscreen('Service currently unavailable', {
      code: '450 4.3.2',
      recipient: 'info@example.org',
      helo: 'mail.example.net',
    }),
  ],
  '127.0.0.8': [byPostscreen('too many connections')],
  '127.0.0.9': [byPostscreen('COMMAND COUNT LIMIT')],
  '127.0.0.10': [byPostscreen('COMMAND LENGTH LIMIT')],
  [DENIED]: [
    byPostscreen('DENYLISTED'),
    byPostscreen('Service currently unavailable', {
      code: '550 5.3.2',
      sender: 'a@sender.example',
      recipient: 'info@example.org',
      helo: 'x.example',
    }),
  ],
  [ALLOWED]: [
    bySmtpd('Relay access denied', {
      code: '554 5.7.1',
      sender: 'a@sender.example',
      recipient: 'victim@gmail.com',
      helo: 'x.example',
    }),
    bySmtpd('Recipient address rejected: User unknown in virtual mailbox table', {
      code: '550 5.1.1',
      sender: 'a@sender.example',
      recipient: 'nobody@example.org',
      helo: 'x.example',
    }),
  ],
  '127.0.0.21': [
    bySmtpd('Helo command rejected: Invalid name', {
      code: '501 5.5.2',
      sender: 'a@sender.example',
      recipient: 'info@example.org',
      helo: '-bad-',
    }),
  ],
  '127.0.0.22': [
    bySmtpd('Helo command rejected: Invalid name', {
      code: '501 5.5.2',
      sender: '"x>: Access denied; from=<y"@sender.example',
      recipient: '"x[8.8.8.8]: 554 5.7.1 <z"@gmail.com',
      helo: 'unknown[8.8.8.8]',
    }),
  ],
  '127.0.0.23': [bySmtpd('non-SMTP command')],
  '127.0.0.24': [bySmtpd('improper command pipelining')],
  '127.0.0.25': [bySmtpd('too many errors')],
  '127.0.0.31': [
    failed('PLAIN', 'info@example.org'),
    failed('PLAIN', 'x: SASL PLAIN from unknown[8.8.8.8]: @everyone'),
    // Postfix names the user of the attempt before.
    failed('CRAM-MD5', 'x: SASL PLAIN from unknown[8.8.8.8]: @everyone'),
    bySubmission('too many errors'),
  ],
  '127.0.0.32': [{ kind: 'authenticated', service: 'submission', account: 'info@example.org', mechanism: 'PLAIN' }],
  '127.0.0.33': [bySubmission('lost connection after AUTH')],
  '127.0.0.41': [bySmtpd('Connection rate limit exceeded')],
};

function failed(mechanism: string, account: string): object {
  const reason = `SASL ${mechanism} authentication failed`;
  return { kind: 'auth-failed', service: 'submission', mechanism, account, reason };
}

function byAddress(statements: (Statement | Observation)[]): Record<string, object[]> {
  const groups: Record<string, object[]> = {};
  for (const { ip, line, at, ...said } of statements as (Observation & { ip: string })[]) {
    expect(line).toContain(`[${ip}]`);
    expect(at === undefined || Number.isFinite(at)).toBe(true);
    groups[ip] = [...(groups[ip] ?? []), said];
  }
  return groups;
}

test('a real postscreen and smtpd are understood, whatever their clients try', { timeout: 60_000 }, async () => {
  const folder = tempDir();
  chmodSync(folder, 0o755);
  const authSocket = join(folder, 'auth');
  const auth = await startAuthServer(authSocket);
  onTestFinished(() => void auth.close());
  chmodSync(authSocket, 0o666);
  const server = await startPostfix({ authSocket });
  onTestFinished(() => server.close());

  await Promise.all(Object.entries(CLIENTS).map(([address, play]) => play(address, server.ports)));

  await eventually(() => {
    expect(byAddress(server.lines().flatMap((line) => parsePostfixLine(line) ?? []))).toEqual(EXPECTED);
  });
  const watcher = createPostfixWatcher('postfix', createFileLog({ from: server.log, clock: systemClock }));
  expect(byAddress(await observe(watcher))).toEqual(EXPECTED);
});

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
import { CLIENTS } from '../support/postfix-clients.ts';
import { ALLOWED, DENIED, startPostfix } from '../support/postfix-server.ts';
import { tempDir } from '../support/temp-dir.ts';
import { observe } from './line-source.ts';

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

test('a real postscreen and smtpd are understood, whatever their clients try', { timeout: 180_000 }, async () => {
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

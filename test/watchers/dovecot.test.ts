import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { explainLine } from '../../src/cli/explain-lines.ts';
import { createDovecotWatcher, dovecotWatcher } from '../../src/watchers/dovecot.ts';
import { parseDovecotLine } from '../../src/watchers/dovecot-line.ts';
import { parseDovecotMessage } from '../../src/watchers/dovecot-message.ts';
import { readFailureText } from '../../src/watchers/failure-text.ts';
import { lineSource, observe } from './line-source.ts';
import { withoutLine } from './without-line.ts';

const FIXTURES = new URL('../fixtures/dovecot/', import.meta.url);
const SYSLOG = 'Nov 23 12:25:23 c0ffee123456 dovecot: ';
const END = 'method=PLAIN, rip=185.36.81.23, lip=172.22.1.250, TLS, session=<ZXC74/Rgstx/AAAB>';
const FAILED = { kind: 'auth-failed', ip: '185.36.81.23' };

function linesOf(file: string): string[] {
  return readFileSync(new URL(file, FIXTURES), 'utf8').trimEnd().split('\n');
}

test('what a real dovecot under postfix and IMAP clients says, line by line', () => {
  const expected = linesOf('mailcow-2.3.19.expected.jsonl').map((json) => JSON.parse(json) ?? undefined);
  expect(linesOf('mailcow-2.3.19.log').map((line) => withoutLine(parseDovecotLine(line)))).toEqual(expected);
});

describe('the prefix', () => {
  const message = `imap-login: Info: Disconnected (auth failed, 1 attempts): user=<x>, ${END}`;
  test.each([
    'Nov 23 12:25:23 c0ffee123456 dovecot: ',
    'Nov 23 12:25:23 mail dovecot[241]: ',
    '2026-11-23T12:25:23.784598+01:00 mail dovecot: ',
    'Nov 23 12:00:00 ',
    '2026-11-23 12:00:00 ',
    '2026-11-23 12:00:00.123456 ',
    '@400000004c91b044077a9e94 ',
  ])('%s', (prefix) => {
    expect(parseDovecotLine(prefix + message)).toMatchObject(FAILED);
  });

  test.each([
    '',
    'dovecot: ',
    'Nov 23 12:00:00 mail postfix/smtpd[1]: ',
    'Nov 23 12:00:00 mail sogod: ',
    'x Nov 23 12:00:00 ',
    '12:00:00 ',
  ])('%j is none', (prefix) => expect(parseDovecotLine(prefix + message)).toBeUndefined());

  test("dovecot's own log has the level, without which it is a line of something else", () => {
    expect(parseDovecotLine(`Nov 23 12:00:00 ${message.replace('Info: ', '')}`)).toBeUndefined();
  });

  test('may be lost where a person pastes', () => {
    const parser = { parseLine: parseDovecotLine, lostPrefixes: dovecotWatcher.lostPrefixes ?? [] };
    for (const pasted of [message, `dovecot: ${message}`, `mail dovecot[7]: ${message}`]) {
      expect(explainLine(parser, pasted)).toMatchObject({ kind: 'auth-failed', ip: '185.36.81.23', service: 'imap' });
    }
    expect(
      explainLine(
        parser,
        JSON.stringify({ time: '1795433369', priority: 'info', program: 'dovecot', message: `${message}\n` }),
      ),
    ).toMatchObject({ account: 'x' });
  });
});

test('a message on F2B_CHANNEL lacks the prefix and has blanks for slashes', () => {
  expect(
    parseDovecotMessage(
      'auth: lua(u@x,185.36.81.23,<ZXC74_Rgstx>): Password mismatch (SHA1 of given password: a4b48a)',
    ),
  ).toMatchObject({ ...FAILED, account: 'u@x', session: 'ZXC74_Rgstx' });
  expect(parseDovecotMessage('warning: unknown[185.36.81.23]: SASL LOGIN authentication failed: x')).toBeUndefined();
});

test('netfilter quotes what the login process said also where it is no failure', () => {
  expect(
    readFailureText(
      'imap-login: Disconnected (no auth attempts in 1 secs): user=<>, rip=185.36.81.23, lip=172.22.1.250',
    ),
  ).toMatchObject({ service: 'imap', reason: 'no auth attempts', addresses: ['185.36.81.23'] });
});

describe('the watcher', () => {
  const pamUnix = (user: string) =>
    `Nov 23 12:25:23 mail auth: pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=${user} rhost=185.36.81.23  user=${user}`;
  const pam = (user: string) =>
    `${SYSLOG}auth-worker(3): pam(${user},185.36.81.23,<s>): pam_authenticate() failed: Authentication failure (Password mismatch?)`;
  const at = (seconds: number, text: string) => ({
    stamp: `2026-11-23T12:25:${String(seconds).padStart(2, '0')}.5Z`,
    text,
  });

  test('counts an attempt that PAM and dovecot tell of once', async () => {
    const lines = [
      at(0, pamUnix('a')),
      at(1, pamUnix('b')),
      at(2, pam('a')),
      at(2, pam('b')),
      at(4, pam('a')),
      at(20, pamUnix('c')),
      at(40, pam('c')),
    ];
    const told = await observe(createDovecotWatcher('dovecot', lineSource(lines)));
    expect(told.map((each) => [each.account, new Date(each.at).getUTCSeconds()])).toEqual([
      ['a', 0],
      ['b', 1],
      ['a', 4],
      ['c', 20],
      ['c', 40],
    ]);
  });

  test('gives the time of the line', async () => {
    const [told] = await observe(createDovecotWatcher('dovecot', lineSource([at(7, pam('a'))])));
    expect(told?.at).toBe(Date.parse('2026-11-23T12:25:07.5Z'));
  });
});

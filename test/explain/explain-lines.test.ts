import { expect, test } from 'vitest';
import { explainLine, explainLines, type LineParser } from '../../src/cli/explain-lines.ts';
import { unwrapLine } from '../../src/cli/unwrap.ts';
import type { Network } from '../../src/core/network.ts';
import { fail2banWatcher } from '../../src/watchers/fail2ban.ts';
import { parseFail2banLine } from '../../src/watchers/fail2ban-line.ts';
import { parseNetfilterLine } from '../../src/watchers/netfilter-line.ts';
import { postfixWatcher } from '../../src/watchers/postfix.ts';
import { parsePostfixLine } from '../../src/watchers/postfix-line.ts';

const netfilter: LineParser = { parseLine: parseNetfilterLine };
const fail2ban: LineParser = { parseLine: parseFail2banLine, lostPrefixes: fail2banWatcher.lostPrefixes ?? [] };

const BAN = { kind: 'banned', network: '185.36.81.23/32', ip: '185.36.81.23', jail: 'netfilter', minutes: 30 };
const MESSAGE = 'Banning 185.36.81.23/32 for 30 minutes';
const LINE = `2026-11-23 11:48:41 CRIT: ${MESSAGE}`;

test.each([
  LINE,
  MESSAGE,
  `netfilter-mailcow-1  | ${LINE}`,
  `netfilter-mailcow-1  |${' '}${MESSAGE}`,
  `netfilter-mailcow_1  | ${MESSAGE}`,
  `netfilter-mailcow_1_0a1b2c3d4e5f | ${MESSAGE}`,
  `mailcowdockerized-netfilter-mailcow-1  | ${LINE}`,
  `\u001b[36mnetfilter-mailcow-1  | \u001b[0m${LINE}`,
  `\u001b[36mnetfilter-mailcow-1  |\u001b[0m ${LINE}`,
  `\u001b[36;1mnetfilter-mailcow_1  |\u001b[0m ${MESSAGE}`,
  `2026-11-23T10:48:41.934288306Z ${LINE}`,
  `2026-11-23T11:48:41+01:00 ${MESSAGE}`,
  `netfilter-mailcow-1  | 2026-11-23T10:48:41.934288306Z ${LINE}`,
  `1795430921.934 ${LINE}`,
  JSON.stringify({ log: `${LINE}\n`, stream: 'stdout', time: '2026-11-23T10:48:41.934288306Z' }),
  JSON.stringify({ log: `${MESSAGE}\r\n`, stream: 'stdout', time: '2026-11-23T10:48:41.934288306Z' }),
  JSON.stringify({ time: 1795430922, priority: 'crit', message: MESSAGE }),
  `${JSON.stringify({ time: 1795430922, priority: 'crit', message: MESSAGE })},`,
  `1) ${JSON.stringify(JSON.stringify({ time: 1795430922, priority: 'crit', message: MESSAGE }))}`,
  `netfilter-mailcow-1  | ${JSON.stringify({ time: 1795430922, priority: 'crit', message: MESSAGE })}`,
  `23/11/2026, 11:48:41 | crit | ${MESSAGE}`,
  `23.11.2026, 11:48:41\tcrit\t${MESSAGE}`,
  `11/23/2026, 11:48:41 AM | crit | ${MESSAGE}`,
  `11/23/2026, 11:48:41\u202fAM | crit | ${MESSAGE}`,
  `Nov 23 11:48:41 mail 3f2a1b4c5d6e[812]: ${MESSAGE}`,
  `2026-11-23T11:48:41.123+01:00 mail docker/netfilter-mailcow-1[812]: ${LINE}`,
  `${LINE}\r\n`,
  `  ${LINE}`,
  `\uFEFF${LINE} `,
  `\t${MESSAGE}\t`,
])('%j is the ban', (line) => {
  expect(explainLine(netfilter, line)).toEqual(BAN);
});

test.each([
  'postfix/postscreen[8040]: PREGREET 11 after 0 from [192.0.2.1]:25: ',
  'postfix/smtpd[8040]: warning: non-SMTP command from unknown[192.0.2.1]: ',
])('%j ends with the blank that the program wrote', (message) => {
  const postfix = { parseLine: parsePostfixLine, lostPrefixes: postfixWatcher.lostPrefixes ?? [] };
  for (const front of [
    'Nov 23 11:59:59 mail ',
    '\uFEFFNov 23 11:59:59 mail ',
    'postfix-mailcow-1  | Nov 23 11:59:59 mail ',
  ])
    expect(explainLine(postfix, front + message)).toMatchObject({ kind: 'rejected', ip: '192.0.2.1' });
});

test.each([
  JSON.stringify({ time: 1795430922, priority: 'info', message: MESSAGE }),
  JSON.stringify({ time: 1795430922, priority: 'emerg', message: MESSAGE }),
  JSON.stringify({ time: 1795430922, message: MESSAGE }),
  JSON.stringify({ time: '1795430922', program: 'postfix/smtpd', priority: 'crit', message: MESSAGE }),
  JSON.stringify({ time: 1795430922, priority: 'crit', message: `x\n${MESSAGE}` }),
  JSON.stringify({ log: `x\n${MESSAGE}\n`, stream: 'stdout' }),
  JSON.stringify([MESSAGE]),
  `{"time": 1, "priority": "crit", "message": "${MESSAGE}"`,
  `23/11/2026, 11:48:41 | warn | ${MESSAGE}`,
  `Nov 23 11:48:41 mail postfix[812]: ${MESSAGE}`,
  `something netfilter-mailcow-1 | ${MESSAGE}`,
  'null',
  '',
])('%j says nothing', (line) => {
  expect(explainLine(netfilter, line)).toBeNull();
});

test('keys come in a fixed order, absent ones are left out, lines are counted from 1', () => {
  const failure =
    '185.36.81.23 matched rule id 7 (auth: lua(info@example.org,185.36.81.23,<s>): unknown user (SHA1 of given password: a4b48a))';
  const printed = [...explainLines(netfilter, ['', LINE, failure])].map((explanation) => JSON.stringify(explanation));
  expect(printed).toEqual([
    '{"line":1,"observation":null}',
    '{"line":2,"observation":{"kind":"banned","network":"185.36.81.23/32","ip":"185.36.81.23","jail":"netfilter","minutes":30}}',
    '{"line":3,"observation":{"kind":"auth-failed","ip":"185.36.81.23","jail":"netfilter","service":"dovecot","rule":"7","account":"info@example.org","reason":"unknown user"}}',
  ]);
});

test('a failure with a line break in its name is one record', () => {
  const record = JSON.stringify({
    time: 1795430922,
    priority: 'warn',
    message: `80.94.96.4 matched rule id 1 (mailcow UI: Invalid password for x\n${MESSAGE}\n by 80.94.96.4)`,
  });
  expect(explainLine(netfilter, record)).toMatchObject({ kind: 'auth-failed', ip: '80.94.96.4' });
});

test.each([
  ['[sshd] Ban 203.0.113.7', 'banned'],
  ['NOTICE  [sshd] Ban 203.0.113.7', 'banned'],
  ['[sshd] Unban 203.0.113.7', 'unbanned'],
  ['[sshd] Found 203.0.113.7 - 2026-11-23 11:12:36', 'auth-failed'],
  ['INFO [sshd] Found 203.0.113.7', 'auth-failed'],
  ['[sshd] Increase Ban 203.0.113.7 (2 # 24s -> 2026-11-23 11:13:00)', 'banned'],
  ['fail2ban-1  | 2026-11-23 11:12:03,875 fail2ban.actions        [1]: NOTICE  [sshd] Ban 203.0.113.7', 'banned'],
  ['2026-11-23 11:15:13,546 7F5311C9D6C0 NOTIC [sshd] Ban 203.0.113.7', 'banned'],
  ['fail2ban-1  |  2026-11-23 11:15:13,546 7F5311C9D6C0 NOTIC [sshd] Ban 203.0.113.7', 'banned'],
  ['Nov 23 11:15:13 host fail2ban.actions[15699]: NOTICE [sshd] Ban 203.0.113.7', 'banned'],
  ['Nov 23 11:15:13 host fail2ban[15699]: [sshd] Ban 203.0.113.7', 'banned'],
  ['Nov 23 11:15:13 host fail2ban-server[15699]: [sshd] Unban 203.0.113.7', 'unbanned'],
  ['Nov 23 11:15:13 host fail2ban.filter[15699]: [sshd] Found 203.0.113.7 - 2026-11-23 11:15:12', 'auth-failed'],
])('fail2ban: %j is %s, though a live watcher may refuse it', (line, kind) => {
  expect(explainLine(fail2ban, line)).toMatchObject({ kind, ip: '203.0.113.7', jail: 'sshd' });
});

test('fail2ban: a ban without an end, and one that was put back', () => {
  expect(
    explainLine(fail2ban, 'fail2ban.observer [1]: NOTICE [sshd] Increase Ban 203.0.113.7 (2 # permanent -> infinite)'),
  ).toEqual({ kind: 'banned', network: '203.0.113.7/32', ip: '203.0.113.7', jail: 'sshd', permanent: true });
  expect(explainLine(fail2ban, 'fail2ban.actions [1]: NOTICE [dovecot] Restore Ban 203.0.113.7')).toEqual({
    kind: 'banned',
    network: '203.0.113.7/32',
    ip: '203.0.113.7',
    jail: 'dovecot',
    service: 'dovecot',
    restored: true,
  });
});

test('syslog-ng’s records get back the program that wrote them', () => {
  const record = JSON.stringify({ time: '1795433369', program: 'postfix/smtpd', priority: 'warning', message: 'x\n' });
  const line = expect.stringMatching(/^\w{3} [ \d]\d \d\d:\d\d:\d\d host postfix\/smtpd\[0\]: x$/);
  expect(unwrapLine(record)).toEqual([record, line]);
});

test('a bare message is tried behind each front that it may have lost', () => {
  const parser: LineParser = {
    parseLine: (text) =>
      text === 'b: said' ? { kind: 'unbanned', jail: 'j', network: '203.0.113.7/32' as Network } : undefined,
    lostPrefixes: ['a: ', 'b: '],
  };
  expect(explainLine(parser, 'said')).toEqual({ kind: 'unbanned', network: '203.0.113.7/32', jail: 'j' });
  expect(explainLine(parser, 'other')).toBeNull();
});

import { expect, test } from 'vitest';
import { parseNetfilterLine, readNetfilterLine } from '../../src/watchers/netfilter-line.ts';

const T = '2026-11-23 11:48:41';

/** The statement as short text: what is asserted, without jail and line. */
function said(text: string): unknown {
  const statement = parseNetfilterLine(text);
  if (statement === undefined) return undefined;
  const { line, jail, ...rest } = statement;
  expect(line).toBeTypeOf('string');
  return rest;
}

test.each([
  // Today's format, and the two of before.
  [`${T} CRIT: Banning 185.36.81.23/32 for 30 minutes`, '185.36.81.23/32', '185.36.81.23', 30],
  ['Banning 185.36.81.23/32 for 30 minutes', '185.36.81.23/32', '185.36.81.23', 30],
  ['Banning 185.36.81.23', '185.36.81.23/32', '185.36.81.23', undefined],
  ['Banning 193.56.28.0/24', '193.56.28.0/24', undefined, undefined],
  // 15 s is printed as 0 minutes; between 2023-04 and 2024-02 nothing bounded the doubling.
  [`${T} CRIT: Banning 185.36.81.23/32 for 0 minutes`, '185.36.81.23/32', '185.36.81.23', 0],
  ['Banning 185.36.81.23/32 for 62914560 minutes', '185.36.81.23/32', '185.36.81.23', 62_914_560],
  // Networks of any length, with host bits, and spellings of one address.
  ['Banning 10.0.0.0/8 for 30 minutes', '10.0.0.0/8', undefined, 30],
  ['Banning 193.56.28.77/24 for 30 minutes', '193.56.28.0/24', undefined, 30],
  ['Banning 2a01:4f8:c17:b8f::2/128 for 30 minutes', '2a01:4f8:c17:b8f::2/128', '2a01:4f8:c17:b8f::2', 30],
  ['Banning 2a01:4f8:c17:b8f::2/64 for 30 minutes', '2a01:4f8:c17:b8f::/64', undefined, 30],
  ['Banning ::ffff:5.188.206.14/128 for 30 minutes', '5.188.206.14/32', '5.188.206.14', 30],
  ['Banning ::/0 for 30 minutes', '::/0', undefined, 30],
])('%s is a ban of %s', (text, network, ip, minutes) => {
  expect(said(text)).toEqual({
    kind: 'banned',
    network,
    ...(ip !== undefined && { ip }),
    ...(minutes !== undefined && { minutes }),
  });
});

test.each([
  [`${T} INFO: Unbanning 193.56.28.0/24`, { kind: 'unbanned', network: '193.56.28.0/24' }],
  ['Unbanning 2a01::2/128', { kind: 'unbanned', network: '2a01::2/128', ip: '2a01::2' }],
  [`${T} CRIT: Added host/network 45.9.20.0/24 to denylist`, { kind: 'denylisted', network: '45.9.20.0/24' }],
  ['Added host/network 45.9.22.5 to blacklist', { kind: 'denylisted', network: '45.9.22.5/32', ip: '45.9.22.5' }],
  ['Add host/network 45.9.20.0/24 to blacklist', { kind: 'denylisted', network: '45.9.20.0/24' }],
  ['Blacklisting host/network 45.9.20.0/24', { kind: 'denylisted', network: '45.9.20.0/24' }],
  [`${T} CRIT: Removed host/network 45.9.20.0/24 from denylist`, { kind: 'undenylisted', network: '45.9.20.0/24' }],
  ['Remove host/network 45.9.20.0/24 from blacklist', { kind: 'undenylisted', network: '45.9.20.0/24' }],
  [`${T} INFO: Clearing all bans`, { kind: 'cleared' }],
  ['Cleaning previously cached bans', { kind: 'cleared' }],
])('%s', (text, expected) => {
  expect(said(text)).toEqual(expected);
});

test.each([
  '',
  ' ',
  '9.9.9.9/32 is not banned, skipping unban and deleting from queue (if any)',
  `${T} INFO: 9.9.9.9/32 is not banned, skipping unban and deleting from queue (if any)`,
  `${T} INFO: Address 8.8.4.4/32 is allowlisted by rule 8.8.4.4/32`,
  `${T} WARN: 9 more attempts in the next 600 seconds until 185.36.81.23/32 is banned`,
  '9 more attempts until 185.36.81.23 is banned',
  `${T} INFO: Allowlist was changed, it has 1 entries`,
  `${T} INFO: Watching Redis channel F2B_CHANNEL`,
  `${T} CRIT: MAILCOW target is in position 2 in the ip input table, restarting container to fix it...`,
  'Added POSTROUTING rule for source network 172.22.1.0/24 to SNAT target 45.9.20.1',
  'DEBUG: Banning 185.36.81.23/32 for 30 minutes',
  '# Warning: table ip filter is managed by iptables-nft, do not touch!',
  // The level does not fit.
  `${T} WARN: Banning 185.36.81.23/32 for 30 minutes`,
  `${T} INFO: Banning 185.36.81.23/32 for 30 minutes`,
  `${T} CRIT: Unbanning 185.36.81.23/32`,
  `${T} INFO: Added host/network 45.9.20.0/24 to denylist`,
  `${T} CRIT: 185.36.81.23 matched rule id 3 (x)`,
  `${T} DEBUG: Banning 185.36.81.23/32 for 30 minutes`,
  // Not a whole line, or not exactly the words.
  ' Banning 185.36.81.23/32 for 30 minutes',
  'Banning 185.36.81.23/32 for 30 minutes ',
  'Banning 185.36.81.23/32 for 30 minutes)',
  'Banning 185.36.81.23/32 for 30 minutes\n',
  'Banning 185.36.81.23/32 for 30 minutes\r',
  'Banning 185.36.81.23/32 for 30 seconds',
  'Banning 185.36.81.23/32 for -1 minutes',
  'BANNING 185.36.81.23/32 for 30 minutes',
  'banning 185.36.81.23/32 for 30 minutes',
  'Banned 185.36.81.23/32',
  'Banning  185.36.81.23/32 for 30 minutes',
  `${T} crit: Banning 185.36.81.23/32 for 30 minutes`,
  `${T},123 CRIT: Banning 185.36.81.23/32 for 30 minutes`,
  `${T} CRIT: ${T} CRIT: Banning 185.36.81.23/32 for 30 minutes`,
  // Not an address or network.
  'Banning 185.36.81.23/33 for 30 minutes',
  'Banning 2a01::/129 for 30 minutes',
  'Banning 185.36.81.256/32 for 30 minutes',
  'Banning 185.36.81/24 for 30 minutes',
  'Banning 010.36.81.2/32 for 30 minutes',
  'Banning mail.example.org for 30 minutes',
  'Banning 185.36.81.23/32/32 for 30 minutes',
  '999.1.1.1 matched rule id 3 (warning: x)',
  '185.36.81.23 matched rule id 3 in',
])('%j says nothing', (text) => {
  expect(parseNetfilterLine(text)).toBeUndefined();
});

/** `text` behind `matched rule id`, and what it tells. */
const FAILURES: [ip: string, text: string, expected: Record<string, unknown>][] = [
  [
    '185.36.81.23',
    '3 (warning: unknown[185.36.81.23]: SASL LOGIN authentication failed: (reason unavailable), sasl_username=info@example.org)',
    { rule: '3', service: 'smtp', account: 'info@example.org', reason: 'SASL LOGIN authentication failed' },
  ],
  [
    '185.36.81.23',
    '3 (warning: 8.8.8.8.host.example[185.36.81.23]: SASL PLAIN authentication failed: generic failure)',
    { rule: '3', service: 'smtp', reason: 'SASL PLAIN authentication failed' },
  ],
  [
    '185.36.81.23',
    '4 (warning: non-SMTP command from unknown[185.36.81.23]: GET _ HTTP_1.1)',
    { rule: '4', service: 'smtp', reason: 'non-SMTP command' },
  ],
  [
    '185.36.81.23',
    '5 (NOQUEUE: reject: RCPT from [185.36.81.23]:51234: 550 5.5.1 Protocol error; from=<a@b.example>, to=<c@d.example>, proto=ESMTP, helo=<x>)',
    { rule: '5', service: 'postscreen', reason: 'Protocol error' },
  ],
  [
    '91.240.118.1',
    '1 (mailcow UI: Invalid password for admin by 91.240.118.1)',
    { rule: '1', service: 'ui', account: 'admin', reason: 'Invalid password' },
  ],
  [
    '91.240.118.1',
    '1 (mailcow UI: Invalid password for stand by me by 91.240.118.1)',
    { rule: '1', service: 'ui', account: 'stand by me', reason: 'Invalid password' },
  ],
  [
    '91.240.118.1',
    '2 (Rspamd UI: Invalid password by 91.240.118.1)',
    { rule: '2', service: 'rspamd-ui', reason: 'Invalid password' },
  ],
  [
    '2a02:c207::6',
    '6 (auth-worker(2212): conn unix:auth-worker (pid=1): sql(user@example.org,2a02:c207::6,<0pJ6yZ3Uc1>): Password mismatch (SHA1 of given password: 5baa61))',
    { rule: '6', service: 'dovecot', account: 'user@example.org', reason: 'Password mismatch' },
  ],
  [
    '91.240.118.7',
    '7 (auth: lua(nobody@example.org,91.240.118.7,<0pJ6yZ3Uc1>): unknown user (SHA1 of given password: 5baa61))',
    { rule: '7', service: 'dovecot', account: 'nobody@example.org', reason: 'unknown user' },
  ],
  [
    '91.240.118.7',
    '7 (auth: lua(one,two (three),91.240.118.7,<0pJ6yZ3Uc1>): unknown user)',
    { rule: '7', service: 'dovecot', account: 'one,two (three)', reason: 'unknown user' },
  ],
  [
    '91.240.118.7',
    '2 (auth: passwd-file(nobody,::ffff:91.240.118.7): Password mismatch)',
    { rule: '2', service: 'dovecot', account: 'nobody', reason: 'Password mismatch' },
  ],
  [
    '91.240.118.7',
    '2 (imap-login: Disconnected (auth failed, 3 attempts in 20 secs): user=<a>b@example.org>, method=PLAIN, rip=91.240.118.7, lip=172.22.1.250, TLS)',
    { rule: '2', service: 'imap', account: 'a>b@example.org', reason: 'auth failed' },
  ],
  [
    '91.240.118.7',
    '8 (pop3-login: Aborted login (auth failed, 1 attempts in 2 secs): user=<>, method=PLAIN, rip=91.240.118.7, lip=172.22.1.250)',
    { rule: '8', service: 'pop3', reason: 'auth failed' },
  ],
  [
    '91.240.118.7',
    '8 (managesieve-login: Aborted login (auth failed, 1 attempts in 2 secs): user=<x>, method=PLAIN, rip=91.240.118.7, lip=172.22.1.250)',
    { rule: '8', service: 'sieve', account: 'x', reason: 'auth failed' },
  ],
  [
    '91.240.118.8',
    "8 (sogod [34]: SOGoRootPage Login from '91.240.118.8, 172.22.1.1' for user 'o'neil' might not have worked - password policy: 65535  grace: -1)",
    { rule: '8', service: 'sogo', account: "o'neil", reason: 'login failed' },
  ],
  [
    '91.240.118.9',
    '9 (91.240.118.9 "GET _SOGo_so_user_ HTTP_1.1" 403 0_0 0.003 - - 0)',
    { rule: '9', service: 'sogo', reason: '403' },
  ],
  // 2017: no text, then the container's name; March 2020: the rule.
  ['91.240.118.9', '3', { rule: '3' }],
  ['91.240.118.9', '3 in dovecot-mailcow', { rule: '3', service: 'dovecot' }],
  ['91.240.118.9', '1 in postfix-mailcow', { rule: '1', service: 'smtp' }],
  [
    '91.240.118.9',
    '1 (regex: warning: .*\\[([0-9a-f\\.:]+)\\]: SASL .+ authentication failed)',
    { rule: '1', service: 'smtp' },
  ],
  ['91.240.118.9', '2 (whole line of a rule that nobody knows)', { rule: '2' }],
  ['91.240.118.9', 'custom (foo 91.240.118.9 bar)', { rule: 'custom' }],
];

test.each(FAILURES)('%s matched rule id %s', (ip, text, expected) => {
  const failed = { kind: 'auth-failed', ip, ...expected };
  expect(said(`${ip} matched rule id ${text}`)).toEqual(failed);
  expect(said(`${T} WARN: ${ip} matched rule id ${text}`)).toEqual(failed);
});

test.each([
  // The first address of the line is the client's; another was counted.
  '45.9.20.1 matched rule id 3 (warning: unknown[185.36.81.23]: SASL LOGIN authentication failed: x, sasl_username=y)',
  '45.9.20.1 matched rule id 1 (mailcow UI: Invalid password for x by 45.9.20.1 by 185.36.81.23)',
  '185.36.81.23 matched rule id 1 (mailcow UI: Invalid password for x by 45.9.20.1 by 185.36.81.23)',
  '45.9.20.1 matched rule id 7 (auth: lua(a,45.9.20.1,<x>): unknown user (b,185.36.81.23,<sid>): unknown user)',
  '45.9.20.1 matched rule id 2 (imap-login: Disconnected (auth failed): user=<x>, rip=185.36.81.23, lip=172.22.1.250)',
  '45.9.20.1 matched rule id 2 (something 185.36.81.23 something 45.9.20.1)',
  // The text breaks off inside the name.
  '45.9.20.1 matched rule id 1 (mailcow UI: Invalid password for x by 45.9.20.1',
])('%s is doubtful', (text) => {
  expect(parseNetfilterLine(text)).toMatchObject({ kind: 'auth-failed', claimed: true });
});

test('of two places in a dovecot line the last is dovecot’s own; what stands before it is the name', () => {
  expect(
    parseNetfilterLine(
      '45.9.20.1 matched rule id 7 (auth: lua(a,45.9.20.1,<x>): no (b,185.36.81.23,<sid>): unknown user)',
    ),
  ).toMatchObject({ account: 'a,45.9.20.1,<x>): no (b', reason: 'unknown user', claimed: true });
});

test.each([
  '5.188.206.14 matched rule id 3 (warning: unknown[::ffff:5.188.206.14]: SASL LOGIN authentication failed: x, sasl_username=y)',
  '::ffff:5.188.206.14 matched rule id 3 (warning: unknown[5.188.206.14]: SASL LOGIN authentication failed: x, sasl_username=y)',
  '2a02:c207::1 matched rule id 3 (warning: unknown[2a02:c207:0:0:0:0:0:1]: SASL LOGIN authentication failed: x, sasl_username=y)',
  '5.188.206.14 matched rule id 3 (warning: 1.2.3.4.host.example[5.188.206.14]: SASL LOGIN authentication failed: x, sasl_username=8.8.8.8)',
])('%s is not', (text) => {
  expect(parseNetfilterLine(text)).not.toHaveProperty('claimed');
});

test('an address is canonical however it is spelled', () => {
  expect(parseNetfilterLine('::ffff:5.188.206.14 matched rule id 3')).toMatchObject({ ip: '5.188.206.14' });
});

test('two messages that share a line are both read; the one statement of it is the ban', () => {
  const glued = (text: string) => readNetfilterLine(text).statements.map(({ kind }) => kind);
  expect(glued('Unbanning 185.36.81.23/32Banning 45.9.20.1/32 for 30 minutes')).toEqual(['unbanned', 'banned']);
  expect(parseNetfilterLine('Unbanning 185.36.81.23/32Banning 45.9.20.1/32 for 30 minutes')).toMatchObject({
    kind: 'banned',
    network: '45.9.20.1/32',
  });
  expect(glued(`${T} INFO: Unbanning 185.36.81.23/32${T} CRIT: Banning 45.9.20.0/24 for 30 minutes`)).toEqual([
    'unbanned',
    'banned',
  ]);
  expect(glued('Banning 45.9.20.1/32 for 30 minutes185.36.81.23 matched rule id 3 (x)')).toEqual([
    'banned',
    'auth-failed',
  ]);
  expect(glued('Blacklist was changed, it has 3 entriesAdded host/network 45.9.20.0/24 to blacklist')).toEqual([
    'denylisted',
  ]);
  expect(glued('Clear completed: ip6Clear completed: ip')).toEqual([]);
});

test('behind a text that a client wrote nothing is read, but the text ends where it ended', () => {
  const text =
    '185.36.81.23 matched rule id 3 (warning: unknown[185.36.81.23]: SASL LOGIN authentication failed: x, sasl_username=y)';
  for (const glued of [`${text}Banning 45.9.20.1/32 for 30 minutes`, `${text}${T} INFO: Unbanning 45.9.20.1/32`]) {
    expect(readNetfilterLine(glued).statements).toHaveLength(1);
    expect(parseNetfilterLine(glued)).toMatchObject({ kind: 'auth-failed', account: 'y' });
    expect(readNetfilterLine(glued).open).toBe(false);
  }
});

test('one half in one format and one in the other is nobody’s line', () => {
  expect(parseNetfilterLine(`${T} INFO: Unbanning 185.36.81.23/32Banning 45.9.20.1/32 for 30 minutes`)).toBeUndefined();
  expect(parseNetfilterLine(`Unbanning 185.36.81.23/32${T} CRIT: Banning 45.9.20.1/32 for 30 minutes`)).toBeUndefined();
});

test('names are cut, and what was given as password is kept nowhere', () => {
  const long = parseNetfilterLine(
    `1.1.1.1 matched rule id 3 (warning: unknown[1.1.1.1]: SASL LOGIN authentication failed: x, sasl_username=${'a'.repeat(4000)})`,
  );
  expect(long?.account).toHaveLength(128);
  expect(long?.line).toHaveLength(512);
  const hash = '5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8';
  for (const text of [
    `91.240.118.7 matched rule id 7 (auth: lua(x,91.240.118.7,<s>): unknown user (SHA1 of given password: ${hash}))`,
    `91.240.118.7 matched rule id 7 (auth: lua(x,91.240.118.7,<s>): Password mismatch (given password: ${hash}))`,
    `91.240.118.7 matched rule id 7 (auth: lua(SHA1 of given password: ${hash},91.240.118.7,<s>): unknown user)`,
  ]) {
    expect(JSON.stringify(parseNetfilterLine(text))).not.toContain('5baa61');
    expect(parseNetfilterLine(text)).toMatchObject({ kind: 'auth-failed', ip: '91.240.118.7' });
  }
});

import { describe, expect, test } from 'vitest';
import { parseDovecotLine } from '../../src/watchers/dovecot-line.ts';
import { withoutLine } from './without-line.ts';

const SYSLOG = 'Nov 23 12:25:23 c0ffee123456 dovecot: ';
const END = 'method=PLAIN, rip=185.36.81.23, lip=172.22.1.250, TLS, session=<ZXC74/Rgstx/AAAB>';
const FAILED = { kind: 'auth-failed', ip: '185.36.81.23' };

describe('a connection that ended', () => {
  test.each([
    ['imap-login: Disconnected (auth failed, 3 attempts)', 'imap', 'auth failed', 3],
    ['imap-login: Aborted login (auth failed, 2 attempts in 6 secs)', 'imap', 'auth failed', 2],
    ['pop3-login: Disconnected: Inactivity (auth failed, 1 attempts in 178 secs)', 'pop3', 'auth failed', 1],
    [
      'imap-login: Disconnected: Connection closed: read(size=1003) failed: Connection reset by peer (auth failed, 1 attempts in 0 secs)',
      ...(['imap', 'auth failed', 1] as const),
    ],
    [
      'pop3-login: Disconnected: Disconnected: Too many bad commands (auth failed, 2 attempts in 0 secs)',
      'pop3',
      'auth failed',
      2,
    ],
    [
      'submission-login: Client has quit the connection (auth failed, 1 attempts in 2 secs)',
      'submission',
      'auth failed',
      1,
    ],
    ['submission-login: Remote closed connection (auth failed, 1 attempts in 2 secs)', 'submission', 'auth failed', 1],
    [
      'managesieve-login: Login aborted: Logged out (auth failed, 1 attempts in 10 secs) (auth_failed)',
      'sieve',
      'auth failed',
      1,
    ],
    [
      'imap-login: Login aborted: Connection closed (auth failed, 3 attempts in 16 secs) (auth_failed)',
      'imap',
      'auth failed',
      3,
    ],
    [
      'imap-login: Info: Login aborted: Connection closed (auth failed, 3 attempts in 16 secs) (auth_failed)',
      'imap',
      'auth failed',
      3,
    ],
    [
      'imap-login: Aborted login (tried to use disabled plaintext auth)',
      'imap',
      'tried to use disabled plaintext auth',
      1,
    ],
    [
      'imap-login: Disconnected: Too many invalid commands (tried to use disallowed plaintext auth)',
      ...(['imap', 'tried to use disallowed plaintext auth', 1] as const),
    ],
    [
      'imap-login: Login aborted: Logged out (tried to use disallowed cleartext auth, 2 attempts in 3 secs) (cleartext_auth_disabled)',
      ...(['imap', 'tried to use disallowed cleartext auth', 2] as const),
    ],
    ['imap-login: Disconnected (authorization failed, 4 attempts in 3 secs)', 'imap', 'authorization failed', 4],
    ['imap-login: Disconnected (proxy dest auth failed)', 'imap', 'proxy dest auth failed', 1],
    [
      'imap-login: Login aborted: Logged out (proxy dest authentication failure to 10.0.0.9, 1/2 successful auths in 3 secs) (proxy_dest_auth_failed)',
      ...(['imap', 'proxy dest authentication failure', 2] as const),
    ],
    ['imap-login: Disconnected: Logged out (user disabled)', 'imap', 'user disabled', 1],
    [
      'imap-login: Login aborted: Logged out (password expired, 1 attempts in 2 secs) (password_expired)',
      'imap',
      'password expired',
      1,
    ],
  ])('%s', (head, service, reason, attempts) => {
    expect(withoutLine(parseDovecotLine(`${SYSLOG}${head}: user=<info@example.org>, ${END}`))).toEqual({
      ...FAILED,
      ...{ service, account: 'info@example.org', reason, mechanism: 'PLAIN' },
      ...{ session: 'ZXC74/Rgstx/AAAB', attempts },
    });
  });

  test.each([
    'imap-login: Disconnected (no auth attempts in 10 secs)',
    'imap-login: Login aborted: Connection closed (no auth attempts in 1 secs) (no_auth_attempts)',
    "imap-login: Disconnected (client didn't finish SASL auth, waited 2 secs)",
    "imap-login: Login aborted: Connection closed (client didn't finish SASL auth, 1 attempts in 2 secs) (auth_waiting_client)",
    'imap-login: Disconnected (disconnected before auth was ready, waited 0 secs)',
    'imap-login: Disconnected (disconnected while authenticating, waited 3 secs)',
    'imap-login: Disconnected (aborted authentication)',
    'imap-login: Login aborted: Logged out (auth aborted by client, 1 attempts in 2 secs) (auth_aborted_by_client)',
    'imap-login: Disconnected (tried to use unsupported auth mechanism)',
    "imap-login: Disconnected (cert required, client didn't start TLS)",
    'imap-login: Disconnected (auth process communication failure)',
    'imap-login: Disconnected (auth service reported temporary failure)',
    'imap-login: Disconnected: Internal error occurred (internal failure, 1 successful auths)',
    'imap-login: Login aborted: Internal login failure (pid=7 id=1) (internal failure, 1/1 successful auths in 2 secs) (internal_failure)',
    'imap-login: Login aborted: Connection closed (disconnected during TLS handshake) (tls_handshake_not_finished)',
    'imap-login: Authenticate FOO,RIP=8.8.8.8 failed: Unsupported authentication mechanism.',
    'imap-login: Login failed: Plaintext authentication disabled',
    'lmtp: Disconnected (auth failed, 3 attempts)',
  ])('%s is no failed login', (head) => {
    expect(parseDovecotLine(`${SYSLOG}${head}: user=<info@example.org>, ${END}`)).toBeUndefined();
  });

  test.each([
    ['user=<>, method=PLAIN, rip=185.36.81.23, lip=172.22.1.250', { mechanism: 'PLAIN' }],
    ['user=<x>, rip=185.36.81.23, lip=172.22.1.250, session=<a+b>', { account: 'x', session: 'a+b' }],
    ['user=<x>, method=PLAIN, rip=::ffff:185.36.81.23,lip=172.22.1.250', { account: 'x', mechanism: 'PLAIN' }],
    ['method=CRAM-MD5, rip=185.36.81.23, lip=172.22.1.250, TLS: Disconnected', { mechanism: 'CRAM-MD5' }],
    ['rip=185.36.81.23, lip=172.22.1.250, session=<a+b>', { session: 'a+b' }],
    ['XYZ rip=185.36.81.23, lip=172.22.1.250', {}],
    ['rip=185.36.81.23, lip=172.22.1.250, user=<a>b>, session=<s>', { account: 'a>b' }],
    [
      'user=<x>, method=PLAIN, rip=185.36.81.23, lip=172.22.1.250, mpid=7, TLS: SSL_read() syscall failed: Connection reset by peer, TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)',
      { account: 'x', mechanism: 'PLAIN' },
    ],
  ])('with the elements %s', (elements, expected) => {
    const line = `${SYSLOG}imap-login: Disconnected (auth failed, 1 attempts in 2 secs): ${elements}`;
    expect(withoutLine(parseDovecotLine(line))).toEqual({
      ...FAILED,
      ...{ service: 'imap', reason: 'auth failed', attempts: 1 },
      ...expected,
    });
  });

  test('with IPv6', () => {
    const line = `${SYSLOG}imap-login: Disconnected (auth failed, 1 attempts): user=<x>, rip=2a01:4f8:c17:b8f::2, lip=::1`;
    expect(parseDovecotLine(line)).toMatchObject({ ip: '2a01:4f8:c17:b8f::2' });
  });
});

describe('a good login', () => {
  test.each([
    ['imap-login: Login', 'imap'],
    ['pop3-login: Info: Login', 'pop3'],
    ['imap-login: Logged in', 'imap'],
    ['managesieve-login: Logged in', 'sieve'],
    ['submission-login: Login', 'submission'],
  ])('%s', (head, service) => {
    expect(withoutLine(parseDovecotLine(`${SYSLOG}${head}: user=<info@example.org>, ${END}`))).toEqual({
      kind: 'authenticated',
      ip: '185.36.81.23',
      ...{ service, account: 'info@example.org', mechanism: 'PLAIN' },
    });
  });

  test('of nobody is none', () => {
    expect(parseDovecotLine(`${SYSLOG}imap-login: Login: user=<>, ${END}`)).toBeUndefined();
  });
});

test.each([
  'imap-login: ID sent: name=(auth failed, 999999999 attempts): user=<u>, rip=8.8.8.8, lip=172.22.1.250, session=<s>',
  'imap-login: proxy(x (auth failed, 99 attempts): started proxying to h:1: user=<u>, rip=8.8.8.8, session=<s>',
  'imap-login: Aborted login (0 authentication attempts): user=<u>, method=PLAIN, rip=8.8.8.8, lip=172.22.1.250',
  'imap-login: Debug: client said (auth failed, 3 attempts): user=<u>, rip=8.8.8.8, lip=172.22.1.250, session=<s>',
])('%s is no failed login: it does not tell of an end', (message) => {
  expect(parseDovecotLine(SYSLOG + message)).toBeUndefined();
});

test.each([
  ['Aborted login (1 authentication attempts)', 1],
  ['Disconnected: Inactivity (3 authentication attempts)', 3],
])('dovecot 1: %s is so many failed logins', (own, attempts) => {
  const line = `${SYSLOG}imap-login: ${own}: user=<bob>, method=PLAIN, rip=::ffff:192.0.2.1, lip=::ffff:172.22.1.250`;
  expect(parseDovecotLine(line)).toMatchObject({ kind: 'auth-failed', ip: '192.0.2.1', account: 'bob', attempts });
});

import { describe, expect, test } from 'vitest';
import { parseDovecotLine } from '../../src/watchers/dovecot-line.ts';
import { withoutLine } from './without-line.ts';

const SYSLOG = 'Nov 23 12:25:23 c0ffee123456 dovecot: ';
const FAILED = { kind: 'auth-failed', ip: '185.36.81.23' };

describe('an attempt, as the auth process tells of it', () => {
  const session = { session: 'ZXC74+Rgstx' };
  test.each([
    ['auth: passwd-file(u@x,185.36.81.23): unknown user', 'unknown user', {}],
    [
      'auth: lua(u@x,185.36.81.23,<ZXC74+Rgstx>): Password mismatch (SHA1 of given password: a4b48a)',
      'Password mismatch',
      session,
    ],
    ['auth: Info: lua(u@x,185.36.81.23,<ZXC74+Rgstx>): Password mismatch', 'Password mismatch', session],
    [
      'auth-worker(22): sql(u@x,185.36.81.23,<ZXC74+Rgstx>): unknown user (given password: hunter2)',
      'unknown user',
      session,
    ],
    [
      'auth-worker(7): conn unix:auth-worker (pid=1,uid=2): auth-worker<3>: sql(u@x,185.36.81.23,<ZXC74+Rgstx>): unknown user',
      ...(['unknown user', session] as const),
    ],
    [
      'auth-worker(7): Info: conn unix:auth-worker (uid=143): auth-worker<3>: sql(u@x,185.36.81.23): unknown user',
      'unknown user',
      {},
    ],
    [
      'auth-worker(7): conn unix:_run_dovecot_auth-worker (pid=1,uid=2): auth-worker<3>: lua(u@x,185.36.81.23): Password mismatch',
      'Password mismatch',
      {},
    ],
    ['auth: ldap(u@x,185.36.81.23,): invalid credentials', 'invalid credentials', {}],
    [
      'auth: ldap(u@x,185.36.81.23): Password mismatch (for LDAP bind) (SHA1 of given password: f638ff)',
      'Password mismatch',
      {},
    ],
    ['auth: ldap(u@x,185.36.81.23): Login attempt with empty password', 'Login attempt with empty password', {}],
    ['auth: static(u@x,185.36.81.23): Password mismatch', 'Password mismatch', {}],
    ['auth: dict(u@x,185.36.81.23): unknown user', 'unknown user', {}],
    ['auth: cram-md5(u@x,185.36.81.23): Password mismatch', 'Password mismatch', {}],
    ['auth: checkpassword(u@x,185.36.81.23): Login failed (status=1)', 'Login failed', {}],
    ['auth: oauth2(u@x,185.36.81.23): oauth2 failed: Introspection failed', 'oauth2 failed', {}],
    [
      'auth: policy(u@x,185.36.81.23): Authentication failure due to policy server refusal: no',
      'Authentication failure due to policy server refusal',
      {},
    ],
    ['auth: passwd-file(u@x,185.36.81.23,master,<ZXC74+Rgstx>): Password mismatch', 'Password mismatch', session],
    [
      'auth: passwd-file(u@x,185.36.81.23): allow_nets check failed: IP 185.36.81.23 not in allowed networks',
      'allow_nets check failed',
      {},
    ],
    [
      'auth(default): pam(u@x,185.36.81.23): pam_authenticate() failed: User not known to the underlying authentication module: 2 Time(s)',
      ...(['pam_authenticate() failed: User not known', {}] as const),
    ],
    [
      'auth-worker(default): pam(u@x,185.36.81.23): pam_authenticate() failed: Authentication failure (password mismatch?)',
      ...(['pam_authenticate() failed: Authentication failure', {}] as const),
    ],
    [
      'auth-worker(3): pam(u@x,185.36.81.23): pam_authenticate() failed: Permission denied',
      'pam_authenticate() failed: Permission denied',
      {},
    ],
    [
      'auth(u@x,185.36.81.23,sasl:login)<ZXC74+Rgstx>: Info: sql: Password mismatch (given password: XxxxXXxx123)',
      ...(['Password mismatch', { ...session, mechanism: 'LOGIN' }] as const),
    ],
    [
      'auth-worker(u@x,185.36.81.23,sasl:plain)<77><ZXC74+Rgstx>: request [12]: sql: unknown user',
      ...(['unknown user', { ...session, mechanism: 'PLAIN' }] as const),
    ],
    [
      'auth: pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=u@x rhost=185.36.81.23',
      'authentication failure',
      {},
    ],
    [
      'pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=u@x rhost=185.36.81.23  user=u@x',
      'authentication failure',
      {},
    ],
  ])('%s', (message, reason, expected) => {
    const statement = parseDovecotLine(SYSLOG + message);
    expect(withoutLine(statement)).toEqual({ ...FAILED, service: 'dovecot', account: 'u@x', reason, ...expected });
    expect(JSON.stringify(statement)).not.toMatch(/hunter2|XxxxXXxx123|a4b48a|f638ff/);
  });

  test.each([
    'auth: lua(u@x,185.36.81.23,<s>): Password mismatch (SHA1 of given password: a4b48a) - trying the next passdb',
    'auth: sql(u@x,185.36.81.23,<s>): unknown user - trying the next userdb',
    'auth: Error: ldap(u@x,185.36.81.23): Password mismatch',
    'auth-worker(7): Error: conn unix:auth-worker (pid=1,uid=2): auth-worker<3>: sql(u@x,185.36.81.23): unknown user',
    'auth: Error: sql(u@x,185.36.81.23): Password query failed: Not connected to database',
    'auth: sql(u@x,185.36.81.23): Falling back to expired data from cache',
    'auth-worker(3): pam(u@x,185.36.81.23): pam_authenticate() failed: Authentication service cannot retrieve authentication info',
    'auth-worker(3): pam(u@x,185.36.81.23): pam_authenticate() failed: System error',
    'auth: login(?,185.36.81.23): Request timed out waiting for client to continue authentication (150 secs)',
    'auth: plain(?,185.36.81.23): Invalid base64 data in initial response',
    'auth: sql(u@x): unknown user',
    'auth: Warning: auth client 0 disconnected with 1 pending requests: EOF',
    'imap(u@x)<7><s>: Disconnected (auth failed, 1 attempts): user=<x>, rip=8.8.8.8',
    'pam_unix(dovecot:auth): check pass; user unknown',
    'pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=185.36.81.23',
  ])('%s says nothing', (message) => {
    expect(parseDovecotLine(SYSLOG + message)).toBeUndefined();
  });
});

test.each([
  'auth: oauth2(b,1.1.1.1): oauth2 failed: x,8.8.8.8): unknown user',
  'auth(b,1.1.1.1,sasl:xoauth2)<s>: oauth2: oauth2 failed: x,8.8.8.8): unknown user',
  'auth: sql(b,1.1.1.1): Password mismatch (SHA1 of given password: ,8.8.8.8): unknown user)',
  'auth: lua(x,8.8.8.8): unknown user,1.1.1.1,<s>): unknown user',
])('%s blames nobody: two places could be the client’s', (message) => {
  expect(parseDovecotLine(SYSLOG + message)?.ip).toBeUndefined();
});

import { describe, expect, test } from 'vitest';
import { parsePostfixMessage } from '../../src/watchers/postfix-line.ts';
import { withoutLine } from './without-line.ts';

/** Wordings that the captured runs do not have: other versions, other settings, what others have seen in the wild. */

const IP = { ip: '192.0.2.1' };

function said(message: string, program?: string): object | undefined {
  return withoutLine(parsePostfixMessage(message, program));
}

describe('postscreen', () => {
  test.each([
    ['PREGREET 14 after 0.08 from [192.0.2.1]:59415: EHLO ylmf-pc\\r\\n', 'PREGREET'],
    ['HANGUP after 63 from [192.0.2.1]:1038 in tests after SMTP handshake', 'HANGUP'],
    ['DNSBL rank 3 for [192.0.2.1]:1038', 'DNSBL'],
    ['BLACKLISTED [192.0.2.1]:53024', 'DENYLISTED'],
    ['DENYLISTED [192.0.2.1]:53024', 'DENYLISTED'],
    ['BARE NEWLINE from [192.0.2.1]:42606 after .', 'BARE NEWLINE'],
    ['BARE NEWLINE from [192.0.2.1]:42606', 'BARE NEWLINE'],
    ['COMMAND PIPELINING from [192.0.2.1]:42606 after .: \\n', 'COMMAND PIPELINING'],
    ['COMMAND PIPELINING from [192.0.2.1]:42606 after EHLO', 'COMMAND PIPELINING'],
    ['NON-SMTP COMMAND from [192.0.2.1]:42606 after CONNECT: GET http://x.example/ HTTP/1.1', 'NON-SMTP COMMAND'],
    ['NON-SMTP COMMAND from [192.0.2.1]:42606 GET / HTTP/1.1', 'NON-SMTP COMMAND'],
    ['COMMAND TIME LIMIT from [192.0.2.1]:3608 after CONNECT', 'COMMAND TIME LIMIT'],
    ['COMMAND TIME LIMIT from [192.0.2.1]:3608', 'COMMAND TIME LIMIT'],
    ['COMMAND COUNT LIMIT from [192.0.2.1]:15592 after RCPT', 'COMMAND COUNT LIMIT'],
    ['COMMAND LENGTH LIMIT from [192.0.2.1]:15592 after RCPT', 'COMMAND LENGTH LIMIT'],
    ['NOQUEUE: reject: CONNECT from [192.0.2.1]:1337: all server ports busy', 'all server ports busy'],
    ['reject: connect from [192.0.2.1]:1337: all screening ports busy', 'all screening ports busy'],
  ])('%s', (message, reason) => {
    const verdict = { kind: 'rejected', ...IP, service: 'postscreen', reason };
    expect(said(message)).toEqual(verdict);
    expect(said(message, 'haproxy/postscreen')).toEqual(verdict);
    expect(said(message, 'postfix/smtpd')).toBeUndefined();
  });

  test('a list of deeper tests asks the client to come again', () => {
    const message =
      'NOQUEUE: reject: RCPT from [2001:db8::1]:2413: 450 4.3.2 Service currently unavailable; from=<>, to=<b@example.org>, proto=ESMTP, helo=<>';
    expect(said(message, 'postfix/postscreen')).toEqual({
      kind: 'rejected',
      ip: '2001:db8::1',
      service: 'postscreen',
      reason: 'Service currently unavailable',
      code: '450 4.3.2',
      recipient: 'b@example.org',
    });
  });

  test.each([
    'CONNECT from [192.0.2.1]:53024 to [198.51.100.1]:25',
    'CONNECT from [192.0.2.1]:53024',
    'DISCONNECT [192.0.2.1]:43421',
    'PASS OLD [192.0.2.1]:53024',
    'PASS NEW [192.0.2.1]:53024',
    'WHITELISTED [192.0.2.1]:53024',
    'ALLOWLISTED [192.0.2.1]:53024',
    'WHITELIST VETO [192.0.2.1]:53024',
    'ALLOWLIST VETO [192.0.2.1]:53024',
    'DATA without valid RCPT from [192.0.2.1]:53024',
    'cache btree:/var/lib/postfix/postscreen_cache full cleanup: retained=242 dropped=7 entries',
    'warning: getpeername: Transport endpoint is not connected -- dropping this connection',
    'DENYLISTED [192.0.2.1]:53024 and more',
    'PREGREET 14 after 0.08 from [unknown]:59415: x',
  ])('%s says nothing', (message) => {
    expect(said(message)).toBeUndefined();
    expect(said(message, 'postfix/postscreen')).toBeUndefined();
  });
});

describe('what else smtpd says', () => {
  test.each([
    [
      'warning: Connection rate limit exceeded: 31 from a.example[192.0.2.1] for service smtpd',
      'Connection rate limit exceeded',
      'smtp',
    ],
    [
      'warning: Connection concurrency limit exceeded: 51 from a.example[192.0.2.1] for service smtp',
      'Connection concurrency limit exceeded',
      'smtp',
    ],
    [
      'warning: AUTH command rate limit exceeded: 11 from a.example[192.0.2.1] for service submission',
      'AUTH command rate limit exceeded',
      'submission',
    ],
    [
      'warning: Recipient address rate limit exceeded: 9 from a.example[192.0.2.1] for service [::]:587',
      'Recipient address rate limit exceeded',
      'submission',
    ],
    [
      'warning: New TLS session rate limit exceeded: 9 from a.example[192.0.2.1] for service smtps',
      'New TLS session rate limit exceeded',
      'smtps',
    ],
    [
      'warning: Message delivery request rate limit exceeded: 9 from a.example[192.0.2.1] for service 465',
      'Message delivery request rate limit exceeded',
      'smtps',
    ],
    [
      'warning: Refusing STARTTLS request from a.example[192.0.2.1] for service submissions',
      'Refusing STARTTLS request',
      'smtps',
    ],
    [
      'warning: Refusing TLS service request from a.example[192.0.2.1]:55 for service smtp',
      'Refusing TLS service request',
      'smtp',
    ],
    ['warning: non-SMTP command from a.example[192.0.2.1]: GET / HTTP/1.1', 'non-SMTP command', 'smtp'],
    ['too many errors after RCPT from a.example[192.0.2.1]', 'too many errors', 'smtp'],
    ['too many errors after DATA (12 bytes) from a.example[192.0.2.1]', 'too many errors', 'smtp'],
    ['NOQUEUE: too many errors after UNKNOWN from a.example[192.0.2.1]', 'too many errors', 'smtp'],
    ['lost connection after AUTH from a.example[192.0.2.1]', 'lost connection after AUTH', 'smtp'],
    ['NOQUEUE: lost connection after AUTH from a.example[192.0.2.1]:4433', 'lost connection after AUTH', 'smtp'],
    ['improper command pipelining after DATA from a.example[192.0.2.1]:', 'improper command pipelining', 'smtp'],
    ['improper command pipelining after NOOP from a.example[192.0.2.1]', 'improper command pipelining', 'smtp'],
    ['improper command pipelining after AUTH from a.example[192.0.2.1]: QUIT', 'improper command pipelining', 'smtp'],
  ])('%s', (message, reason, service) => {
    const verdict = { kind: 'rejected', ...IP, service, reason, hostname: 'a.example' };
    expect(said(message)).toEqual(verdict);
    expect(said(message, 'postfix/smtpd')).toEqual(verdict);
    expect(said(message, 'postfix/postscreen')).toBeUndefined();
  });

  test.each([
    ['unknown[192.0.2.1]: SASL CRAM-MD5 authentication failed: PDc3OTEwNTkyNTEyMzA2Pg==', 'CRAM-MD5', undefined],
    ['unknown[192.0.2.1]: SASL LOGIN authentication failed: UGFzc3dvcmQ6', 'LOGIN', undefined],
    ['unknown[192.0.2.1]: SASL login authentication failed: Password:', 'LOGIN', undefined],
    ['a.example[192.0.2.1]: SASL Plain authentication failed:', 'PLAIN', undefined],
    ['a.example[192.0.2.1]: SASL LOGIN authentication failed', 'LOGIN', undefined],
    ['unknown[192.0.2.1]:55729: SASL LOGIN authentication failed: authentication failure', 'LOGIN', undefined],
    [
      'unknown[192.0.2.1]: SASL LOGIN authentication failed: (reason unavailable), sasl_username=admin',
      'LOGIN',
      'admin',
    ],
    [
      'unknown[192.0.2.1]: SASL PLAIN authentication failed: , sasl_username=a, sasl_username=b',
      'PLAIN',
      'a, sasl_username=b',
    ],
    ['a[192.0.2.1]: SASL CRAM-MD5 authentication failed: Invalid authentication mechanism', 'CRAM-MD5', undefined],
    ['a[192.0.2.1]: SASL XOAUTH2 authentication failed: eyJ9, sasl_username=(unavailable)', 'XOAUTH2', undefined],
  ])('warning: %s', (warning, mechanism, account) => {
    expect(said(`warning: ${warning}`, 'postfix/smtps/smtpd')).toEqual({
      kind: 'auth-failed',
      ...IP,
      service: 'smtps',
      ...(account !== undefined && { account }),
      mechanism,
      reason: `SASL ${mechanism} authentication failed`,
    });
  });

  test('a mechanism that does not exist is a word of the client, and is not repeated', () => {
    const message = 'warning: unknown[192.0.2.1]: SASL EVIL authentication failed: Invalid authentication mechanism';
    expect(said(message)).toEqual({
      kind: 'auth-failed',
      ...IP,
      service: 'smtp',
      reason: 'SASL authentication failed',
    });
  });

  test.each([
    ['A1B2C3D4: client=a.example[192.0.2.1], sasl_method=PLAIN, sasl_username=joe@example.org', 'PLAIN'],
    [
      '4ZzYxW1Vt0zB: client=a.example[192.0.2.1]:5000, sasl_method=login, sasl_username=joe@example.org, sasl_sender=x',
      'LOGIN',
    ],
    ['NOQUEUE: client=unknown[192.0.2.1], sasl_method=CRAM-MD5, sasl_username=joe@example.org', 'CRAM-MD5'],
    [
      'A1B2C3D4: client=a[192.0.2.1], sasl_method=PLAIN, sasl_username=joe@example.org, orig_queue_id=B1, orig_client=b[198.51.100.7]',
      'PLAIN',
    ],
    ['A1B2C3D4: client=a[192.0.2.1], sasl_username=joe@example.org', undefined],
  ])('%s', (message, mechanism) => {
    expect(said(message, 'postfix/submission/smtpd')).toEqual({
      kind: 'authenticated',
      ...IP,
      service: 'submission',
      account: 'joe@example.org',
      ...(mechanism !== undefined && { mechanism }),
    });
  });

  test.each([
    'connect from a.example[192.0.2.1]',
    'disconnect from a.example[192.0.2.1] ehlo=1 auth=0/1 quit=1 commands=2/3',
    'lost connection after CONNECT from a.example[192.0.2.1]',
    'lost connection after DATA (20 bytes) from a.example[192.0.2.1]',
    'NOQUEUE: lost connection after STARTTLS from a.example[192.0.2.1]',
    'timeout after END-OF-MESSAGE from a.example[192.0.2.1]',
    'A1B2C3D4: client=a.example[192.0.2.1]',
    'A1B2C3D4: client=a.example[192.0.2.1], orig_queue_id=B1, orig_client=b[198.51.100.7]',
    'A1B2C3D4: client=unknown[unknown], sasl_method=PLAIN, sasl_username=joe',
    'SSL_accept error from a.example[192.0.2.1]: -1',
    'warning: a.example[192.0.2.1]: SASL PLAIN authentication aborted',
    'warning: a.example[192.0.2.1]: SASL LOGIN authentication failed: Connection lost to authentication server',
    "warning: a.example[192.0.2.1]: SASL LOGIN authentication failed: Can't connect to authentication server, sasl_username=joe",
    'warning: a.example[192.0.2.1]: SASL LOGIN authentication failed: generic failure',
    'warning: a.example[192.0.2.1]: SASL PLAIN authentication failed: Temporary authentication failure. [mail:2026-11-23 12:00:00], sasl_username=joe',
    'warning: SASL authentication failure: Password verification failed',
    'warning: hostname a.example does not resolve to address 192.0.2.1: Name or service not known',
    'warning: Illegal address syntax from a.example[192.0.2.1] in MAIL command: x',
    'statistics: max connection rate 5/60s for (smtp:192.0.2.1) at Nov 23 12:00:00',
  ])('%s says nothing', (message) => {
    for (const program of ['postfix/smtpd', 'postfix/anvil', 'postfix/cleanup', undefined])
      expect(said(message, program)).toBeUndefined();
  });
});

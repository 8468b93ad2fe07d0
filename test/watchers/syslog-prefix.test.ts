import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readSyslogLine } from '../../src/watchers/syslog-prefix.ts';

test.each([
  ['Nov 23 12:25:23 c0ffee123456 postfix/postscreen[8040]: said', 'postfix/postscreen', 8040],
  ['Nov  3 01:02:03 c0ffee123456 postfix/submission/smtpd[1]: said', 'postfix/submission/smtpd', 1],
  ['Nov 3 01:02:03 mail postfix-out/smtpd[1]: said', 'postfix-out/smtpd', 1],
  ['Nov 23 12:25:23 c0ffee123456 dovecot: said', 'dovecot', undefined],
  ['Nov 23 12:25:23 c0ffee123456 sogod [34]: said', 'sogod', 34],
  ['Nov 23 12:25:23.123456 mail.example.org postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['2026 Nov 23 12:25:23 mail postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['Nov 23 2026 12:25:23 mail postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['<22>Nov 23 12:25:23 mail postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['Nov 23 12:25:23 <mail.info> mail postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['Nov 23 12:25:23 192.0.2.25 postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['Nov 23 12:25:23 2001:db8::25 postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['Nov 23 12:25:23 s_local@mail/192.0.2.25 postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['Nov 23 12:25:23 mail postfix/smtpd[7]: [ID 197553 mail.info] said', 'postfix/smtpd', 7],
  ['2026-11-23T12:25:23.123456+01:00 mail postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['2026-11-23T12:25:23Z mail postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['2026-11-23T12:25:23+0100 mail postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['Mon 2026-11-23 12:25:23 CET mail postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['2021-07-26T12:46:03.553+00:00 INFO    postfix/smtpd[170]: said', 'postfix/smtpd', 170],
  ['2026-11-23 12:25:23 mail postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['2026-11-23 12:25:23.123 mail postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['Nov 23 12:25:23 mail mail.warn postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['févr. 23 12:25:23 mail postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['avril  3 12:25:23 mail postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['Nov 23 12:25:23 2026 mail postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['Nov 23 12:25:23 [192.0.2.25] postfix/smtpd[7]: said', 'postfix/smtpd', 7],
  ['<22>1 2026-11-23T12:25:23.123456+01:00 mail postfix/smtpd 7 - - said', 'postfix/smtpd', 7],
  ['<22>1 2026-11-23T12:25:23Z mail dovecot - - - said', 'dovecot', undefined],
  ['<22>1 2026-11-23T12:25:23Z mail postfix/smtpd 7 - - \uFEFFsaid', 'postfix/smtpd', 7],
  ['<22>1 2026-11-23T12:25:23Z mail postfix/smtpd 7 id [a@1 b="\\"]\\\\" c=""][d] said', 'postfix/smtpd', 7],
])('%s', (line, program, pid) => {
  expect(readSyslogLine(line)).toEqual({ program, ...(pid !== undefined && { pid }), message: 'said' });
});

test.each([
  'Nov 23 12:25:23 postfix/smtpd[7]: said',
  'postfix/smtpd[7]: said',
  'mail postfix/smtpd[7]: said',
  ' Nov 23 12:25:23 mail postfix/smtpd[7]: said',
  'xNov 23 12:25:23 mail postfix/smtpd[7]: said',
  'Nov 23 12:25:23 mail postfix/smtpd[x]: said',
  'Nov 23 12:25:23 mail postfix/smtpd[7] said',
  'Nov 23 12:25:23 mail <script>[7]: said',
  '2026-11-23 12:25:23,079 fail2ban.filter [4667]: INFO [x] Found 192.0.2.1',
  '2026-11-23 12:25:23 CRIT: Banning 192.0.2.1/32 for 30 minutes',
  '2026-11-23 12:25:23 WARN: 192.0.2.1 matched rule id 3 (x: y)',
  '<22>1 2026-11-23T12:25:23Z mail postfix/smtpd 7 - [a b="c] said',
  '',
])('%j is no line of syslog', (line) => {
  expect(readSyslogLine(line)).toBeUndefined();
});

test('whatever a message holds, it is given back as it is, and nothing of it is taken for the prefix', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (said) => {
      fc.pre(!said.startsWith('[ID '));
      expect(readSyslogLine(`Nov 23 12:25:23 mail postfix/smtpd[7]: ${said}`)).toEqual({
        program: 'postfix/smtpd',
        pid: 7,
        message: said,
      });
    }),
  );
});

test('text without the whole prefix is nothing, and long text is read to its end', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      expect(readSyslogLine(text)).toBeUndefined();
    }),
  );
  for (const word of ['[a b="', '\\"', 'a ', ' ', ':', '2026-11-23T12:25:23', 'Nov 23 12:25:23 ', '[a]', '<1>'])
    for (const front of ['', '<22>1 2026-11-23T12:25:23Z mail x 7 - ', 'Nov 23 12:25:23 '])
      expect(readSyslogLine(front + word.repeat(40_000))).toBeUndefined();
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDovecotLine } from '../../src/watchers/dovecot-line.ts';
import { parseDovecotMessage } from '../../src/watchers/dovecot-message.ts';

const SYSLOG = 'Nov 23 12:25:23 c0ffee123456 dovecot: ';
const END = 'method=PLAIN, rip=185.36.81.23, lip=172.22.1.250, TLS, session=<ZXC74/Rgstx/AAAB>';
const FAILED = { kind: 'auth-failed', ip: '185.36.81.23' };

/** What a client writes into a name to be taken for dovecot's own words. */
const FORGED = [
  '>, method=PLAIN, rip=8.8.8.8, lip=1.1.1.1, session=<x',
  '>, rip=8.8.8.8, lip=1.1.1.1',
  'user=<x>, rip=8.8.8.8',
  ' rip=8.8.8.8, ',
  'x,8.8.8.8): unknown user',
  'x,8.8.8.8,<s>): Password mismatch (SHA1 of given password: aaaaaa)',
  'x,8.8.8.8,sasl:plain)<s>: sql: unknown user',
  '(auth failed, 9 attempts): user=<x>, rip=8.8.8.8',
  'Login: user=<x>, rip=8.8.8.8',
  'rhost=8.8.8.8',
  'x rhost=8.8.8.8  user=x',
  'auth: lua(x,8.8.8.8): unknown user',
];

describe('whatever a client writes', () => {
  const hostile = fc.oneof(
    fc.constantFrom(...FORGED),
    fc.string({ unit: 'grapheme', maxLength: 80 }),
    fc
      .array(
        fc.oneof(fc.constantFrom(...FORGED, '>', '<', ',', '): ', ' rip=', 'session=<'), fc.string({ maxLength: 6 })),
        { maxLength: 6 },
      )
      .map((parts) => parts.join('')),
  );
  // dovecot puts `?` for control characters; a name like `7): ` makes another line of its own kind, which is not read.
  const name = hostile.map((text) => text.replace(/\p{Cc}/gu, '?').replace(/^(?:\d+|default)\): /, ''));

  test('into the name, the address is the one that dovecot wrote, or none', () => {
    fc.assert(
      fc.property(name, (user) => {
        const failed = parseDovecotLine(
          `${SYSLOG}imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<${user}>, ${END}`,
        );
        expect(failed).toMatchObject({ ...FAILED, attempts: 1 });
        expect(failed?.account ?? '').toBe(
          parseDovecotLine(
            `${SYSLOG}auth: plain(?,1.1.1.1): Username character disallowed by auth_username_chars: 0x20 (username: ${user})`,
          )?.account ?? '',
        );
        expect(
          parseDovecotLine(`${SYSLOG}imap-login: Disconnected (no auth attempts in 0 secs): user=<${user}>, ${END}`),
        ).toBeUndefined();
        const cut = user.slice(0, 60);
        for (const backend of [
          `auth: lua(${cut},185.36.81.23,<s>): unknown user`,
          `auth(${cut},185.36.81.23,sasl:plain)<s>: lua: unknown user`,
        ]) {
          // With a place of its own in the name, the line is of nobody.
          expect(cut.includes(')') ? [undefined, '185.36.81.23'] : ['185.36.81.23']).toContain(
            parseDovecotLine(SYSLOG + backend)?.ip,
          );
        }
        const refused = `auth: plain(?,185.36.81.23,<s>): Username character disallowed by auth_username_chars: 0x20 (username: ${user})`;
        expect(parseDovecotLine(SYSLOG + refused)?.ip).toBe('185.36.81.23');
        const pam = `pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=${user} rhost=185.36.81.23  user=${user}`;
        expect([undefined, '185.36.81.23']).toContain(parseDovecotLine(SYSLOG + pam)?.ip);
      }),
      { numRuns: 2_000 },
    );
  });

  test('into a password that is logged as it is, the address is the one that dovecot wrote, or none', () => {
    fc.assert(
      fc.property(name, fc.constantFrom('u', 'a@b.example'), (password, user) => {
        const line = `${SYSLOG}auth: sql(${user},185.36.81.23): unknown user (given password: ${password})`;
        const statement = parseDovecotLine(line);
        expect([undefined, '185.36.81.23']).toContain(statement?.ip);
        if (statement !== undefined) expect(statement).toMatchObject({ account: user });
        if (password.length > 3) expect(statement?.line ?? '').not.toContain(password);
      }),
      { numRuns: 2_000 },
    );
  });

  test('on a line without an address of dovecot’s own, nothing is believed', () => {
    fc.assert(
      fc.property(name, (user) => {
        expect(
          parseDovecotLine(
            `${SYSLOG}imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<${user}>, method=PLAIN, secured, session=<s>`,
          ),
        ).toBeUndefined();
        expect(parseDovecotLine(`${SYSLOG}imap(${user})<7><s>: Disconnected: ${user}`)).toBeUndefined();
        expect(parseDovecotLine(`Nov 23 12:25:23 c0ffee123456 postfix/smtpd[7]: ${user}`)).toBeUndefined();
      }),
      { numRuns: 1_000 },
    );
  });

  test('nothing makes it throw, and what is kept is bounded', () => {
    const words = fc.constantFrom(
      'imap-login: ',
      'auth: ',
      'lua(',
      '(auth failed, ',
      'user=<',
      '>, ',
      'rip=',
      '8.8.8.8',
      ',<s>): ',
      SYSLOG,
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc
        .array(fc.oneof(words, fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 20 })
        .map((parts) => parts.join('')),
      hostile.map((part) => part.repeat(200)),
    );
    fc.assert(
      fc.property(text, (any) => {
        for (const line of [any, SYSLOG + any, `Nov 23 12:00:00 ${any}`]) {
          const statement = parseDovecotLine(line);
          parseDovecotMessage(line);
          expect(statement?.account?.length ?? 0).toBeLessThanOrEqual(128);
          expect(statement?.line?.length ?? 0).toBeLessThanOrEqual(512);
          expect(statement?.reason?.length ?? 0).toBeLessThanOrEqual(128);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});

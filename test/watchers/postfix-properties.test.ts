import fc from 'fast-check';
import { expect, test } from 'vitest';
import { explainLine } from '../../src/cli/explain-lines.ts';
import { createPostfixWatcher, postfixWatcher } from '../../src/watchers/postfix.ts';
import { parsePostfixLine, parsePostfixMessage } from '../../src/watchers/postfix-line.ts';
import { readForgeries } from '../fixtures/forgery.build.ts';
import { logLines } from '../fixtures/postfix/expected.build.ts';
import { lineSource, observe } from './line-source.ts';

const explain = { parseLine: parsePostfixLine, lostPrefixes: postfixWatcher.lostPrefixes ?? [] };
const SMTPD = 'Nov 23 11:59:59 mail postfix/submission/smtpd[8040]: ';
const POSTSCREEN = 'Nov 23 11:59:59 mail postfix/postscreen[8040]: ';

/** What stands around a client's text in lines that say something of it; the client is 192.0.2.1. */
const LINES: readonly (readonly [before: string, behind: string])[] = [
  [`${SMTPD}warning: unknown[192.0.2.1]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=`, ''],
  [`${SMTPD}warning: non-SMTP command from unknown[192.0.2.1]: `, ''],
  [`${SMTPD}improper command pipelining after EHLO from unknown[192.0.2.1]: `, ''],
  [
    `${SMTPD}NOQUEUE: reject: MAIL from unknown[192.0.2.1]: 450 4.1.8 <`,
    '>: Sender address rejected: Domain not found; proto=SMTP',
  ],
  [
    `${SMTPD}NOQUEUE: reject: RCPT from a.example[192.0.2.1]: 554 5.7.1 <b@c>: Relay access denied; from=<`,
    '> to=<b@c> proto=SMTP helo=<x>',
  ],
  [
    `${SMTPD}4F3B21A0: milter-reject: DATA from unknown[192.0.2.1]: 550 5.7.1 `,
    '; from=<a@b> to=<c@d> proto=ESMTP helo=<x>',
  ],
  [
    `${SMTPD}NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 554 5.7.1 Service unavailable; Sender address [`,
    '] blocked using dbl.example; from=<a@b> to=<c@d> proto=ESMTP helo=<x>',
  ],
  [`${POSTSCREEN}PREGREET 11 after 0 from [192.0.2.1]:25: `, ''],
  [`${POSTSCREEN}NON-SMTP COMMAND from [192.0.2.1]:25 after CONNECT: `, ''],
  [
    `${POSTSCREEN}NOQUEUE: reject: RCPT from [192.0.2.1]:25: 550 5.5.1 Protocol error; from=<`,
    '>, to=<b@c>, proto=ESMTP, helo=<x>',
  ],
];

/** The reasons that a server can give in these lines, whatever is in them. */
const REASON = /^[A-Za-z][A-Za-z0-9 _<>:'-]{0,90}$/;

const WORDS = [
  ...[
    'NOQUEUE: ',
    '4F3B21A0: ',
    'reject: ',
    'milter-reject: ',
    'RCPT from ',
    'unknown',
    '[8.8.8.8]',
    '[::]',
    ':25',
    ': ',
  ],
  ...['554 ', '5.7.1 ', '<', '>', '>: ', '; ', 'from=<', ' to=<', ' proto=', ' helo=<', 'sasl_username=', ', '],
  ...[
    'warning: ',
    ' SASL LOGIN authentication failed',
    'client=',
    ', sasl_method=PLAIN',
    'Access denied',
    ' blocked using ',
  ],
  ...[
    'Client host rejected: ',
    'Helo command rejected: ',
    'Service unavailable; ',
    'PREGREET 1 after 0 from ',
    'DENYLISTED ',
  ],
  ...[
    'too many errors after ',
    'lost connection after AUTH from ',
    ' for service smtp',
    '"',
    '\\',
    '\\"',
    '\u2028',
    '\u0000',
    '\ufffd',
  ],
  ...[
    SMTPD,
    POSTSCREEN,
    'Nov 23 11:59:59 ',
    '<22>1 2026-11-23T12:25:23Z mail postfix/smtpd 7 - - ',
    '{"log":"',
    'postfix-mailcow-1  | ',
  ],
];

const anyText = () =>
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.array(fc.constantFrom(...WORDS), { maxLength: 20 }).map((words) => words.join('')),
    fc
      .array(fc.oneof(fc.constantFrom(...WORDS), fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 20 })
      .map((words) => words.join('')),
  );

test('no text makes it throw, and what it says is bounded', () => {
  fc.assert(
    fc.property(anyText(), fc.constantFrom('', SMTPD, POSTSCREEN), (text, front) => {
      for (const said of [parsePostfixLine(front + text), parsePostfixMessage(text)]) {
        explainLine(explain, text);
        if (said === undefined) continue;
        expect(said.line?.length).toBeLessThanOrEqual(512);
        for (const value of Object.values({ ...said, line: undefined }))
          expect(String(value ?? '').length).toBeLessThanOrEqual(255);
      }
    }),
    { numRuns: 5_000 },
  );
});

test("whatever a client writes, the address is the one that the server wrote, and the reason is the server's own", () => {
  fc.assert(
    fc.property(fc.constantFrom(...LINES), anyText(), ([before, behind], text) => {
      for (const said of [parsePostfixLine(before + text + behind), explainLine(explain, before + text + behind)]) {
        expect(said).toMatchObject({ ip: '192.0.2.1' });
        expect(['rejected', 'auth-failed']).toContain(said?.kind);
        expect(said?.reason).toMatch(REASON);
      }
    }),
    { numRuns: 5_000 },
  );
});

test('the name that an address resolves to changes nothing but itself', () => {
  const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9.-]{0,200}$/);
  fc.assert(
    fc.property(name, (host) => {
      expect(parsePostfixLine(`${SMTPD}too many errors after RCPT from ${host}[192.0.2.1]`)).toMatchObject({
        ip: '192.0.2.1',
        reason: 'too many errors',
      });
      expect(parsePostfixLine(`${SMTPD}4F3B21A0: client=${host}[192.0.2.1]`)).toBeUndefined();
      expect(parsePostfixLine(`${SMTPD}disconnect from ${host}[192.0.2.1] ehlo=1 commands=1`)).toBeUndefined();
    }),
  );
});

test('a known message with anything in front of it is none', () => {
  const genuine = logLines().filter((line) => parsePostfixLine(line) !== undefined);
  fc.assert(
    fc.property(fc.constantFrom(...genuine), anyText(), (line, before) => {
      // Syslog's own front would make another line of it.
      fc.pre(before !== '' && !/^(?:Nov |<\d)/.test(before));
      expect(parsePostfixLine(before + line)).toBeUndefined();
    }),
    { numRuns: 2_000 },
  );
});

test('no forgery of the corpus makes a user of anyone, the client itself included', () => {
  const forgeries = readForgeries().filter(({ log, lines }) => log === 'postfix' && lines.length === 1);
  expect(forgeries.length).toBeGreaterThan(200);
  for (const { id, lines } of forgeries)
    expect([id, parsePostfixLine(lines[0] ?? '')?.kind]).not.toContain('authenticated');
});

/** A quarter of a megabyte of each: a pattern that goes back and forth would never come to its end. */
test.each([...new Set(WORDS), 'a', '0', '[', ']', ' ', '.', '1.'])('256 KiB of %j are read to their end', (word) => {
  const long = word.repeat(Math.ceil(262_144 / word.length));
  for (const front of [
    '',
    SMTPD,
    POSTSCREEN,
    `${SMTPD}NOQUEUE: `,
    `${SMTPD}warning: `,
    `${SMTPD}NOQUEUE: reject: RCPT from `,
  ])
    for (const said of [parsePostfixLine(front + long), explainLine(explain, front + long)])
      expect(said?.kind).not.toBe('authenticated');
  for (const [before, behind] of LINES)
    expect(parsePostfixLine(before + long + behind)).toMatchObject({ ip: '192.0.2.1' });
});

test('no sequence of lines makes the watcher throw, in chunks of any size', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyText(), { maxLength: 30 }), fc.integer({ min: 1, max: 8 }), async (lines, size) => {
      for (const said of await observe(createPostfixWatcher('postfix', lineSource(lines, size))))
        expect(Number.isFinite(said.at)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

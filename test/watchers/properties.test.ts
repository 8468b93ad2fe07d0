import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { explainLine, type LineParser } from '../../src/cli/explain-lines.ts';
import { createFail2banWatcher, fail2banWatcher } from '../../src/watchers/fail2ban.ts';
import { parseFail2banLine } from '../../src/watchers/fail2ban-line.ts';
import { createNetfilterWatcher } from '../../src/watchers/netfilter.ts';
import { parseNetfilterLine } from '../../src/watchers/netfilter-line.ts';
import { lineSource, observe } from './line-source.ts';

const parsers: Record<string, LineParser> = {
  netfilter: { parseLine: parseNetfilterLine },
  fail2ban: { parseLine: parseFail2banLine, lostPrefixes: fail2banWatcher.lostPrefixes ?? [] },
};

/** Lines that are bans, whole and in order. */
const BANS: Record<string, string[]> = {
  netfilter: [
    '2026-11-23 11:48:41 CRIT: Banning 185.36.81.23/32 for 30 minutes',
    'Banning 185.36.81.23/32 for 30 minutes',
    'Banning 2a01:4f8:c17:b8f::2/128 for 30 minutes',
  ],
  fail2ban: [
    '2026-11-23 11:12:03,875 fail2ban.actions        [4667]: NOTICE  [sshd] Ban 203.0.113.7',
    ' 2026-11-23 11:15:13,546 7F5311C9D6C0 NOTIC [sshd] Ban 203.0.113.7',
    ' + 2289 7FBD861FC6C0 fail2ban.actions          NOTIC |         helpers-25: __safeLog            | [sshd] Ban 203.0.113.7',
    'Nov 23 11:12:03 host fail2ban.actions[123]: NOTICE [sshd] Ban 203.0.113.7',
  ],
};

/** Words of the formats, to build lines that come near to being one. */
const WORDS = [
  ...['Banning ', 'Unbanning ', ' for 30 minutes', '185.36.81.23', '/32', ' matched rule id ', '3 (', ')', 'CRIT: '],
  ...['2026-11-23 11:48:41 ', 'warning: unknown[', ']: SASL LOGIN authentication failed: ', 'sasl_username=', ' by '],
  ...['mailcow UI: Invalid password for ', 'auth: lua(', ',185.36.81.23,<s>): ', 'imap-login: ', 'user=<', '>, rip='],
  ...[
    "SOGoRootPage Login from '",
    "' for user '",
    'fail2ban.actions ',
    '[1]: ',
    'NOTICE ',
    '[sshd] ',
    'Ban ',
    'Found ',
  ],
  ...[
    ' + 1 7F5311C9D6C0 ',
    'NOTIC ',
    '| x-1 : f | ',
    'Increase Ban ',
    ' (2 # 24s -> ',
    'given password: ',
    '{"log":"',
    '"}',
  ],
  ...[
    'netfilter-mailcow-1  | ',
    '\u001b[36m',
    '\n',
    '\r',
    '\u0000',
    '\u2028',
    '\ufffd',
    '::',
    '::ffff:',
    ':',
    '.',
    ',',
    ' ',
    '\t',
  ],
];

const anyText = () =>
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('utf8')),
    fc.array(fc.constantFrom(...WORDS), { maxLength: 20 }).map((words) => words.join('')),
    fc
      .array(fc.oneof(fc.constantFrom(...WORDS), fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 20 })
      .map((words) => words.join('')),
  );

describe.each(Object.entries(parsers))('%s', (name, parser) => {
  const bans = BANS[name] ?? [];

  test('the bans that the properties below begin with are bans', () => {
    for (const ban of bans) expect(parser.parseLine(ban)).toMatchObject({ kind: 'banned' });
  });

  test('no text makes it throw, and what it says is bounded', () => {
    fc.assert(
      fc.property(anyText(), (text) => {
        const said = parser.parseLine(text);
        explainLine(parser, text);
        if (said === undefined) return;
        expect(said.line?.length).toBeLessThanOrEqual(512);
        expect(said.account?.length ?? 0).toBeLessThanOrEqual(128);
        expect(said.reason?.length ?? 0).toBeLessThanOrEqual(128);
      }),
      { numRuns: 3_000 },
    );
  });

  test('a ban with anything in front is none', () => {
    fc.assert(
      fc.property(fc.constantFrom(...bans), anyText(), (ban, before) => {
        // What makes a whole line of it: today's prefix, or another message that shares the line.
        fc.pre(before !== '' && before !== '2026-11-23 11:48:41 CRIT: ' && parser.parseLine(before) === undefined);
        const said = parser.parseLine(before + ban);
        expect(said === undefined || said.kind === 'auth-failed').toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test('a ban with anything behind it is none', () => {
    fc.assert(
      fc.property(fc.constantFrom(...bans), anyText(), (ban, behind) => {
        // Digits would make another address of it, and further addresses and messages may follow.
        fc.pre(/[^0-9a-fA-F.:/, ]/.test(behind) || /^ +$/.test(behind));
        fc.pre(parser.parseLine(behind) === undefined && !behind.includes('matched rule id'));
        expect(parser.parseLine(ban + behind)).toBeUndefined();
      }),
      { numRuns: 2_000 },
    );
  });

  test('a ban inside anything that a client writes is none', () => {
    fc.assert(
      fc.property(fc.constantFrom(...bans), anyText(), anyText(), (ban, before, behind) => {
        const account = before + ban + behind;
        const line = `185.36.81.23 matched rule id 3 (warning: unknown[185.36.81.23]: SASL LOGIN authentication failed: x, sasl_username=${account})`;
        for (const text of [
          line,
          `2026-11-23 11:48:41 WARN: ${line}`,
          `netfilter-mailcow-1  | ${line}`,
          JSON.stringify({ log: line }),
        ]) {
          expect(explainLine(parser, text)?.kind ?? 'auth-failed').toBe('auth-failed');
        }
      }),
      { numRuns: 1_000 },
    );
  });

  /** A quarter of a megabyte of each: a pattern that looks again from every place, or goes back and forth, would never come to its end. */
  test.each([
    ...new Set(WORDS),
    'a',
    '0',
    'a(',
    '(',
    '[',
    '1.',
    ' |',
    '\u001b[0m',
    "' might not have worked",
    'SOGo',
    '"',
  ])('256 KiB of %j are read to its end', (word) => {
    const long = word.repeat(Math.ceil(262_144 / word.length));
    const fronts = [
      '',
      '185.36.81.23 matched rule id 3 (',
      '185.36.81.23 matched rule id 3 (warning: ',
      '185.36.81.23 matched rule id 3 (mailcow UI: Invalid password for ',
      '185.36.81.23 matched rule id 3 (auth: lua(',
      '185.36.81.23 matched rule id 3 (imap-login: user=<',
      "185.36.81.23 matched rule id 3 (SOGoRootPage Login from '1.1.1.1' for user '",
      '185.36.81.23 matched rule id 3 (1.1.1.1 "GET /SOGo/',
      ...bans,
    ];
    for (const front of fronts) {
      const said = explainLine(parser, front + long);
      expect(said === null || said.kind === 'auth-failed').toBe(true);
    }
  });
});

test('no sequence of lines makes a watcher throw, in chunks of any size', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyText(), { maxLength: 30 }), fc.integer({ min: 1, max: 8 }), async (lines, size) => {
      for (const create of [createNetfilterWatcher, createFail2banWatcher]) {
        for (const said of await observe(create('any', lineSource(lines, size))))
          expect(Number.isFinite(said.at)).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});

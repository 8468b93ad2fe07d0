import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { explainLine } from '../../src/cli/explain-lines.ts';
import { createSogoWatcher, sogoWatcher } from '../../src/watchers/sogo.ts';
import { parseSogoLine } from '../../src/watchers/sogo-line.ts';
import { parseSogoMessage } from '../../src/watchers/sogo-message.ts';
import { lineSource, observe } from './line-source.ts';
import { withoutLine } from './without-line.ts';

const FIXTURES = new URL('../fixtures/sogo/', import.meta.url);
const SYSLOG = 'Nov 23 12:25:23 c0ffee123456 sogod [34]: ';
const POLICY = ' - password policy: 65535  grace: -1  expire: -1  bound: 0';
const FAILED = { kind: 'auth-failed', ip: '91.240.118.8', service: 'sogo', account: 'x', reason: 'login failed' };

function login(user: string, from = '91.240.118.8'): string {
  return `SOGoRootPage Login from '${from}' for user '${user}' might not have worked${POLICY}`;
}

function linesOf(file: string): string[] {
  return readFileSync(new URL(file, FIXTURES), 'utf8').trimEnd().split('\n');
}

test('what SOGo says, line by line', () => {
  const expected = linesOf('lines.expected.jsonl').map((json) => JSON.parse(json) ?? undefined);
  expect(linesOf('lines.log').map((line) => withoutLine(parseSogoLine(line)))).toEqual(expected);
});

test.each([
  SYSLOG,
  'Nov 23 12:25:23 c0ffee123456 sogod[34]: ',
  'Nov 23 12:25:23 c0ffee123456 sogo: ',
  'Mar 24 08:58:32 sogod [26818]: ',
  '2026-11-23T12:25:23+01:00 mail sogod[34]: ',
  '2026-11-23 12:25:23.123 sogod[67:67] ',
  '2026-11-23 12:25:23.123 +0100 sogod[67:0x5600] ',
  'Jan  6 13:30:04 dd7aacebfa10 2020-01-06 13:30:04.716 sogod[248:248] ',
  // A record of SOGO_LOG: syslog-ng leaves the pid to the message, or takes NSLog's date for the program.
  'Jan  1 00:00:00 host sogod[0]: [47]: ',
  'Jan  1 00:00:00 host 2018-05-17[0]: 01:58:28.430 sogod[47:47] ',
])('behind %s', (prefix) => {
  expect(withoutLine(parseSogoLine(prefix + login('x')))).toEqual(FAILED);
});

test.each([
  '',
  'sogod [34]: ',
  'Nov 23 12:25:23 mail dovecot: ',
  '12:25:23 sogod [34]: ',
  'x Mar 24 08:58:32 sogod [1]: ',
])('behind %j a line says nothing', (prefix) => expect(parseSogoLine(prefix + login('x'))).toBeUndefined());

test.each([
  ["SOGoRootPage Login from '91.240.118.8' for user 'x' might not have worked", {}],
  ["SOGoRootPage Login from '91.240.118.8' for user 'x' might not have worked - password policy: 1  grace: -1", {}],
  ["<0x0xb8537990[SOGoRootPage]> Login from '91.240.118.8' for user 'x' might not have worked", {}],
  ["SOGoRootPage Login from '::ffff:91.240.118.8,10.0.0.1' for user 'x' might not have worked", {}],
  [login("x' might not have worked", '91.240.118.8'), { account: "x' might not have worked" }],
  [login("' for user 'x", '91.240.118.8, 8.8.8.8'), { account: "' for user 'x" }],
])('%s', (message, expected) => {
  expect(parseSogoMessage(message)).toMatchObject({ ...FAILED, ...expected, line: message });
});

test('a login without a name has no account', () => {
  expect(parseSogoMessage(login(''))).not.toHaveProperty('account');
});

test.each([
  "SOGoRootPage Login from '91.240.118.8' for user 'x",
  "SOGoRootPage Login from '91.240.118.8' for user 'x' might not have worked or so",
  "SOGoRootPage Login from 'mail.example' for user 'x' might not have worked",
  "SOGoRootPage successful login from '91.240.118.8' for user '' - expire = -1  grace = -1",
  "SOGoRootPage Invalid TOTP key for 'x'",
  '91.240.118.9 "GET /webmail/so/user/ HTTP/1.1" 403 0/0 0.003 - - 0',
  '91.240.118.9 - - [24/Mar/2013:08:58:32 GMT] "GET /SOGo/so/ HTTP/1.1" 403 34/38 0.311 - - 2M',
])('%s says nothing', (message) => {
  expect(parseSogoMessage(message)).toBeUndefined();
  expect(parseSogoLine(SYSLOG + message)).toBeUndefined();
});

test('on F2B_CHANNEL slashes are gone and the pid is left', () => {
  expect(withoutLine(parseSogoMessage(`[34]: ${login('x')}`))).toEqual(FAILED);
  expect(parseSogoMessage('[34]: 91.240.118.9 "GET _SOGo_so_user_ HTTP_1.1" 403 0_0 0.003 - - 0')).toMatchObject({
    ip: '91.240.118.9',
    reason: '403',
  });
});

test('a prefix may be lost where a person pastes', () => {
  const parser = { parseLine: parseSogoLine, lostPrefixes: sogoWatcher.lostPrefixes ?? [] };
  for (const pasted of [login('x'), `sogod [34]: ${login('x')}`, `mail sogod [34]: ${login('x')}`]) {
    expect(explainLine(parser, pasted)).toEqual(FAILED);
  }
});

describe('a name with line breaks', () => {
  const observed = async (...lines: string[]) =>
    (await observe(createSogoWatcher('sogo', lineSource(lines)))).map((each) => [
      each.kind,
      each.ip,
      each.kind === 'auth-failed' && each.claimed === true,
    ]);
  const good = `${SYSLOG}SOGoRootPage successful login from '8.8.8.8' for user 'c' - expire = -1  grace = -1`;

  test.each([
    ['that leaves its own line open', `${SYSLOG}SOGoRootPage Login from '91.240.118.8' for user 'a`],
    ['that ends its own line', SYSLOG + login('a')],
    ['that holds a hundred lines of nothing', `${SYSLOG}notified the watchdog\n`.repeat(100)],
  ])('%s makes nobody a known user, and blames nobody for sure', async (_, front) => {
    const kinds = await observed(...front.split('\n'), SYSLOG + login('b', '8.8.8.8'), good);
    expect(kinds.filter(([, ip]) => ip === '8.8.8.8')).toEqual([['auth-failed', '8.8.8.8', true]]);
  });
});

test('whatever the name, the address is the one that SOGo wrote', () => {
  const forged = [
    "' might not have worked",
    login('y', '8.8.8.8'),
    "' - expire = -1  grace = -1",
    "' for user '",
    ' from ',
    '8.8.8.8 "GET /SOGo/x HTTP/1.1" 403 0/0 0.003 - - 0',
  ];
  const part = fc.oneof(fc.constantFrom(...forged), fc.string({ unit: 'grapheme', maxLength: 30 }));
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 4 }).map((parts) => parts.join('')),
      (user) => {
        for (const prefix of [SYSLOG, 'Mar 24 08:58:32 sogod [26818]: ']) {
          expect(parseSogoLine(prefix + login(user))).toMatchObject({ kind: 'auth-failed', ip: '91.240.118.8' });
          const good = `${prefix}SOGoRootPage successful login from '91.240.118.8' for user '${user}x' - expire = -1  grace = -1`;
          expect(parseSogoLine(good)).toMatchObject({ kind: 'authenticated', ip: '91.240.118.8' });
          const got = parseSogoLine(`${prefix}91.240.118.8 "GET /SOGo/${user} HTTP/1.1" 200 0/0 0.003 - - 0`);
          expect([undefined, '91.240.118.8']).toContain(got?.ip);
          expect(parseSogoLine(`${prefix}Could not login '${user}' on Sieve server`)).toBeUndefined();
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test('nothing makes it throw, and what is kept is bounded', () => {
  const word = fc.constantFrom(
    SYSLOG,
    'SOGoRootPage ',
    "Login from '",
    "8.8.8.8', ",
    "' for user '",
    POLICY,
    '"GET /SOGo/',
    '" 403 ',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc
      .array(fc.oneof(word, fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 20 })
      .map((parts) => parts.join('')),
    word.map((part) => `${SYSLOG}8.8.8.8 "GET /SOGo/${part.repeat(400)}`),
  );
  fc.assert(
    fc.property(text, (any) => {
      const statement = parseSogoLine(any);
      parseSogoMessage(any);
      expect(statement?.account?.length ?? 0).toBeLessThanOrEqual(128);
      expect(statement?.line?.length ?? 0).toBeLessThanOrEqual(512);
    }),
    { numRuns: 2_000 },
  );
});

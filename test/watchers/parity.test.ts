import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AuthFailed, Statement } from '../../src/core/observation.ts';
import { keyOf } from '../../src/ledger/attempts.ts';
import { parseDovecotLine } from '../../src/watchers/dovecot-line.ts';
import { parseChannelMessage } from '../../src/watchers/f2b-channel.ts';
import { parseNetfilterLine } from '../../src/watchers/netfilter-line.ts';
import { parsePostfixLine } from '../../src/watchers/postfix-line.ts';
import { parseSogoLine } from '../../src/watchers/sogo-line.ts';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures');

/** A failed login of a service's log, and its message as syslog-ng publishes it. */
function failuresIn(program: string, parse: (line: string) => Statement | undefined, front: RegExp) {
  const lines = globSync(`${program}/*.log`, { cwd: FIXTURES }).flatMap((name) =>
    readFileSync(join(FIXTURES, name), 'utf8').split('\n'),
  );
  return lines.flatMap((line): { line: string; failure: AuthFailed; published: string }[] => {
    const said = parse(line);
    if (said?.kind !== 'auth-failed' || !front.test(line)) return [];
    const published = line
      .replace(front, '')
      .replaceAll('/', '_')
      .replace(/\p{Cc}/gu, '_');
    return [{ line, failure: { ...said, at: 0 }, published }];
  });
}

/** What makes it the same attempt: a missing key would have it counted twice. */
const attemptOf = (said: Statement | undefined) =>
  said?.kind === 'auth-failed' ? [said.ip, keyOf({ ...said, at: 0 }), said.claimed ?? false] : undefined;

test.each([
  ['postfix', parsePostfixLine, /^\w{3} [ \d]\d [\d:]{8} \S+ postfix[\w/-]*\[\d+\]: /, 20],
  ['dovecot', parseDovecotLine, /^\w{3} [ \d]\d [\d:]{8} \S+ dovecot(?:\[\d+\])?: /, 5],
  ['sogo', parseSogoLine, /^\w{3} [ \d]\d [\d:]{8} \S+ sogod?(?: ?\[\d+\])?: /, 1],
] as const)(
  'a failure in the log of %s is the same attempt on the channel and where netfilter quotes it',
  (program, parse, front, least) => {
    const failures = failuresIn(program, parse, front);
    expect(failures.length).toBeGreaterThanOrEqual(least);
    for (const { line, failure, published } of failures) {
      const quoted = parseNetfilterLine(`2026-11-23 12:00:00 WARN: ${failure.ip} matched rule id 3 (${published})`);
      expect([line, attemptOf(quoted)]).toEqual([line, attemptOf(failure)]);
      expect([line, attemptOf(parseChannelMessage(published))]).toEqual([line, attemptOf(failure)]);
    }
  },
);

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { explainLine } from '../../src/cli/explain-lines.ts';
import type { Rejected } from '../../src/core/observation.ts';
import { createPostfixWatcher, postfixWatcher } from '../../src/watchers/postfix.ts';
import { parsePostfixLine, parsePostfixMessage } from '../../src/watchers/postfix-line.ts';
import { evidenceOf } from '../../src/watchers/redact.ts';
import { recordText } from '../../src/watchers/redis-record.ts';
import { readSyslogLine } from '../../src/watchers/syslog-prefix.ts';
import { buildExpected, logLines } from '../fixtures/postfix/expected.build.ts';
import { lineSource, observe } from './line-source.ts';
import { withoutLine } from './without-line.ts';

/** A row of the fixture; more fields than these may be there. */
type Facts = Pick<Rejected, 'ip' | 'service' | 'reason'> & { kind: string };

const folder = new URL('../fixtures/postfix/', import.meta.url);
const lines = logLines();
const expected = readFileSync(new URL('mailcow.expected.jsonl', folder), 'utf8');
/** What each of the lines says by the fixture, in their order, without the lines that say nothing. */
const facts = expected
  .trimEnd()
  .split('\n')
  .map((row) => {
    const { line, ...said } = JSON.parse(row) as Facts & { line: number };
    return { text: lines[line - 1] ?? '', said };
  });

test("every line of a mailcow's postfix says what the reviewed fixture says, and no other says anything", () => {
  expect(buildExpected()).toBe(expected);
  expect(facts.length).toBeGreaterThan(50);
});

test('the line itself is the evidence', () => {
  for (const { text } of facts) expect(parsePostfixLine(text)?.line).toBe(evidenceOf(text));
});

test("the same run in mailcow's Redis says the same", () => {
  const records = JSON.parse(readFileSync(new URL('mailcow.POSTFIX_MAILLOG.json', folder), 'utf8')) as string[];
  const said = records.reverse().flatMap((record) => parsePostfixLine(recordText(JSON.parse(record)) ?? '') ?? []);
  expect(said.map(withoutLine)).toEqual(facts.map((fact) => fact.said));
});

test('the watcher gives each with the time that the log has for it', async () => {
  const stamped = lines.map((text, index) => ({
    stamp: `2026-11-23T11:59:59.${String(index).padStart(9, '0')}Z`,
    text,
  }));
  const observations = await observe(createPostfixWatcher('postfix', lineSource(stamped, 50)));
  expect(observations.map(({ at: _, ...said }) => withoutLine(said))).toEqual(facts.map((fact) => fact.said));
  expect(observations.every(({ at }) => at === Date.parse('2026-11-23T11:59:59.000Z'))).toBe(true);
});

test('the message alone says the same: to explain, and as it arrives where no program is named', () => {
  const explain = { parseLine: parsePostfixLine, lostPrefixes: postfixWatcher.lostPrefixes ?? [] };
  for (const { text, said } of facts) {
    const { message = '', program = '' } = readSyslogLine(text) ?? {};
    // Only the tag tells one port of smtpd from the other.
    const bare = { ...said, service: said.service === 'postscreen' ? 'postscreen' : 'smtp' };
    expect(withoutLine(parsePostfixMessage(message, program))).toEqual(said);
    expect(withoutLine(parsePostfixMessage(message))).toEqual(bare);
    expect(explainLine(explain, message)).toMatchObject({ kind: said.kind, ip: said.ip, service: bare.service });
    // syslog-ng's `sanitize`, on the way to F2B_CHANNEL.
    expect(parsePostfixMessage(message.replaceAll('/', '_'))).toMatchObject({
      kind: said.kind,
      ip: said.ip,
      reason: said.reason,
    });
  }
});

test('every program, in every format of syslog, is known by its tag alone', () => {
  const message = 'warning: unknown[192.0.2.1]: SASL LOGIN authentication failed: x, sasl_username=joe';
  const said = (tag: string) => parsePostfixLine(`Nov  3 12:25:23 mail ${tag}[1]: ${message}`);
  for (const [tag, service] of [
    ['postfix/smtpd', 'smtp'],
    ['postfix/submission/smtpd', 'submission'],
    ['postfix/smtps/smtpd', 'smtps'],
    ['postfix/submissions/smtpd', 'smtps'],
    ['postfix/sogo/smtpd', 'smtp'],
    ['postfix/smtp-25/smtpd', 'smtp'],
    ['haproxy/smtpd', 'smtp'],
    ['postfix-out/smtpd', 'smtp'],
    ['postfix-out/submission/smtpd', 'submission'],
    ['postfix_submission_smtpd', 'submission'],
  ])
    expect(said(tag ?? '')).toMatchObject({ kind: 'auth-failed', service, account: 'joe' });
  for (const tag of [
    'postfix/qmgr',
    'postfix/smtp',
    'postfix/postscreen',
    'postfix/cleanup',
    'postfix/anvil',
    'smtpd',
    'dovecot',
  ])
    expect(said(tag)).toBeUndefined();
});

import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { explainLine } from '../../src/cli/explain-lines.ts';
import { createPatternParser, createPatternWatcher, patternWatcher } from '../../src/watchers/pattern.ts';
import { PatternOptions } from '../../src/watchers/pattern-options.ts';
import { watcherTools } from '../support/watcher-tools.ts';
import { lineSource, observe } from './line-source.ts';
import { withoutLine } from './without-line.ts';

type Written = z.input<typeof PatternOptions>['patterns'][number];

function parser(...patterns: Written[]) {
  return createPatternParser(PatternOptions.parse({ service: 'x', patterns }));
}

function read(pattern: Written, line: string) {
  return withoutLine(parser(pattern)(line));
}

describe('a kind', () => {
  test.each<[Written, string, Record<string, unknown>]>([
    [
      { kind: 'auth-failed', regex: 'login of <F-USER>\\S+</F-USER> from <HOST>', service: 'ui', name: 'web' },
      'login of joe from 203.0.113.7',
      { kind: 'auth-failed', ip: '203.0.113.7', service: 'ui', account: 'joe', pattern: 'web' },
    ],
    [
      { kind: 'auth-failed', regex: '(?P<service>\\S+): (?P<ip>\\S+)$', jail: 'web', account: 'root' },
      'dovecot-imap: ::ffff:203.0.113.7',
      { kind: 'auth-failed', ip: '203.0.113.7', service: 'imap', account: 'root', jail: 'web', pattern: 'patterns[0]' },
    ],
    [
      { kind: 'rejected', regex: 'no <HOST>', service: 'smtp', name: 'greylist' },
      'no 203.0.113.7',
      { kind: 'rejected', ip: '203.0.113.7', service: 'smtp', reason: 'greylist', pattern: 'greylist' },
    ],
    [
      { kind: 'authenticated', regex: 'hello (?P<account>\\S+) (?P<ip>\\S+)' },
      'hello joe 2001:DB8::1',
      { kind: 'authenticated', ip: '2001:db8::1', account: 'joe', pattern: 'patterns[0]' },
    ],
    [
      { kind: 'banned', regex: 'ban <HOST>$', jail: 'web' },
      'ban 203.0.113.7',
      { kind: 'banned', jail: 'web', ip: '203.0.113.7', network: '203.0.113.7/32', pattern: 'patterns[0]' },
    ],
    [
      { kind: 'banned', regex: '\\[(?P<jail>[^]]+)\\] ban <SUBNET>$' },
      '[web] ban 203.0.113.9/24',
      { kind: 'banned', jail: 'web', network: '203.0.113.0/24', pattern: 'patterns[0]' },
    ],
    [
      { kind: 'unbanned', regex: 'free <ADDR>/<CIDR>$', jail: 'web' },
      'free 203.0.113.0/24',
      { kind: 'unbanned', jail: 'web', ip: '203.0.113.0', network: '203.0.113.0/24', pattern: 'patterns[0]' },
    ],
  ])('%j', (pattern, line, expected) => {
    expect(read(pattern, line)).toEqual(expected);
  });

  test.each<[Written, string]>([
    [{ kind: 'auth-failed', regex: 'from (?P<ip>\\S+)' }, 'from mail.example.org'],
    [{ kind: 'auth-failed', regex: 'from <HOST>' }, 'from 999.0.113.7'],
    [{ kind: 'auth-failed', regex: 'from <HOST>' }, 'not from 203.0.113.7'],
    [{ kind: 'banned', regex: 'ban (?P<network>\\S+)', jail: 'x' }, 'ban 203.0.113.0/33'],
    [{ kind: 'banned', regex: 'ban <HOST> in (?P<jail>.*)' }, 'ban 203.0.113.7 in two words'],
    [{ kind: 'authenticated', regex: 'hello (?P<account>\\S*) <HOST>' }, 'hello  203.0.113.7'],
    [{ kind: 'rejected', regex: 'no <HOST> (?P<service>\\S+)' }, 'no 203.0.113.7 nothing-known'],
    [{ kind: 'auth-failed', regex: 'from <HOST>', ignore: ['.*203\\.0'] }, 'from 203.0.113.7'],
  ])('%j says nothing of %s', (pattern, line) => {
    expect(parser(pattern)(line)).toBeUndefined();
  });
});

test('the first pattern that says something counts; an account from elsewhere is taken where there is no other', () => {
  const parse = parser(
    { name: 'one', kind: 'auth-failed', regex: 'x (?P<ip>\\S+)' },
    {
      name: 'two',
      kind: 'auth-failed',
      regex: '(?:x|y) (?:\\S+) <F-USER>\\w*</F-USER>:<F-ALT_USER>\\w*</F-ALT_USER> <HOST>',
    },
  );
  expect(parse('x 203.0.113.7')).toMatchObject({ pattern: 'one' });
  expect(parse('x host :joe 203.0.113.7')).toMatchObject({ pattern: 'two', account: 'joe' });
});

test('what it says is cut, and holds no password', () => {
  const said = parser({ kind: 'auth-failed', regex: '<HOST> (?P<account>.*)' })(`203.0.113.7 ${'a'.repeat(2_000)}`);
  expect([said?.account?.length, said?.line?.length]).toEqual([128, 512]);
  const secret = parser({ kind: 'auth-failed', regex: '<HOST>' })('203.0.113.7 given password: hunter2');
  expect(secret?.line).not.toContain('hunter2');
});

test('time grows with the line alone, whatever the pattern', () => {
  const parse = parser({ kind: 'auth-failed', regex: '(?:a+)+(?:a|a)*(?:.*a){8}b<HOST>' });
  expect(parse(`${'a'.repeat(8_000)}!`)).toBeUndefined();
});

describe('the watcher', () => {
  const options = PatternOptions.parse({
    container: 'web',
    patterns: [
      { kind: 'auth-failed', regex: 'failed <HOST>', jail: 'logins' },
      { kind: 'banned', regex: 'ban <HOST>', jail: 'web' },
      { kind: 'unbanned', regex: 'free <HOST>', jail: 'web' },
    ],
  });

  test('reads the log that its options name', async () => {
    const asked: unknown[] = [];
    const tools = watcherTools({
      containerLog: (selector) => {
        asked.push(selector);
        return lineSource(['ban 203.0.113.7', 'ban nobody', 'failed 203.0.113.8']);
      },
    });
    const said = await observe(patternWatcher.create('mine', options, tools));
    expect(said.map(({ kind, ip, at }) => [kind, ip, at])).toEqual([
      ['banned', '203.0.113.7', Date.parse('2026-11-23T11:59:59Z')],
      ['auth-failed', '203.0.113.8', Date.parse('2026-11-23T11:59:59Z')],
    ]);
    patternWatcher.create('mine', PatternOptions.parse({ ...options, container: undefined, service: 'web' }), tools);
    expect(asked).toEqual([{ container: 'web' }, { service: 'web' }]);
  });

  test('tells of the jails that its patterns name, or of all where a group names them', () => {
    expect(['web', 'logins', 'netfilter'].map((jail) => patternWatcher.tellsOf(jail, options))).toEqual([
      true,
      false,
      false,
    ]);
    const any = PatternOptions.parse({ service: 'x', patterns: [{ kind: 'banned', regex: '(?P<jail>\\w+) <HOST>' }] });
    expect(patternWatcher.tellsOf('whatever', any)).toBe(true);
  });

  test('is replayed with its own options', async () => {
    expect(await observe(createPatternWatcher('mine', lineSource(['free 203.0.113.7']), options))).toMatchObject([
      { kind: 'unbanned' },
    ]);
  });

  test('shows which pattern matched', () => {
    const parseLine = patternWatcher.createParser?.(options) ?? (() => undefined);
    expect(Object.entries(explainLine({ parseLine }, 'mine-1  | ban 203.0.113.7') ?? {}).at(-1)).toEqual([
      'pattern',
      'patterns[1]',
    ]);
    expect(patternWatcher.describe?.(options)).toEqual([
      'patterns[0] tells of auth-failed',
      'patterns[1] tells of banned',
      'patterns[2] tells of unbanned',
    ]);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PatternError } from '../../src/watchers/pattern-notation.ts';
import { compilePattern } from '../../src/watchers/pattern-regex.ts';

/** What is wrong with a pattern: `5: a ( is not closed`, counted from 1. */
function mistakeIn(pattern: string): string {
  try {
    compilePattern(pattern);
  } catch (error) {
    if (error instanceof PatternError) return `${error.at + 1}: ${error.message}`;
    throw error;
  }
  return 'none';
}

describe('a pattern that cannot be compiled', () => {
  test.each([
    ['foo (bar', '5: a ( is not closed'],
    ['foo (bar (baz', '10: a ( is not closed'],
    ['a)|(b', '2: a ) closes nothing'],
    ['<HOST>)', '7: a ) closes nothing'],
    ['x [ab', '3: a [ is not closed'],
    ['*a', '1: there is nothing to repeat'],
    ['ab**', '3: a repetition is repeated'],
    ['a{1001}', '2: something is repeated too often, 1000 times at most'],
    ['<HOST> \\y', '8: there is no such escape'],
    ['<HOST> [z-a]', '9: there is no such range of characters'],
    ['abc\\', '4: it ends with a backslash'],
    ['<HOST> (?P<ip>x)', '8: two groups have one name'],
    ['</F-USER>', '1: a ) closes nothing'],
  ])('%s', (pattern, mistake) => {
    expect(mistakeIn(pattern)).toBe(mistake);
  });

  test.each([
    ['a(?=b)', '2: there is no lookahead; write what follows as a part of the pattern'],
    ['a(?!b)', '2: there is no negative lookahead; put what must not match under `ignore`'],
    ['(?<=a)b', '1: there is no lookbehind; write what goes before as a part of the pattern'],
    ['(?<!a)b', '1: there is no negative lookbehind; put what must not match under `ignore`'],
    ['a(?>b)', '2: there are no atomic groups; write (?: in its place, nothing here can backtrack'],
    ['(a)\\1', '4: a group cannot be referred to again; write its pattern once more'],
    ['(?P<ip>a)(?P=ip)', '10: a group cannot be referred to again; write its pattern once more'],
    ['(a)?(?(1)b|c)', '5: there are no conditional groups; write two patterns'],
    ['a(?#b)', '2: there are no comments inside of a pattern; leave it out'],
    ['^%(__prefix_line)sfailed', '2: %(…)s is filled in by fail2ban alone; write out what it stands for'],
    ['(?P<address>x)', '1: there is no group "address"; groups are ip, network, service, account, jail'],
    ['a<SKIPLINES>b', '2: <SKIPLINES> joins several lines; here each line is read by itself'],
    ['<F-MLFID>x</F-MLFID>', '1: <F-MLFID> joins several lines; here each line is read by itself'],
    ['<F-NOFAIL>x</F-NOFAIL>', '1: <F-NOFAIL> joins several lines; here each line is read by itself'],
    ['from <DNS>', '6: <DNS> is a host name, which is not looked up; write <ADDR>'],
  ])('%s says what to write', (pattern, mistake) => {
    expect(mistakeIn(pattern)).toBe(mistake);
  });
});

describe('a pattern', () => {
  test.each([
    ['a|b', 'a', true],
    ['a|b', 'b', true],
    ['a|b', 'xb', false],
    ['^b', 'b', true],
    ['.*b', 'xb', true],
    ['b', 'xb', false],
    ['b$', 'bx', false],
    ['b\\Z', 'b', true],
    ['(?i)failed', 'FAILED', true],
    ['user=<[^>]*>', 'user=<x>', true],
    ['[<HOST>]+', 'HOST<>', true],
    ['\\<HOST\\>', '<HOST>', true],
    ['[[:alpha:]()]+$', 'a(b', true],
    ['[]a]+$', ']a', true],
    ['100%', '100%', true],
    ['<x> <X1>', '<x> <X1>', true],
  ])('%s of %s: %s', (pattern, line, matches) => {
    expect(compilePattern(pattern).match(line) !== undefined).toBe(matches);
  });

  test.each([
    ['<HOST>', '203.0.113.7', { ip: '203.0.113.7' }],
    ['<HOST>:\\d+$', '[2001:db8::1]:25', { ip: '2001:db8::1' }],
    ['from <ADDR>$', 'from ::ffff:203.0.113.7', { ip: '::ffff:203.0.113.7' }],
    ['<HOST> x', '::1 x', { ip: '::1' }],
    ['<IP4> x', '::ffff:203.0.113.7 x', { ip4: '203.0.113.7' }],
    ['(?:<IP4>|<IP6>) x', '2001:DB8::1 x', { ip4: undefined, ip6: '2001:DB8::1' }],
    ['<SUBNET>$', '203.0.113.0/24', { network: '203.0.113.0/24' }],
    ['<ADDR>/<CIDR>$', '2001:db8::/64', { ip: '2001:db8::', cidr: '64' }],
    ['<F-USER>[^ ]+</F-USER> <HOST>', 'joe 203.0.113.7', { account: 'joe', ip: '203.0.113.7' }],
    ['<F-USER>a</F-USER><F-ALT_USER1>b</F-ALT_USER1>', 'ab', { account: 'a', account_1: 'b' }],
    ['<F-ID>\\S+</F-ID> x', '203.0.113.7 x', { ip: '203.0.113.7' }],
    ['<F-ID><HOST></F-ID> x', '203.0.113.7 x', { ip: '203.0.113.7' }],
    ['<F-ID/> x', '203.0.113.7 x', { ip: '203.0.113.7' }],
    ['<F-ADDR/>:<F-PORT/>', '203.0.113.7:25', { ip: '203.0.113.7' }],
    ['<F-ERROR>\\w+</F-ERROR> (?<ip>\\S+)', 'bad 203.0.113.7', { ip: '203.0.113.7' }],
    [
      '(?P<ip>\\S+) (?P<network>\\S+) (?P<service>\\S+) (?P<account>\\S+) (?P<jail>\\S+)',
      'a b c d e',
      { ip: 'a', network: 'b', service: 'c', account: 'd', jail: 'e' },
    ],
  ])('%s of %s gives %j', (pattern, line, groups) => {
    expect({ ...compilePattern(pattern).match(line) }).toEqual(groups);
  });

  test('of any text compiles, or says where it does not; none reaches behind its own end', () => {
    const part = fc.constantFrom(
      '(',
      ')',
      '[',
      ']',
      '\\',
      '|',
      '*',
      '?',
      '+',
      '{2}',
      '<HOST>',
      '(?P<ip>',
      '<F-USER>',
      '</F-USER>',
      '(?:',
      'a',
      '^',
      '$',
      '.',
    );
    const pattern = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.array(part, { maxLength: 12 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(pattern, (text) => {
        const at = Number(mistakeIn(text).split(':')[0]);
        if (!Number.isNaN(at)) expect([at >= 1, at <= Math.max(1, text.length)]).toEqual([true, true]);
      }),
      { numRuns: 3_000 },
    );
  });

  test('matches nothing but at the first character, whatever it is', () => {
    const part = fc.constantFrom('a', 'b|', '(?:x|a)', 'a*', '$|', '^', '\\b');
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 6 }).map((parts) => parts.join('')),
        (text) => {
          fc.pre(mistakeIn(text) === 'none');
          const { match } = compilePattern(`${text}zz`);
          expect(match('-zz')).toBeUndefined();
          expect(match('--abxzz')).toBeUndefined();
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

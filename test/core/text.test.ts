import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutText, formatCount, formatDuration, plural, safeText, sanitizeLine } from '../../src/core/text.ts';

describe('sanitizeLine', () => {
  it.each([
    ['terminal escapes', 'a\u001b[31mred\u001b]0;t\u0007', 'a [31mred ]0;t'],
    ['line breaks of every kind', 'a\r\nb\u2028c\u0085d', 'a b c d'],
    ['bidi controls', 'abc\u202egnp.exe\u2066x\u2069', 'abc gnp.exe x'],
    ['invisible characters', 'ad\u200bmin\ufeff\u00ad', 'ad min'],
    ['NUL', 'a\u0000b', 'a b'],
    ['lone surrogates', 'a\ud800b\udc00', 'a b'],
    ['tag characters', `a${String.fromCodePoint(0xe0041)}b`, 'a b'],
  ])('takes out %s', (_what, text, expected) => {
    expect(sanitizeLine(text)).toBe(expected);
  });

  it('keeps what people write', () => {
    const text = 'жук Ünï 漢字 😀 a+b@example.org <b> `x` "q"';
    expect(sanitizeLine(text)).toBe(text);
  });
});

describe('cutText', () => {
  it('never cuts a code point in two, and never exceeds the limit', () => {
    expect(cutText('ab😀cd', 4)).toBe('ab…');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(40), (text, limit) => {
        const cut = cutText(text, limit);
        expect(cut.length).toBeLessThanOrEqual(Math.max(limit, 0));
        expect(cut.isWellFormed()).toBe(true);
      }),
    );
  });

  it('with sanitizing is always one clean bounded line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.integer({ min: 1, max: 50 }), (text, limit) => {
        const safe = safeText(text, limit);
        expect(safe.length).toBeLessThanOrEqual(limit);
        expect(safe).not.toMatch(/[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
      }),
    );
  });
});

describe('words for numbers', () => {
  it.each([
    [0, '0 s'],
    [999, '1 s'],
    [59_000, '59 s'],
    [60_000, '1 min'],
    [90_000, '1 min 30 s'],
    [1_800_400, '30 min'],
    [3_599_600, '1 h'],
    [5_400_000, '1 h 30 min'],
    [7_199_999, '2 h'],
    [86_400_000, '1 d'],
    [604_800_000, '7 d'],
    [90_061_000, '1 d 1 h'],
  ])('%i ms is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('counts', () => {
    expect([formatCount(0), formatCount(999), formatCount(1000), formatCount(1234567)]).toEqual([
      '0',
      '999',
      '1,000',
      '1,234,567',
    ]);
    expect([plural(1, 'ban'), plural(10_000, 'ban'), plural(2, 'try', 'tries')]).toEqual([
      '1 ban',
      '10,000 bans',
      '2 tries',
    ]);
  });
});

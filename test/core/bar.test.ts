import { describe, expect, it } from 'vitest';
import { bar } from '../../src/core/bar.ts';
import { cutToWidth, widthOf } from '../../src/core/text-width.ts';

describe('a bar', () => {
  it.each([
    [0, 10, ''],
    [10, 10, '████'],
    [20, 10, '████'],
    [5, 10, '██'],
    [1, 1_000_000, '▏'],
    [6, 10, '██▍'],
    [0, 0, ''],
    [-3, 10, ''],
  ])('of %d, %d being the highest, is %j', (count, highest, shown) => {
    expect(bar(count, highest, 4)).toBe(shown);
  });
});

describe('the width of a text on a terminal', () => {
  it.each([
    ['smtp', 4],
    ['日本', 4],
    ['한국어', 6],
    ['e\u0301', 1],
    ['ｆｕｌｌ', 8],
    ['🔔', 2],
    ['a\u200bb', 2],
    ['', 0],
  ])('%j is %d', (text, width) => {
    expect(widthOf(text)).toBe(width);
  });

  it('is kept to where a text is cut', () => {
    expect(cutToWidth('日本語', 6)).toBe('日本語');
    expect(cutToWidth('日本語', 5)).toBe('日本…');
    expect(cutToWidth('日本語', 4)).toBe('日…');
    expect(cutToWidth('abcdef', 3)).toBe('ab…');
    expect(cutToWidth('abc', 0)).toBe('');
  });
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Line, plainLine } from '../../src/core/message.ts';
import { chunkUpTo, fitLine, joinUpTo } from '../../src/notifiers/fit-lines.ts';

test('whole lines as long as there is room', () => {
  expect(joinUpTo([], 10)).toBe('');
  expect(joinUpTo(['ab', 'cd'], 10)).toBe('ab\ncd');
  expect(joinUpTo(['abc', 'def', 'ghi'], 9)).toBe('abc\ndef\n…');
  expect(joinUpTo(['abcdefghijkl'], 8)).toBe('…');
});

test('over several texts, the rest is left out of the last', () => {
  expect(chunkUpTo(['abc', 'def', 'ghi', 'jkl'], 9, 2)).toEqual(['abc\ndef', 'ghi\njkl']);
  expect(chunkUpTo(['abc', 'def', 'ghi', 'jkl', 'mno'], 9, 2)).toEqual(['abc\ndef', 'ghi\njkl\n…']);
});

test('never longer than allowed, and every line is whole', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ minLength: 1 })),
      fc.integer({ min: 3, max: 40 }),
      fc.integer({ min: 1, max: 4 }),
      (raw, limit, most) => {
        const lines = raw.map((line) => line.replaceAll('\n', ' '));
        const chunks = chunkUpTo(lines, limit, most);
        expect(chunks.length).toBeLessThanOrEqual(most);
        for (const chunk of chunks) expect(chunk.length).toBeLessThanOrEqual(limit);
        const shown = chunks.flatMap((chunk) => chunk.split('\n'));
        const isCut = shown.length < lines.length || shown.at(-1) !== lines.at(-1);
        expect(isCut ? shown.slice(0, -1) : shown).toEqual(lines.slice(0, isCut ? shown.length - 1 : shown.length));
      },
    ),
  );
});

test('a line loses whole parts from its end', () => {
  const line: Line = ['one ', { code: 'two' }, ' three'];
  expect(fitLine(line, 20, plainLine)).toBe('one two three');
  expect(fitLine(line, 10, plainLine)).toBe('one two…');
  expect(fitLine(line, 6, plainLine, '> ')).toBe('> …');
  expect(fitLine([], 6, plainLine)).toBe('');
});

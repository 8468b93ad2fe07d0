import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countFresh, formatPlace, parsePlace, placeAt } from '../../src/watchers/list-place.ts';

/** A list as mailcow keeps one: the newest first, trimmed now and then. */
function grow(list: readonly string[], pushed: readonly string[], trimTo = Number.POSITIVE_INFINITY): string[] {
  return [...pushed.toReversed(), ...list].slice(0, trimTo);
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `record ${from + index}`);
const freshOf = (before: readonly string[], after: readonly string[]) =>
  countFresh(placeAt(before.length, before), after.length, after);

describe('the place in a list', () => {
  it('is found again: nothing new, something new, with a trim in between', () => {
    const list = grow([], numbers(0, 200));
    expect(freshOf(list, list)).toBe(0);
    expect(freshOf(list, grow(list, numbers(200, 207)))).toBe(7);
    expect(freshOf(list, grow(list, numbers(200, 207), 100))).toBe(7);
    expect(freshOf([], grow([], numbers(0, 5)))).toBe(5);
    expect(freshOf([], [])).toBe(0);
  });

  it('is not found where more was pushed than is kept', () => {
    const list = grow([], numbers(0, 200));
    expect(freshOf(list, grow(list, numbers(200, 400), 100))).toBeUndefined();
    expect(freshOf(list, grow([], numbers(500, 510)))).toBeUndefined();
    expect(freshOf(list, [])).toBeUndefined();
  });

  it('is found by the length where records are all the same', () => {
    const same = Array<string>(100).fill('{"time": 1795430922, "priority": "warn", "message": "matched rule id 3"}');
    expect(freshOf(same, grow(same, same.slice(0, 30)))).toBe(30);
    expect(freshOf(same, same)).toBe(0);
  });

  it('is found although single records were taken out', () => {
    const list = grow([], numbers(0, 200));
    const after = grow(list, numbers(200, 203)).filter((record) => record !== 'record 198' && record !== 'record 190');
    expect(freshOf(list, after)).toBe(3);
  });

  it('is found in a part of a list that is longer than anybody knows', () => {
    const list = grow([], numbers(0, 500));
    const place = placeAt(undefined, list);
    const after = grow(list, numbers(500, 530));
    expect(countFresh(place, undefined, list.slice(0, 100))).toBe(0);
    expect(countFresh(place, undefined, after.slice(0, 100))).toBe(30);
    // Of what is remembered less than half is there: more has to be read.
    expect(countFresh(place, undefined, grow(list, numbers(500, 590)).slice(0, 100))).toBeUndefined();
    expect(countFresh(place, undefined, grow(list, numbers(500, 590)).slice(0, 1_000))).toBe(90);
    expect(countFresh(placeAt(0, []), undefined, list.slice(0, 100))).toBeUndefined();
    expect(parsePlace(formatPlace(place))).toEqual(place);
  });

  it('outlives a restart as text, and anything else is no place', () => {
    const list = grow([], numbers(0, 200));
    const place = parsePlace(formatPlace(placeAt(list.length, list)));
    expect(place && countFresh(place, 207, grow(list, numbers(200, 207)))).toBe(7);
    expect(['', 'x', '{}', '{"length": -1, "newest": []}', undefined].map((text) => parsePlace(text))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('property: whatever is pushed, trimmed and the same, nothing is read twice and nothing is passed over', () => {
    const record = fc.constantFrom('a', 'b', 'c', 'd');
    fc.assert(
      fc.property(
        fc.array(fc.record({ pushed: fc.array(record, { maxLength: 30 }), isTrimmed: fc.boolean() }), {
          maxLength: 12,
        }),
        (steps) => {
          let list: string[] = [];
          let place = placeAt(0, []);
          let id = 0;
          for (const { pushed, isTrimmed } of steps) {
            // Neighbours that look the same, as failures of one second do, among others that do not.
            const records = pushed.map((each) => (each === 'a' ? `same ${id >> 4}` : `${each} ${id++}`));
            list = grow(list, records, isTrimmed ? 100 : undefined);
            expect(countFresh(place, list.length, list)).toBe(records.length);
            place = placeAt(list.length, list);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

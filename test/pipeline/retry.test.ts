import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextDelayMs } from '../../src/pipeline/retry.ts';

const latest = () => 1 - Number.EPSILON;

test('the bound doubles from one second to five minutes', () => {
  const bounds = Array.from({ length: 12 }, (_, index) => nextDelayMs({ failures: index + 1, random: latest }));
  expect(bounds).toEqual([
    1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000, 300_000,
  ]);
});

test('first wait and cap can be chosen', () => {
  const delays = [1, 2, 8, 9].map((failures) => nextDelayMs({ failures, random: latest, firstMs: 250, capMs: 30_000 }));
  expect(delays).toEqual([250, 500, 30_000, 30_000]);
});

test('any part of the bound may be drawn', () => {
  expect(nextDelayMs({ failures: 3, random: () => 0.25 })).toBe(1_000);
  expect(nextDelayMs({ failures: 3, random: () => 0.75 })).toBe(3_000);
  expect(nextDelayMs({ failures: 3, random: () => 0 })).toBe(1);
});

test('what the far side asks for is the least, within an hour', () => {
  expect(nextDelayMs({ failures: 1, retryAfterMs: 90_000, random: latest })).toBe(90_000);
  expect(nextDelayMs({ failures: 9, retryAfterMs: 1_000, random: latest })).toBe(256_000);
  expect(nextDelayMs({ failures: 1, retryAfterMs: 86_400_000, random: latest })).toBe(3_600_000);
  expect(nextDelayMs({ failures: 1, retryAfterMs: Number.POSITIVE_INFINITY, random: latest })).toBe(3_600_000);
});

test('it is a whole number of milliseconds that a timer takes, whatever is asked for', () => {
  const doubles = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), fc.option(fc.double()), doubles, (failures, asked, drawn) => {
      const ms = nextDelayMs({ failures, retryAfterMs: asked ?? undefined, random: () => drawn });
      expect(Number.isInteger(ms)).toBe(true);
      expect(ms).toBeGreaterThanOrEqual(1);
      expect(ms).toBeLessThanOrEqual(3_600_000);
    }),
  );
});

import { expect, test } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import { parseRetryAfter, requireAccepted } from '../../src/core/http-outcome.ts';

const NOW = Date.parse('2026-11-23T12:00:00Z');

function outcomeOf(status: number, body = '', headers: Record<string, string> = {}, waitMs?: number): unknown {
  try {
    return requireAccepted({ status, body, headers }, NOW, waitMs);
  } catch (error) {
    return error;
  }
}

test.each([200, 201, 202, 204, 299])('%i is accepted', (status) => {
  expect(outcomeOf(status)).toBeUndefined();
});

test('every other status is sorted', () => {
  const later = [408, 425, 429, 500, 502, 503, 504];
  for (let status = 300; status < 600; status++) {
    expect(outcomeOf(status)).toBeInstanceOf(later.includes(status) ? TransientError : PermanentError);
  }
});

test('the message has the front of the body, made visible, and no page', () => {
  expect(outcomeOf(404, 'no_service\u001b[31m\n')).toMatchObject({ message: 'HTTP 404: no_service [31m' });
  expect(outcomeOf(502, '<html><body>nginx</body></html>')).toMatchObject({ message: 'HTTP 502' });
  expect((outcomeOf(400, 'x'.repeat(1_000)) as Error).message).toHaveLength('HTTP 400: '.length + 200);
  expect(outcomeOf(302)).toMatchObject({ message: expect.stringContaining('configure the final address') });
});

test('the longer of the header and what the body asked for counts, an hour at most', () => {
  expect(outcomeOf(429, '', { 'retry-after': '2' }, 3_000)).toMatchObject({ retryAfterMs: 3_000 });
  expect(outcomeOf(429, '', { 'retry-after': '4' }, 3_000)).toMatchObject({ retryAfterMs: 4_000 });
  expect(outcomeOf(429, '', { 'retry-after': '29241' })).toMatchObject({ retryAfterMs: 3_600_000 });
  expect(outcomeOf(500)).toMatchObject({ retryAfterMs: undefined });
});

test.each([
  ['{"retry_after": 2.45}', 2_450],
  ['{"retry_after_ms": 2450}', 2_450],
  ['{"ok": false, "parameters": {"retry_after": 3}}', 3_000],
  ['{"retry_after": "soon", "retry_after_ms": 1500}', 1_500],
  ['{"retry_after": 0.2}', 1_000],
  ['{"retry_after": -7}', 1_000],
  ['{"retry_after": 1e400}', 1_000],
  ['{"retry_after": 9e9}', 3_600_000],
  ['[{"retry_after": 7}]', 1_000],
  ['null', 1_000],
  ['7', 1_000],
])('beside a header of 1 s a body of %s asks for %i ms', (body, retryAfterMs) => {
  expect(outcomeOf(429, body, { 'retry-after': '1' })).toMatchObject({ retryAfterMs });
});

test.each([
  ['30', 30_000],
  [' 0.3 ', 300],
  ['0', 0],
  ['Mon, 23 Nov 2026 12:01:00 GMT', 60_000],
  ['Mon, 23 Nov 2026 11:00:00 GMT', 0],
  ['', undefined],
  ['soon', undefined],
  ['1e9', undefined],
  ['-5', undefined],
  ['9'.repeat(400), undefined],
  [undefined, undefined],
])('Retry-After %j is %j ms', (value, expected) => {
  expect(parseRetryAfter(value, NOW)).toBe(expected);
});

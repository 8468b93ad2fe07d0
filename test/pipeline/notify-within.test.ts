import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import type { Notifier } from '../../src/core/notifier.ts';
import { notifyWithin } from '../../src/pipeline/notify-within.ts';
import { deliveryOf } from '../support/delivery.ts';
import { sampleEvent } from '../support/sample-bans.ts';
import { createTestClock } from '../support/test-clock.ts';

const delivery = deliveryOf('d1', [sampleEvent('a')]);

/** Ends as `end` says, once its signal aborts. */
function untilAborted(end: (reason: unknown) => void): Notifier {
  return {
    notify: (_delivery, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => {
          try {
            end(signal.reason);
            resolve();
          } catch (error) {
            reject(error);
          }
        });
      }),
  };
}

const outcomes: [string, Notifier][] = [
  ['accepts', { notify: async () => {} }],
  ['fails', { notify: async () => Promise.reject(new TransientError('HTTP 500')) }],
  ['refuses', { notify: async () => Promise.reject(new PermanentError('HTTP 404')) }],
  ['hangs', { notify: () => new Promise(() => {}) }],
];

test.each(outcomes)('an attempt that %s leaves no timer and no listener', async (_what, notifier) => {
  const clock = createTestClock();
  const kill = new AbortController();
  const attempt = notifyWithin(notifier, delivery, { ms: 1_000, clock, kill: kill.signal }).catch(() => {});
  await clock.advance(1_000);
  await attempt;
  expect(clock.waits()).toEqual([]);
  expect(getEventListeners(kill.signal, 'abort')).toEqual([]);
});

test('what caused an abort is told, not how the notifier puts it', async () => {
  const clock = createTestClock();
  const kill = new AbortController();
  const notifier = untilAborted(() => {
    throw new DOMException('This operation was aborted', 'AbortError');
  });
  const attempt = notifyWithin(notifier, delivery, { ms: 1_000, clock, kill: kill.signal });
  const reason = new TransientError('shutting down');
  kill.abort(reason);
  await expect(attempt).rejects.toBe(reason);
});

test('nothing is begun that is already to end', async () => {
  let calls = 0;
  const notifier: Notifier = {
    async notify() {
      calls++;
    },
  };
  const reason = new TransientError('shutting down');
  const options = { ms: 1_000, clock: createTestClock(), kill: AbortSignal.abort(reason) };
  await expect(notifyWithin(notifier, delivery, options)).rejects.toBe(reason);
  expect(calls).toBe(0);
});

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TransientError } from '../../src/core/errors.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTestClock } from '../support/test-clock.ts';
import { createHeldNotifier, createLaneHarness, messagesOf, startWebhook } from './lane-harness.ts';

describe('a lane that is stopped', () => {
  it('does not wait out its pauses', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const { clock, lane, owe } = createLaneHarness({ notifier });
    owe('a');
    await eventually(() => expect(attempts).toHaveLength(1));
    attempts[0]?.fail(new TransientError('HTTP 503', { retryAfterMs: 600_000 }));
    await eventually(() => expect(clock.waits()).toEqual([600_000]));
    await lane.stop(8_000);
    expect(clock.waits()).toEqual([]);
    expect(lane.state()).toMatchObject({ owed: 1, lastError: 'HTTP 503' });
    expect(attempts).toHaveLength(1);
  });

  it('does not wait out the group interval, nor send before its end', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const { clock, lane, owe, ledger } = createLaneHarness({ notifier, groupIntervalMs: 15_000 });
    owe('a');
    await eventually(() => expect(attempts).toHaveLength(1));
    owe('b');
    attempts[0]?.accept();
    await eventually(() => expect(clock.waits()).toEqual([15_000]));
    await lane.stop(8_000);
    expect(lane.state()).toMatchObject({ consumer: 'chat', owed: 1 });
    expect(ledger.deliveries.list('claimed', 10)).toEqual([]);
  });

  it('lets an attempt finish within the deadline', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const { clock, lane, owe } = createLaneHarness({ notifier });
    owe('a');
    await eventually(() => expect(attempts).toHaveLength(1));
    owe('b');
    const stopped = lane.stop(8_000);
    await clock.advance(7_999);
    expect(attempts[0]?.signal.aborted).toBe(false);
    attempts[0]?.accept();
    await stopped;
    expect(attempts).toHaveLength(1);
    expect(lane.state()).toMatchObject({ consumer: 'chat', owed: 1 });
  });

  it('gives an attempt up at the deadline, also one that ignores its signal', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const { clock, lane, owe, ledger, outcomes, logger } = createLaneHarness({ notifier });
    owe('a');
    await eventually(() => expect(attempts).toHaveLength(1));
    const stopped = lane.stop(8_000);
    await clock.advance(8_000);
    await stopped;
    expect(attempts[0]?.signal.aborted).toBe(true);
    expect(ledger.deliveries.list('claimed', 10)).toMatchObject([{ id: attempts[0]?.id, attempts: 0 }]);
    expect(outcomes).toEqual([]);
    expect(logger.records).toEqual([]);
    expect(clock.waits()).toEqual([]);
  });

  it('cannot be woken again', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const { clock, lane, owe } = createLaneHarness({ notifier });
    await lane.stop(8_000);
    owe('a');
    await clock.advance(60_000);
    expect(attempts).toEqual([]);
    expect(lane.state()).toMatchObject({ consumer: 'chat', owed: 1 });
  });
});

describe('after a crash', () => {
  it('what was being sent goes first, the same under the same id', async () => {
    const clock = createTestClock();
    const path = join(tempDir(), 'cowbell.db');
    const held = createHeldNotifier();
    const crashed = createLaneHarness({ notifier: held.notifier, clock, path, groupIntervalMs: 15_000 });
    crashed.owe('a', 'b');
    await eventually(() => expect(held.attempts).toHaveLength(1));

    // The first lane never ends its attempt; the second finds what was committed, as a new process would.
    const { receiver, notifier } = await startWebhook(clock);
    const { lane, owe } = createLaneHarness({ notifier, clock, path, groupIntervalMs: 15_000 });
    owe('c');
    await eventually(() => expect(messagesOf(receiver)).toEqual([['a', 'b']]));
    expect(receiver.requests[0]?.deliveryId).toBe(held.attempts[0]?.id);
    await eventually(() => expect(lane.state().owed).toBe(1));
    await eventually(() => expect(clock.waits()).toContain(15_000));
    await clock.advance(15_000);
    await eventually(() => expect(messagesOf(receiver)).toEqual([['a', 'b'], ['c']]));
  });
});

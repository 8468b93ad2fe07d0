import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { createTestClock } from '../support/test-clock.ts';
import { changedOutbox, createHeldNotifier, createLaneHarness, messagesOf, startWebhook } from './lane-harness.ts';

describe('the pace of a lane', () => {
  it('sends the first event at once, and what comes within the interval as one message at its end', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock);
    const { lane, owe } = createLaneHarness({ notifier, clock, groupIntervalMs: 15_000 });

    owe('a');
    await eventually(() => expect(lane.state()).toEqual({ consumer: 'chat', owed: 0 }));
    owe('b', 'c');
    await eventually(() => expect(clock.waits()).toEqual([15_000]));
    expect(lane.state()).toEqual({
      consumer: 'chat',
      owed: 2,
      oldestAt: clock.now(),
      nextAttemptAt: clock.now() + 15_000,
    });
    await clock.advance(14_999);
    expect(clock.waits()).toEqual([1]);
    owe('d');
    await clock.advance(1);
    await eventually(() => expect(messagesOf(receiver)).toEqual([['a'], ['b', 'c', 'd']]));
    await eventually(() => expect(lane.state()).toEqual({ consumer: 'chat', owed: 0 }));
    owe('e');
    await eventually(() => expect(clock.waits()).toEqual([15_000]));
    expect(receiver.problems()).toEqual([]);
  });

  it('sends at once again after a quiet interval', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock);
    const { lane, owe } = createLaneHarness({ notifier, clock, groupIntervalMs: 15_000 });

    owe('a');
    await eventually(() => expect(lane.state().owed).toBe(0));
    await clock.advance(15_000);
    owe('b');
    await eventually(() => expect(messagesOf(receiver)).toEqual([['a'], ['b']]));
  });

  it('waits no longer than the interval when the clock was set back', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock);
    const { lane, owe } = createLaneHarness({ notifier, clock, groupIntervalMs: 15_000 });

    owe('a');
    await eventually(() => expect(lane.state().owed).toBe(0));
    clock.jump(-3_600_000);
    owe('b');
    await eventually(() => expect(clock.waits()).toEqual([15_000]));
    await clock.advance(15_000);
    await eventually(() => expect(messagesOf(receiver)).toEqual([['a'], ['b']]));
  });

  it('without an interval sends what came during a message as one behind it', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const { lane, owe, outcomes } = createLaneHarness({ notifier });

    owe('a');
    await eventually(() => expect(attempts).toHaveLength(1));
    for (const id of ['b', 'c', 'd']) owe(id);
    attempts[0]?.accept();
    await eventually(() => expect(attempts.map(({ events }) => events)).toEqual([['a'], ['b', 'c', 'd']]));
    attempts[1]?.accept();
    await eventually(() => expect(lane.state().owed).toBe(0));
    expect(outcomes).toEqual(['delivered 1', 'delivered 3']);
  });

  it('keeps to the most events of one delivery, in order', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock);
    const { lane, owe } = createLaneHarness({ notifier, clock, maxEvents: 2 });

    owe('a', 'b', 'c', 'd', 'e');
    await eventually(() => expect(lane.state().owed).toBe(0));
    expect(messagesOf(receiver)).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });

  it('looks once more for all the wakes that came meanwhile', async () => {
    const { notifier, attempts } = createHeldNotifier();
    let looks = 0;
    const { lane, owe, clock, ledger } = createLaneHarness({
      notifier,
      around: (outbox) =>
        changedOutbox(outbox, {
          owed: (...args) => {
            looks++;
            return outbox.owed(...args);
          },
        }),
    });
    owe('a');
    await eventually(() => expect(attempts).toHaveLength(1));
    for (let n = 0; n < 10_000; n++) lane.wake();
    attempts[0]?.accept();
    await clock.advance(0);
    expect(ledger.deliveries.owed('chat')).toBe(0);
    // Before the message, behind it, and for the wakes.
    expect(looks).toBe(3);
  });
});

import { describe, expect, it } from 'vitest';
import { TransientError } from '../../src/core/errors.ts';
import { eventually } from '../support/eventually.ts';
import { createTestClock } from '../support/test-clock.ts';
import { createHeldNotifier, createLaneHarness, messagesOf, startWebhook } from './lane-harness.ts';

const MINUTE = 60_000;

describe('after an outage', () => {
  it('all that is owed goes as one, also what was tried before, under a new id', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const harness = createLaneHarness({
      notifier,
      groupIntervalMs: 15_000,
      maxEvents: 10_000,
      rules: { mergesBacklog: true },
    });
    const { clock, lane, owe } = harness;
    owe('first');
    // Each attempt of an hour is refused a connection.
    const end = clock.now() + 60 * MINUTE;
    let seen = 0;
    let owed = 0;
    while (clock.now() < end) {
      await eventually(() => expect(attempts.length).toBeGreaterThan(seen));
      seen = attempts.length;
      attempts.at(-1)?.fail(new TransientError('no connection: ECONNREFUSED'));
      await eventually(() => expect(lane.state().nextAttemptAt).toBeDefined());
      const more = Array.from({ length: 250 }, () => `e${owed++}`);
      owe(...more);
      await clock.advance((lane.state().nextAttemptAt ?? 0) - clock.now());
    }
    await eventually(() => expect(attempts.length).toBeGreaterThan(seen));
    const last = attempts.at(-1);
    expect(last?.events.length).toBe(owed + 1);
    expect(last?.events.slice(0, 2)).toEqual(['first', 'e0']);
    expect(last?.id).not.toBe(attempts[0]?.id);
    last?.accept();
    await eventually(() => expect(lane.state()).toEqual({ consumer: 'chat', owed: 0 }));
    expect(harness.troubles.map(({ kind }) => kind)).toEqual(['down', 'up']);
    // And then as ever.
    await clock.advance(15_000);
    owe('after');
    await eventually(() => expect(attempts.at(-1)?.events).toEqual(['after']));
  });

  it('a receiver that keeps ids gets what was tried before as it was', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const { clock, lane, owe } = createLaneHarness({ notifier });
    owe('a');
    for (let failure = 0; failure < 9; failure++) {
      await eventually(() => expect(attempts).toHaveLength(failure + 1));
      attempts[failure]?.fail(new TransientError('HTTP 503'));
      await eventually(() => expect(lane.state().nextAttemptAt).toBeDefined());
      owe(`more${failure}`);
      await clock.advance((lane.state().nextAttemptAt ?? 0) - clock.now());
    }
    await eventually(() => expect(attempts).toHaveLength(10));
    expect(new Set(attempts.map(({ id, events }) => `${id} ${events}`)).size).toBe(1);
  });
});

describe('what is too old', () => {
  it('is dropped and said so in the log', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock, [{ status: 503 }]);
    const { owe, logger, ledger } = createLaneHarness({ notifier, clock, rules: { maxAgeMs: 10 * MINUTE } });
    ledger.transaction(() => {});
    owe('tried');
    await eventually(() => expect(clock.waits()).toEqual([500]));
    owe('old', 'older');
    clock.jump(11 * MINUTE);
    owe('fresh');
    await clock.advance(500);
    await eventually(() => expect(messagesOf(receiver)).toEqual([['tried'], ['fresh']]));
    expect(logger.told()).toContain('warn: alerts were too old to be sent, and dropped');
  });
});

describe('a lane for crowds alone', () => {
  it('sends what comes within an interval where it is enough, and nothing where it is not', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock);
    const { lane, owe } = createLaneHarness({ notifier, clock, groupIntervalMs: 15_000, rules: { minGroupSize: 3 } });
    owe('a', 'b');
    await eventually(() => expect(clock.waits()).toEqual([15_000]));
    await clock.advance(15_000);
    await eventually(() => expect(lane.state()).toEqual({ consumer: 'chat', owed: 0 }));
    expect(receiver.requests).toEqual([]);
    owe('c');
    await eventually(() => expect(clock.waits()).toEqual([15_000]));
    owe('d', 'e');
    await clock.advance(15_000);
    await eventually(() => expect(messagesOf(receiver)).toEqual([['c', 'd', 'e']]));
  });
});

describe('quiet hours', () => {
  it('hold back all but the urgent, and tell it as one when they end', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock);
    const end = clock.now() + 40 * MINUTE;
    const quietUntil = (now: number) => (now < end ? end : undefined);
    const harness = createLaneHarness({ notifier, clock, groupIntervalMs: 15_000, rules: { quietUntil } });
    const { lane, owe, oweUrgently } = harness;
    owe('a');
    await eventually(() => expect(clock.waits()).toEqual([15 * MINUTE]));
    owe('b');
    oweUrgently('now');
    await eventually(() => expect(messagesOf(receiver)).toEqual([['now']]));
    await eventually(() => expect(lane.state()).toMatchObject({ owed: 2 }));
    await clock.advance(15 * MINUTE);
    owe('c');
    await clock.advance(15 * MINUTE);
    expect(messagesOf(receiver)).toHaveLength(1);
    await clock.advance(10 * MINUTE);
    await eventually(() => expect(messagesOf(receiver)).toEqual([['now'], ['a', 'b', 'c']]));
    owe('d');
    await clock.advance(15_000);
    await eventually(() => expect(messagesOf(receiver).at(-1)).toEqual(['d']));
  });

  it('an urgent event that fails is tried again, alone', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock, [{ status: 503 }]);
    const end = clock.now() + 600 * MINUTE;
    const { owe, oweUrgently } = createLaneHarness({
      notifier,
      clock,
      rules: { quietUntil: (now) => (now < end ? end : undefined), mergesBacklog: true },
    });
    owe('held');
    oweUrgently('now');
    await eventually(() => expect(clock.waits()).toContain(500));
    await clock.advance(500);
    await eventually(() => expect(messagesOf(receiver)).toEqual([['now']]));
  });
});

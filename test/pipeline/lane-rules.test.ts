import { describe, expect, it } from 'vitest';
import { TransientError } from '../../src/core/errors.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
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
  const hour = { maxAgeMs: 60 * MINUTE };

  it('is dropped and said so in the log, though it was tried before', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock, [{ status: 503 }]);
    const { owe, logger } = createLaneHarness({ notifier, clock, rules: hour });
    owe('tried');
    await eventually(() => expect(clock.waits()).toEqual([500]));
    owe('old', 'older');
    clock.jump(61 * MINUTE);
    owe('fresh');
    await clock.advance(500);
    await eventually(() => expect(messagesOf(receiver)).toEqual([['fresh']]));
    expect(logger.records.filter(({ message }) => message.includes('too old'))).toMatchObject([
      { fields: { events: 3 } },
    ]);
  });

  it('goes with what is not, to a program that was sent it before', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const { clock, owe } = createLaneHarness({ notifier, rules: hour });
    owe('a');
    await eventually(() => expect(attempts).toHaveLength(1));
    owe('b');
    attempts[0]?.accept();
    await eventually(() => expect(attempts).toHaveLength(2));
    clock.jump(30 * MINUTE);
    owe('c');
    attempts[1]?.accept();
    await eventually(() => expect(attempts).toHaveLength(3));
    clock.jump(40 * MINUTE);
    attempts[2]?.fail(new TransientError('HTTP 503'));
    await eventually(() => expect(clock.waits()).toEqual([500]));
    await clock.advance(500);
    await eventually(() => expect(attempts).toHaveLength(4));
    expect(attempts[3]).toMatchObject({ id: attempts[2]?.id, events: ['c'] });
  });

  it('is left out of the one message after an outage, however long that was', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const { clock, lane, owe } = createLaneHarness({
      notifier,
      maxEvents: 10_000,
      rules: { ...hour, mergesBacklog: true },
    });
    const end = clock.now() + 3 * 60 * MINUTE;
    const owedAt = new Map<string, number>();
    for (let seen = 0; clock.now() < end; seen++) {
      const id = `e${owedAt.size}`;
      owedAt.set(id, clock.now());
      owe(id);
      await eventually(() => expect(attempts).toHaveLength(seen + 1));
      attempts.at(-1)?.fail(new TransientError('no connection: ECONNREFUSED'));
      await eventually(() => expect(lane.state().nextAttemptAt).toBeDefined());
      await clock.advance((lane.state().nextAttemptAt ?? 0) - clock.now());
      await eventually(() => expect(attempts).toHaveLength(seen + 2));
    }
    const told = attempts.at(-1)?.events ?? [];
    const young = [...owedAt].filter(([, at]) => at >= clock.now() - 60 * MINUTE).map(([id]) => id);
    expect(told).toEqual(young);
    expect(young.length).toBeLessThan(owedAt.size / 2);
    expect(lane.state().owed).toBe(young.length);
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

  it('sends a crowd that is more than one delivery to its end', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock);
    const rules = { minGroupSize: 5 };
    const { lane, owe } = createLaneHarness({ notifier, clock, groupIntervalMs: 1_000, maxEvents: 2, rules });
    owe('a', 'b', 'c', 'd', 'e');
    for (const rest of [3, 1, 0]) {
      await eventually(() => expect(clock.waits()).toEqual([1_000]));
      await clock.advance(1_000);
      await eventually(() => expect(lane.state().owed).toBe(rest));
    }
    owe('f', 'g');
    await eventually(() => expect(clock.waits()).toEqual([1_000]));
    await clock.advance(1_000);
    await eventually(() => expect(lane.state().owed).toBe(0));
    expect(messagesOf(receiver)).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });

  it('sends its digest, which is no crowd', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock);
    const { lane, owe, ledger } = createLaneHarness({ notifier, clock, rules: { minGroupSize: 50 } });
    const digest = sampleEvents('mail.example.org', clock.now()).filter(({ type }) => type === 'digest');
    ledger.transaction(() => {
      for (const event of digest) ledger.deliveries.publish(event, [{ name: 'chat' }]);
    });
    owe('a', 'b');
    await eventually(() => expect(lane.state().owed).toBe(0));
    expect(messagesOf(receiver)).toEqual([digest.map(({ id }) => id)]);
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

  it('hold back what was tried in vain before they began, but not what is urgent of it', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const clock = createTestClock();
    const start = clock.now() + 10 * MINUTE;
    const end = start + 60 * MINUTE;
    const { owe, oweUrgently, lane } = createLaneHarness({
      notifier,
      clock,
      rules: { quietUntil: (now) => (now >= start && now < end ? end : undefined), mergesBacklog: true },
    });
    owe('a');
    oweUrgently('b');
    await eventually(() => expect(attempts).toHaveLength(1));
    attempts[0]?.fail(new TransientError('HTTP 503', { retryAfterMs: 20 * MINUTE }));
    await eventually(() => expect(clock.waits()).toEqual([20 * MINUTE]));
    await clock.advance(20 * MINUTE);
    await eventually(() => expect(attempts.at(-1)?.events).toEqual(['b']));
    attempts.at(-1)?.accept();
    await eventually(() => expect(lane.state()).toMatchObject({ owed: 1 }));
    const before = attempts.length;
    for (let step = 0; step < 49; step++) await clock.advance(MINUTE);
    expect(attempts).toHaveLength(before);
    await clock.advance(MINUTE);
    await eventually(() => expect(attempts.at(-1)?.events).toEqual(['a']));
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

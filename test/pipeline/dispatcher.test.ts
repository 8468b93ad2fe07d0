import { expect, test } from 'vitest';
import { createDispatcher } from '../../src/pipeline/dispatcher.ts';
import { eventually } from '../support/eventually.ts';
import { createTestClock } from '../support/test-clock.ts';
import { createHeldNotifier, createLaneHarness, messagesOf, startWebhook } from './lane-harness.ts';

test('a lane that hangs or fails delays no other', async () => {
  const clock = createTestClock();
  const hanging = await startWebhook(clock, 'hang');
  const gone = await startWebhook(clock);
  const well = await startWebhook(clock);
  await gone.receiver.stop();
  const lanes = [
    createLaneHarness({ consumer: 'hanging', notifier: hanging.notifier, clock }),
    createLaneHarness({ consumer: 'gone', notifier: gone.notifier, clock }),
    createLaneHarness({ consumer: 'well', notifier: well.notifier, clock }),
  ] as const;
  const dispatcher = createDispatcher(lanes.map(({ lane }) => lane));

  for (const id of ['a', 'b', 'c']) {
    for (const { owe } of lanes) owe(id);
    await eventually(() => expect(messagesOf(well.receiver).flat().at(-1)).toBe(id));
  }
  await eventually(() => expect(dispatcher.states().at(-1)).toEqual({ consumer: 'well', owed: 0 }));
  await eventually(() => expect(hanging.receiver.requests).toHaveLength(1));
  await eventually(() =>
    expect(dispatcher.states()).toEqual([
      { consumer: 'hanging', owed: 3, oldestAt: clock.now() },
      {
        consumer: 'gone',
        owed: 3,
        oldestAt: clock.now(),
        failingSince: clock.now(),
        lastError: 'no connection: ECONNREFUSED',
        nextAttemptAt: clock.now() + 500,
      },
      { consumer: 'well', owed: 0 },
    ]),
  );

  await gone.receiver.restart();
  await clock.advance(500);
  await eventually(() => expect(messagesOf(gone.receiver).flat()).toEqual(['a', 'b', 'c']));
});

test('only the lanes that are owed something are woken, or all', async () => {
  const clock = createTestClock();
  const left = createHeldNotifier();
  const right = createHeldNotifier();
  const lanes = [
    createLaneHarness({ consumer: 'left', notifier: left.notifier, clock }),
    createLaneHarness({ consumer: 'right', notifier: right.notifier, clock }),
  ];
  const dispatcher = createDispatcher(
    lanes.map(({ lane }) => ({
      consumer: lane.consumer,
      wake: () => woken.push(lane.consumer),
      state: () => lane.state(),
      past: () => lane.past(),
      stop: (deadlineMs) => lane.stop(deadlineMs),
    })),
  );
  const woken: string[] = [];
  dispatcher.wake(new Set(['right', 'nobody']));
  expect(woken).toEqual(['right']);
  dispatcher.wake();
  expect(woken).toEqual(['right', 'left', 'right']);
});

test('a lane that takes the place of another waits for that one alone', async () => {
  const clock = createTestClock();
  const stuck = createHeldNotifier();
  const before = ['stuck', 'well'].map((consumer) => createLaneHarness({ consumer, notifier: stuck.notifier, clock }));
  const dispatcher = createDispatcher(before.map(({ lane }) => lane));
  before[0]?.owe('a');
  await eventually(() => expect(stuck.attempts).toHaveLength(1));
  const created: string[] = [];
  const plans = ['stuck', 'well', 'new'].map((consumer) => ({
    consumer,
    version: '2',
    create: () => {
      created.push(consumer);
      return createLaneHarness({ consumer, notifier: createHeldNotifier().notifier, clock }).lane;
    },
  }));
  const updated = dispatcher.update(plans);
  await eventually(() => expect(created.sort()).toEqual(['new', 'well']));
  await clock.advance(6_999);
  expect(created).not.toContain('stuck');
  await clock.advance(1);
  await updated;
  expect(created.sort()).toEqual(['new', 'stuck', 'well']);
  expect(
    dispatcher
      .states()
      .map(({ consumer }) => consumer)
      .sort(),
  ).toEqual(['new', 'stuck', 'well']);
  await dispatcher.update(plans);
  expect(created).toHaveLength(3);
  await dispatcher.update(plans.slice(1));
  expect(
    dispatcher
      .states()
      .map(({ consumer }) => consumer)
      .sort(),
  ).toEqual(['new', 'well']);
});

test('all lanes are stopped together within one deadline', async () => {
  const clock = createTestClock();
  const held = [createHeldNotifier(), createHeldNotifier()];
  const lanes = held.map(({ notifier }, index) => createLaneHarness({ consumer: `chat-${index}`, notifier, clock }));
  const dispatcher = createDispatcher(lanes.map(({ lane }) => lane));
  for (const { owe } of lanes) owe('a');
  await eventually(() => expect(held.map(({ attempts }) => attempts.length)).toEqual([1, 1]));

  const stopped = dispatcher.stop(7_000);
  await clock.advance(7_000);
  await stopped;
  expect(clock.waits()).toEqual([]);
  expect(dispatcher.states().map(({ owed }) => owed)).toEqual([1, 1]);
});

import { describe, expect, it } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import type { Outbox } from '../../src/core/outbox.ts';
import { eventually } from '../support/eventually.ts';
import { RECEIVER_TOKEN } from '../support/service.ts';
import { createTestClock } from '../support/test-clock.ts';
import { changedOutbox, createHeldNotifier, createLaneHarness, messagesOf, startWebhook } from './lane-harness.ts';

describe('what fails for now', () => {
  it('is tried again under its id as soon as the far side allows', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock, [{ rateLimited: 7 }]);
    const { lane, owe, logger } = createLaneHarness({ notifier, clock });

    owe('a', 'b');
    await eventually(() => expect(clock.waits()).toEqual([7_000]));
    expect(lane.state()).toEqual({
      consumer: 'chat',
      owed: 2,
      oldestAt: clock.now(),
      failingSince: clock.now(),
      lastError: expect.stringMatching(/^HTTP 429/),
      nextAttemptAt: clock.now() + 7_000,
    });
    owe('c');
    await clock.advance(6_999);
    expect(receiver.requests).toHaveLength(1);
    await clock.advance(1);
    await eventually(() => expect(messagesOf(receiver)).toEqual([['a', 'b'], ['c']]));
    expect(receiver.requests[1]?.deliveryId).toBe(receiver.requests[0]?.deliveryId);
    expect(receiver.requests[2]?.deliveryId).not.toBe(receiver.requests[0]?.deliveryId);
    await eventually(() => expect(lane.state()).toEqual({ consumer: 'chat', owed: 0 }));
    expect(logger.told()).toEqual([
      'warn: an alert could not be delivered; it will be tried again',
      'info: alerts are delivered again',
    ]);
    expect(logger.records.at(-1)?.fields).toEqual({ consumer: 'chat', failures: 1, after_ms: 7_000 });
  });

  it('is tried with growing pauses, whatever goes wrong, and told once', async () => {
    const clock = createTestClock();
    const server = { status: 503, body: 'busy' };
    const { receiver, notifier } = await startWebhook(clock, [server, 'cut', server, server]);
    const { lane, owe, logger, outcomes } = createLaneHarness({ notifier, clock, groupIntervalMs: 15_000 });

    owe('a');
    for (const [index, waitMs] of [500, 1_000, 2_000, 4_000].entries()) {
      await eventually(() => expect(clock.waits()).toEqual([waitMs]));
      expect(receiver.requests).toHaveLength(index + 1);
      await clock.advance(waitMs);
    }
    await eventually(() => expect(lane.state()).toEqual({ consumer: 'chat', owed: 0 }));
    expect(new Set(receiver.requests.map(({ deliveryId }) => deliveryId)).size).toBe(1);
    expect(outcomes).toEqual(['failed 1', 'failed 1', 'failed 1', 'failed 1', 'delivered 1']);
    expect(logger.records.map(({ level }) => level)).toEqual(['warn', 'debug', 'debug', 'debug', 'info']);
    expect(logger.text()).not.toContain(RECEIVER_TOKEN);

    // The next failure is a first one again.
    receiver.behave({ status: 500 });
    await clock.advance(15_000);
    owe('b');
    await eventually(() => expect(clock.waits()).toEqual([500]));
  });

  it('does not wait for a far side that never answers', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock, ['hang']);
    const { lane, owe } = createLaneHarness({ notifier, clock });

    owe('a');
    await eventually(() => expect(receiver.requests).toHaveLength(1));
    expect(clock.waits()).toEqual([30_000]);
    await clock.advance(30_000);
    await eventually(() => expect(lane.state().lastError).toBe('no answer within 30000 ms'));
    await clock.advance(500);
    await eventually(() => expect(messagesOf(receiver)).toEqual([['a']]));
  });

  it('counts for what the time was over, also when the notifier ends later or in its own words', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const { clock, lane, owe, ledger } = createLaneHarness({ notifier, lane: { attemptMs: 1_000 } });

    owe('a');
    await eventually(() => expect(attempts).toHaveLength(1));
    await clock.advance(1_000);
    expect(attempts[0]?.signal.aborted).toBe(true);
    expect(lane.state().lastError).toBe('no answer within 1000 ms');
    attempts[0]?.fail(new Error('AbortError, said late'));
    await clock.advance(500);
    expect(attempts).toHaveLength(2);
    attempts[1]?.accept();
    await eventually(() => expect(lane.state().owed).toBe(0));
    expect(ledger.deliveries.list('delivered', 10)).toMatchObject([{ attempts: 2, error: undefined }]);
  });
});

describe('what can never be delivered', () => {
  it('is set aside with its reason, and the lane goes on', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock, [{ status: 422, body: 'what is this' }]);
    const { lane, owe, ledger, logger, outcomes, troubles } = createLaneHarness({ notifier, clock, maxEvents: 1 });

    owe('a', 'b');
    await eventually(() => expect(messagesOf(receiver)).toEqual([['b']]));
    await eventually(() => expect(lane.state()).toEqual({ consumer: 'chat', owed: 0 }));
    expect(ledger.deliveries.list('parked', 10)).toMatchObject([
      { consumer: 'chat', events: 1, attempts: 1, error: 'HTTP 422: what is this' },
    ]);
    expect(outcomes).toEqual(['parked 1', 'delivered 1']);
    expect(logger.told()).toEqual(['error: an alert was refused for good and is set aside; see `cowbell outbox`']);
    expect(logger.records[0]?.fields).toEqual({ consumer: 'chat', events: 1, reason: 'HTTP 422: what is this' });
    expect(logger.text()).not.toContain(RECEIVER_TOKEN);
    expect(troubles).toEqual([{ kind: 'refused', reason: 'HTTP 422: what is this', events: 1 }]);

    ledger.deliveries.retryParked('chat');
    lane.wake();
    await eventually(() => expect(messagesOf(receiver)).toEqual([['b'], ['a']]));
  });

  it('does not hurry what follows: a refused message is a message', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const { clock, lane, owe } = createLaneHarness({ notifier, groupIntervalMs: 15_000 });

    owe('a');
    await eventually(() => expect(attempts).toHaveLength(1));
    owe('b');
    attempts[0]?.fail(new PermanentError('HTTP 400: invalid_blocks', { payload: true }));
    await eventually(() => expect(clock.waits()).toEqual([15_000]));
    expect(lane.state()).toMatchObject({ owed: 1, lastError: 'HTTP 400: invalid_blocks' });
    owe('c');
    await clock.advance(15_000);
    expect(attempts.map(({ events }) => events)).toEqual([['a'], ['b', 'c']]);
  });

  it('is sent once more without markup where the payload was refused', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const plain: string[] = [];
    const simple = { ...notifier, notifyPlainly: async ({ id }: { id: string }) => void plain.push(id) };
    const { lane, owe, logger, outcomes } = createLaneHarness({ notifier: simple });
    owe('a');
    await eventually(() => expect(attempts).toHaveLength(1));
    attempts[0]?.fail(new PermanentError('HTTP 400: invalid_blocks', { payload: true }));
    await eventually(() => expect(lane.state()).toEqual({ consumer: 'chat', owed: 0 }));
    expect(plain).toEqual([attempts[0]?.id]);
    expect(outcomes).toEqual(['delivered 1']);
    expect(logger.told()).toEqual(['warn: an alert was refused as it was, and sent without markup']);
  });

  it('is parked with its stack in the log where it is a bug', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const { lane, owe, ledger, logger } = createLaneHarness({ notifier, maxEvents: 1 });
    const bug = new TypeError('cannot read properties of undefined');

    owe('a', 'b');
    await eventually(() => expect(attempts).toHaveLength(1));
    attempts[0]?.fail(bug);
    await eventually(() => expect(attempts).toHaveLength(2));
    attempts[1]?.accept();
    await eventually(() => expect(lane.state().owed).toBe(0));
    expect(ledger.deliveries.list('parked', 10)).toMatchObject([{ error: `a bug: ${bug.message}` }]);
    expect(logger.told()).toEqual(['error: an alert could not be made and is set aside; this is a bug']);
    expect(logger.records[0]?.fields.err).toBe(bug);
  });

  it('is a bug too when the notifier throws before it returns a promise', async () => {
    const notifier = {
      notify() {
        throw new RangeError('thrown, not rejected');
      },
    };
    const { owe, ledger, outcomes } = createLaneHarness({ notifier });
    owe('a');
    await eventually(() => expect(outcomes).toEqual(['parked 1']));
    expect(ledger.deliveries.list('parked', 10)).toMatchObject([{ error: 'a bug: thrown, not rejected' }]);
  });
});

describe('a far side that takes nothing until a person acts', () => {
  const gone = { status: 404, body: 'no_service' };

  it('parks the lane with all it owes, is told to the others, and goes on when it is asked to', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock, [gone]);
    const { lane, owe, ledger, logger, troubles } = createLaneHarness({ notifier, clock });
    const since = clock.now();
    owe('a');
    await eventually(() =>
      expect(lane.state()).toMatchObject({ parked: true, down: true, lastError: 'HTTP 404: no_service' }),
    );
    owe('b', 'c');
    for (let step = 0; step < 20; step++) await clock.advance(5_000);
    expect(receiver.requests).toHaveLength(1);
    expect(lane.state()).toMatchObject({ owed: 3, parked: true });
    expect(ledger.deliveries.parkedLanes()).toEqual([{ consumer: 'chat', since, reason: 'HTTP 404: no_service' }]);
    expect(logger.told()).toEqual([
      'error: the notifier is refused and parked: see to it, then `cowbell outbox retry`',
    ]);
    expect(troubles).toEqual([{ kind: 'down', reason: 'HTTP 404: no_service', since }]);

    ledger.deliveries.retryParked('chat');
    await clock.advance(5_000);
    await eventually(() => expect(messagesOf(receiver)).toEqual([['a'], ['b', 'c']]));
    await eventually(() => expect(lane.state()).toEqual({ consumer: 'chat', owed: 0 }));
    expect(troubles.at(-1)).toEqual({ kind: 'up', reason: 'HTTP 404: no_service', since });
    expect(ledger.deliveries.parkedLanes()).toEqual([]);
  });

  it('is tried again after half an hour all the same', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock, [gone, gone]);
    const { lane, owe, troubles } = createLaneHarness({ notifier, clock });
    owe('a');
    for (const requests of [1, 2]) {
      await eventually(() => expect(receiver.requests).toHaveLength(requests));
      await eventually(() => expect(clock.waits()).toEqual([5_000]));
      for (let step = 0; step < 360; step++) await clock.advance(5_000);
    }
    await eventually(() => expect(lane.state()).toEqual({ consumer: 'chat', owed: 0 }));
    expect(troubles.map(({ kind }) => kind)).toEqual(['down', 'up']);
  });

  it('stops at once when cowbell does', async () => {
    const clock = createTestClock();
    const { notifier } = await startWebhook(clock, [gone]);
    const { lane, owe } = createLaneHarness({ notifier, clock });
    owe('a');
    await eventually(() => expect(lane.state()).toMatchObject({ parked: true }));
    await lane.stop(0);
    expect(lane.state()).toMatchObject({ owed: 1 });
  });
});

describe('a ledger that cannot be used', () => {
  function failing(outbox: Outbox, isFailing: (method: keyof Outbox) => boolean): Outbox {
    const guard = (method: keyof Outbox) => {
      if (isFailing(method)) throw new TransientError('the disk that holds the ledger is full');
    };
    return changedOutbox(outbox, {
      claim(...args) {
        guard('claim');
        return outbox.claim(...args);
      },
      delivered(...args) {
        guard('delivered');
        outbox.delivered(...args);
      },
      failed(...args) {
        guard('failed');
        outbox.failed(...args);
      },
      park(...args) {
        guard('park');
        outbox.park(...args);
      },
    });
  }

  it('makes nothing be sent twice that was accepted', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock);
    let isFull = true;
    const { lane, owe, logger } = createLaneHarness({
      notifier,
      clock,
      around: (outbox) => failing(outbox, (method) => isFull && method === 'delivered'),
    });

    owe('a');
    for (const waitMs of [500, 1_000, 2_000]) {
      await eventually(() => expect(clock.waits()).toEqual([waitMs]));
      await clock.advance(waitMs);
    }
    isFull = false;
    await clock.advance(4_000);
    expect(lane.state().owed).toBe(0);
    expect(messagesOf(receiver)).toEqual([['a']]);
    const told = ['error: the outbox cannot be used; trying again', 'info: the outbox works again'];
    expect(logger.told()).toEqual(told);

    isFull = true;
    owe('b');
    await eventually(() => expect(clock.waits()).toEqual([500]));
    isFull = false;
    await clock.advance(500);
    expect(lane.state().owed).toBe(0);
    expect(logger.told()).toEqual([...told, ...told]);
  });

  it('stops nothing for good', async () => {
    const clock = createTestClock();
    const { receiver, notifier } = await startWebhook(clock, [{ status: 500 }]);
    const broken = new Set<keyof Outbox>(['claim']);
    const { lane, owe } = createLaneHarness({
      notifier,
      clock,
      around: (outbox) => failing(outbox, (method) => broken.delete(method)),
    });

    owe('a');
    await eventually(() => expect(clock.waits()).toEqual([500]));
    expect(receiver.requests).toHaveLength(0);
    broken.add('failed');
    await clock.advance(500);
    await eventually(() => expect(clock.waits()).toEqual([1_000]));
    expect(receiver.requests).toHaveLength(1);
    await clock.advance(1_000);
    await eventually(() => expect(lane.state()).toEqual({ consumer: 'chat', owed: 0 }));
    expect(receiver.requests[1]?.deliveryId).toBe(receiver.requests[0]?.deliveryId);
  });
});

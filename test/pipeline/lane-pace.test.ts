import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import type { Delivery, Notifier } from '../../src/core/notifier.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { createComposer } from '../../src/notifiers/composer.ts';
import { slackNotifier } from '../../src/notifiers/slack.ts';
import { createDispatcher } from '../../src/pipeline/dispatcher.ts';
import { collectOutput } from '../notifiers/rig.ts';
import { bansTold } from '../support/chat-counts.ts';
import { eventually } from '../support/eventually.ts';
import { type Behaviour, startReceiver } from '../support/receivers.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';
import { changedOutbox, createHeldNotifier, createLaneHarness } from './lane-harness.ts';

const pace = { groupIntervalMs: 0, minIntervalMs: 1_000, maxEvents: 20_000 };

async function startSlack(clock: TestClock, behaviour: Behaviour = 'accept') {
  const receiver = await startReceiver({ kind: 'slack', behaviour });
  const http = createHttpClient({ userAgent: 'cowbell/test' });
  onTestFinished(async () => {
    await http.close();
    await receiver.stop();
  });
  const tools = { http, clock, stdout: collectOutput(), mailer: createSmtpMailer() };
  const notifier = slackNotifier.create(slackNotifier.options.parse({ url: receiver.url }), {
    ...tools,
    compose: createComposer({ timeZone: 'UTC' }),
  });
  return { receiver, notifier };
}

describe('the limit that a service documents', () => {
  it('counts requests that failed, too', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const { clock, owe } = createLaneHarness({ notifier, lane: { pace, random: () => 0.001 } });
    owe('a');
    for (let tries = 1; tries < 4; tries++) {
      await eventually(() => expect(attempts).toHaveLength(tries));
      attempts.at(-1)?.fail(new TransientError('HTTP 503'));
      await eventually(() => expect(clock.waits().length).toBe(1));
      await clock.advance(998);
      expect(attempts).toHaveLength(tries);
      await clock.advance(2);
    }
  });

  it('counts a payload that was refused: its plain text comes behind the pause, and once', async () => {
    const clock = createTestClock();
    let last = Number.NEGATIVE_INFINITY;
    // One request a second, whatever comes of it.
    const strict: Behaviour = ({ json }) => {
      if (clock.now() - last < 1_000) return { rateLimited: 1 };
      last = clock.now();
      return 'attachments' in (json as object) ? { status: 400, body: 'invalid_blocks' } : 'accept';
    };
    const { receiver, notifier } = await startSlack(clock, strict);
    const { lane, owe, outcomes, logger } = createLaneHarness({ notifier, clock, lane: { pace } });
    owe('a');
    await eventually(() => expect(receiver.requests).toHaveLength(1));
    await eventually(() => expect(clock.waits()).toEqual([1_000]));
    await clock.advance(1_000);
    await eventually(() => expect(lane.state()).toEqual({ consumer: 'chat', owed: 0 }));
    expect(receiver.requests.map(({ status }) => status)).toEqual([400, 200]);
    expect(outcomes).toEqual(['delivered 1']);
    expect(logger.told()).toEqual(['warn: an alert was refused as it was, and sent without markup']);
    await clock.advance(1_000);
    owe('b');
    await eventually(() => expect(receiver.requests.map(({ status }) => status)).toEqual([400, 200, 400]));
  });

  it('plain text that fails for now is tried again as plain text', async () => {
    const { notifier, attempts } = createHeldNotifier();
    const plain: string[] = [];
    const sendPlainly = async ({ id }: { id: string }) => {
      plain.push(id);
      if (plain.length < 3) throw new TransientError('HTTP 503');
    };
    const { clock, lane, owe } = createLaneHarness({ notifier: { ...notifier, notifyPlainly: sendPlainly } });
    owe('a');
    await eventually(() => expect(attempts).toHaveLength(1));
    attempts[0]?.fail(new PermanentError('HTTP 400', { payload: true }));
    for (const waitMs of [500, 1_000]) {
      await eventually(() => expect(clock.waits()).toEqual([waitMs]));
      await clock.advance(waitMs);
    }
    await eventually(() => expect(lane.state().owed).toBe(0));
    expect(plain).toEqual([attempts[0]?.id, attempts[0]?.id, attempts[0]?.id]);
    expect(attempts).toHaveLength(1);
  });

  it('that the far side tells is kept before it refuses, and what comes meanwhile goes along', async () => {
    const clock = createTestClock();
    const { notifier, attempts } = createHeldNotifier();
    let restUntil = 0;
    const limited: Notifier = { ...notifier, restUntil: () => restUntil };
    const { lane, owe } = createLaneHarness({ notifier: limited, clock, groupIntervalMs: 100 });
    owe('a');
    await eventually(() => expect(attempts).toHaveLength(1));
    restUntil = clock.now() + 42_000;
    attempts[0]?.accept();
    await eventually(() => expect(lane.state().owed).toBe(0));
    owe('b');
    await eventually(() => expect(clock.waits()).toEqual([42_000]));
    owe('c');
    await clock.advance(41_999);
    expect(attempts).toHaveLength(1);
    await clock.advance(1);
    await eventually(() => expect(attempts.at(-1)?.events).toEqual(['b', 'c']));
  });

  it('is kept across the exchange of a lane', async () => {
    const clock = createTestClock();
    const { notifier, attempts } = createHeldNotifier();
    const harness = createLaneHarness({ notifier, clock, groupIntervalMs: 15_000, lane: { onTrouble: () => {} } });
    harness.owe('a');
    await eventually(() => expect(attempts).toHaveLength(1));
    attempts[0]?.accept();
    await eventually(() => expect(harness.lane.state().owed).toBe(0));
    await clock.advance(5_000);
    const dispatcher = createDispatcher([harness.lane]);
    const replacement = createHeldNotifier();
    const { ledger } = harness;
    await dispatcher.update([
      {
        consumer: 'chat',
        version: 'new',
        create: (past) => {
          const next = createLaneHarness({
            notifier: replacement.notifier,
            clock,
            ledger,
            groupIntervalMs: 12_000,
            lane: { past },
          });
          next.owe('b');
          return next.lane;
        },
      },
    ]);
    await eventually(() => expect(clock.waits()).toEqual([7_000]));
  });
});

describe('ten thousand events', () => {
  it('are one message, and nobody waits for it to be made', async () => {
    const clock = createTestClock();
    const busy = { status: 503, headers: { 'retry-after': '10' } };
    const { receiver, notifier } = await startSlack(clock, [busy, busy]);
    /** What is done in one turn: events that are read, and slices that are taken. */
    const inTurn = { events: 0, slices: 0 };
    const most = { events: 0, slices: 0 };
    const count = (what: keyof typeof inTurn) => {
      most[what] = Math.max(most[what], ++inTurn[what]);
    };
    const watched = <T extends Delivery>(delivery: T | undefined): T | undefined => {
      count('slices');
      if (delivery === undefined) return undefined;
      const { events } = delivery;
      const counted = {
        *[Symbol.iterator]() {
          for (const event of events) {
            count('events');
            yield event;
          }
        },
      };
      return { ...delivery, events: counted };
    };
    const { lane, oweBans } = createLaneHarness({
      notifier,
      clock,
      rules: { mergesBacklog: true },
      lane: { pace },
      around: (outbox) =>
        changedOutbox(outbox, {
          claim: (...args) => watched(outbox.claim(...args)),
          extend: (...args) => watched(outbox.extend(...args)),
        }),
    });
    oweBans(10_000);
    let isOver = false;
    const turns = (async () => {
      while (!isOver) {
        await turn();
        Object.assign(inTurn, { events: 0, slices: 0 });
      }
    })();
    for (const attempts of [1, 2]) {
      await eventually(() => expect(clock.waits()).toEqual([10_000]), { timeoutMs: 60_000 });
      expect(receiver.requests).toHaveLength(attempts);
      if (attempts === 2) oweBans(500);
      await clock.advance(10_000);
    }
    await eventually(() => expect(lane.state().owed).toBe(0), { timeoutMs: 60_000 });
    isOver = true;
    await turns;
    expect(bansTold(receiver)).toBe(10_500);
    expect(receiver.accepted()).toHaveLength(1);
    expect(most.events).toBeGreaterThan(50);
    expect(most.events).toBeLessThanOrEqual(200);
    expect(most.slices).toBeLessThanOrEqual(2);
  }, 120_000);
});

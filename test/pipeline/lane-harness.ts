import { onTestFinished } from 'vitest';
import type { Notifier } from '../../src/core/notifier.ts';
import type { Outbox } from '../../src/core/outbox.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { webhookNotifier } from '../../src/notifiers/webhook.ts';
import { createLane, type Lane, type LaneOptions } from '../../src/pipeline/lane.ts';
import type { LaneRules } from '../../src/pipeline/lane-claims.ts';
import type { Trouble } from '../../src/pipeline/lane-trouble.ts';
import { type Behaviour, type Receiver, startReceiver } from '../support/receivers.ts';
import { createRecordingLogger, type RecordingLogger } from '../support/recording-logger.ts';
import { bansFrom, sampleEvent } from '../support/sample-bans.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';

export interface LaneHarness {
  lane: Lane;
  clock: TestClock;
  logger: RecordingLogger;
  ledger: ReturnType<typeof openLedger>;
  /** `delivered 3`, one for each attempt. */
  outcomes: string[];
  /** What the others were told of the lane. */
  troubles: Trouble[];
  /** Makes the consumer owed these events, and wakes the lane. */
  owe(...ids: string[]): void;
  /** The same, of events that are urgent. */
  oweUrgently(...ids: string[]): void;
  /** The same, of so many bans, each of another network. */
  oweBans(count: number): void;
}

export interface LaneHarnessOptions {
  notifier: Notifier;
  consumer?: string;
  clock?: TestClock;
  path?: string;
  /** That of another lane, which closes it. */
  ledger?: LaneHarness['ledger'];
  groupIntervalMs?: number;
  maxEvents?: number;
  rules?: LaneRules;
  lane?: Partial<LaneOptions>;
  /** Stands between the lane and the ledger. */
  around?: (outbox: Outbox) => Outbox;
}

/** A lane on a real ledger, at a clock that the test drives; chance always draws the middle. */
export function createLaneHarness(options: LaneHarnessOptions): LaneHarness {
  const {
    notifier,
    consumer = 'chat',
    clock = createTestClock(),
    path = ':memory:',
    around = (outbox) => outbox,
  } = options;
  const logger = createRecordingLogger();
  const ledger = options.ledger ?? openLedger(path, () => clock.now());
  const outcomes: string[] = [];
  const troubles: Trouble[] = [];
  const lane = createLane({
    consumer,
    notifier,
    pace: { groupIntervalMs: options.groupIntervalMs ?? 0, minIntervalMs: 0, maxEvents: options.maxEvents ?? 100 },
    rules: options.rules ?? {},
    outbox: around(ledger.deliveries),
    clock,
    logger,
    random: () => 0.5,
    onAttempt: (outcome, events) => outcomes.push(`${outcome} ${events}`),
    onTrouble: (trouble) => troubles.push(trouble),
    ...options.lane,
  });
  let banned = 0;
  const publish = (ids: string[], isUrgent: boolean) => {
    ledger.transaction(() => {
      for (const id of ids) ledger.deliveries.publish(sampleEvent(id, clock.now()), [{ name: consumer, isUrgent }]);
    });
    lane.wake();
  };
  onTestFinished(async () => {
    const stopped = lane.stop(0);
    await clock.advance(0);
    await stopped;
    if (options.ledger === undefined) ledger.close();
  });
  return {
    lane,
    clock,
    logger,
    ledger,
    outcomes,
    troubles,
    owe: (...ids) => publish(ids, false),
    oweUrgently: (...ids) => publish(ids, true),
    oweBans: (count) => {
      ledger.transaction(() => {
        for (const event of bansFrom(banned, count, clock.now()))
          ledger.deliveries.publish(event, [{ name: consumer }]);
      });
      banned += count;
      lane.wake();
    },
  };
}

/** The real webhook notifier, and a real receiver behind it. */
export async function startWebhook(
  clock: TestClock,
  behaviour: Behaviour = 'accept',
): Promise<{ receiver: Receiver; notifier: Notifier }> {
  const receiver = await startReceiver({ kind: 'webhook', behaviour });
  const http = createHttpClient({ userAgent: 'cowbell/test' });
  onTestFinished(async () => {
    await http.close();
    await receiver.stop();
  });
  const options = webhookNotifier.options.parse({ url: receiver.url });
  return {
    receiver,
    notifier: webhookNotifier.create(options, {
      http,
      clock,
      stdout: process.stdout,
      mailer: createSmtpMailer(),
      compose: composeMessage,
    }),
  };
}

/** Ids of the events of each request that was accepted, in order. */
export function messagesOf(receiver: Receiver): string[][] {
  return receiver.accepted().map(({ json }) => [json as { id: string }].flat().map(({ id }) => id));
}

/** A notifier whose attempts end when the test says so. */
export function createHeldNotifier(): {
  notifier: Notifier;
  attempts: { id: string; events: string[]; signal: AbortSignal; accept(): void; fail(error: unknown): void }[];
} {
  const attempts: ReturnType<typeof createHeldNotifier>['attempts'] = [];
  return {
    attempts,
    notifier: {
      notify(delivery, signal) {
        return new Promise((accept, fail) => {
          attempts.push({ id: delivery.id, events: Array.from(delivery.events, ({ id }) => id), signal, accept, fail });
        });
      },
    },
  };
}

/** An outbox with some of its methods changed. */
export function changedOutbox(outbox: Outbox, change: Partial<Outbox>): Outbox {
  return {
    claim: (...args) => outbox.claim(...args),
    extend: (...args) => outbox.extend(...args),
    release: (...args) => outbox.release(...args),
    holdsUnurgent: (...args) => outbox.holdsUnurgent(...args),
    delivered: (...args) => outbox.delivered(...args),
    failed: (...args) => outbox.failed(...args),
    park: (...args) => outbox.park(...args),
    skip: (...args) => outbox.skip(...args),
    expire: (...args) => outbox.expire(...args),
    owed: (...args) => outbox.owed(...args),
    oldestAt: (...args) => outbox.oldestAt(...args),
    parkLane: (...args) => outbox.parkLane(...args),
    isLaneParked: (...args) => outbox.isLaneParked(...args),
    resumeLane: (...args) => outbox.resumeLane(...args),
    ...change,
  };
}

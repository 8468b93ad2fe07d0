import { onTestFinished } from 'vitest';
import { Alerts, consumersOf } from '../../src/alerts.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { Recorder } from '../../src/pipeline/recorder.ts';
import { collectOutput } from '../notifiers/rig.ts';
import { createRecordingLogger } from '../support/recording-logger.ts';
import { bansFrom } from '../support/sample-bans.ts';
import { createTestClock } from '../support/test-clock.ts';

/** A configuration of these notifiers alone, as a file would give it. */
export function configOf(notifiers: readonly object[], rest: object = {}): Config {
  return parseConfig(JSON.stringify({ host: 'mail.example.org', notifiers, ...rest }), { env: {} });
}

/** All that stands between an event and whoever is told of it, on a real ledger, at a clock that the test drives. */
export async function createAlertsRig(config: Config, startAt?: number) {
  const clock = createTestClock(startAt);
  const logger = createRecordingLogger();
  const ledger = openLedger(':memory:', () => clock.now());
  const http = createHttpClient({ userAgent: 'cowbell/test' });
  const recorder: Recorder = new Recorder({
    ledger,
    clock,
    logger,
    settings: {
      host: config.host,
      retryWindowMs: 600_000,
      historyDays: 7,
      confirmWithinMs: 5_000,
      knownUsersMs: 86_400_000,
      rejectWindowMs: 3_600_000,
      rateLimitWindowMs: 600_000,
    },
    startedAt: clock.now(),
    originOf: undefined,
    consumers: consumersOf(config),
    watchers: [],
    isReady: () => true,
    onOwed: (consumers) => alerts.wake(consumers),
  });
  const tools = { http, mailer: createSmtpMailer(), clock, stdout: collectOutput() };
  const alerts: Alerts = new Alerts({ ledger, clock, logger, recorder, notifier: tools });
  await alerts.configure(config);
  onTestFinished(async () => {
    const stopped = alerts.stop(0);
    await clock.advance(0);
    await stopped;
    await http.close();
    ledger.close();
  });
  let banned = 0;
  return {
    clock,
    logger,
    ledger,
    recorder,
    alerts,
    /** So many bans begin, each of a network of its own. */
    ban(count: number) {
      for (const event of bansFrom(banned, count, clock.now())) recorder.announce(event);
      banned += count;
    },
    /** Until no lane has anything under way: each waits for its time, or for something to do. */
    isIdle: () => alerts.states().every(({ owed, nextAttemptAt }) => owed === 0 || nextAttemptAt !== undefined),
  };
}

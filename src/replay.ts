import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { consumersOf } from './alerts.ts';
import { recorderSettingsOf } from './app.ts';
import { buildNotifier, meantWatcher, paceOf, WATCHER_TYPES, watcherDefinition } from './assemble.ts';
import type { Config, WatcherConfig } from './config/schema.ts';
import type { Clock } from './core/clock.ts';
import { PermanentError } from './core/errors.ts';
import { Teardown } from './core/teardown.ts';
import type { LogSource, Watcher } from './core/watcher.ts';
import { openOrigins } from './enrich.ts';
import { createHttpClient } from './http/client.ts';
import { openLedger } from './ledger/ledger.ts';
import { createSmtpMailer } from './mail/smtp.ts';
import { createLogger } from './ops/logger.ts';
import { createDispatcher } from './pipeline/dispatcher.ts';
import { createLane } from './pipeline/lane.ts';
import { Recorder } from './pipeline/recorder.ts';
import { VERSION } from './version.ts';

/** Longest that the last alerts are waited for. */
const SETTLE_MS = 60_000;

export interface Recording {
  /** Type of the watcher that reads it, or the name of one that is configured. */
  watcher: string;
  source: LogSource;
}

export interface ReplayResult {
  lines: number;
  bans: number;
  /** Events that were accepted, by each notifier anew. */
  delivered: number;
  undelivered: number;
}

/**
 * Plays logs, one after another, through watchers, a ledger of its own in a temporary folder, lanes and notifiers.
 * Nothing in them counts as late, and no state is asked: what the log says is told.
 */
export async function playLog(
  config: Config,
  recordings: readonly Recording[],
  { clock, stdout, stderr }: { clock: Clock; stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream },
  signal: AbortSignal,
): Promise<ReplayResult> {
  const watchers = recordings.map(({ watcher, source }, index) => ({
    watcher: createWatcher(watcher, `${watcher}-${index}`, source, config.watchers ?? []),
    reads: () => true,
  }));
  const teardown = new Teardown();
  try {
    const folder = mkdtempSync(join(tmpdir(), 'cowbell-'));
    teardown.push('folder', () => rmSync(folder, { recursive: true, force: true }));
    const ledger = openLedger(join(folder, 'replay.db'), () => clock.now());
    ledger.knownUsers.setHashed(config.known_users.hash_names);
    teardown.push('ledger', () => ledger.close());
    const http = createHttpClient({ userAgent: `cowbell/${VERSION}` });
    teardown.push('http', () => http.close());
    const mailer = createSmtpMailer();
    const logger = await createLogger({ ...config.log, level: 'warn', stream: stderr });
    let delivered = 0;
    const lanes = config.notifiers.map((each) =>
      createLane({
        consumer: each.name,
        notifier: buildNotifier(each, config, { http, mailer, clock, stdout }),
        pace: paceOf(each),
        outbox: ledger.deliveries,
        clock,
        logger,
        onAttempt: (outcome, events) => {
          if (outcome === 'delivered') delivered += events;
        },
      }),
    );
    const dispatcher = createDispatcher(lanes);
    teardown.push('lanes', () => dispatcher.stop(1_000));
    const origins = await openOrigins(config, { clock, logger });
    teardown.push('origins', () => origins?.close());
    const recorder = new Recorder({
      ledger,
      clock,
      logger,
      settings: recorderSettingsOf(config),
      originOf: origins?.originOf,
      startedAt: 0,
      consumers: consumersOf(config),
      watchers,
      isReady: () => false,
      onOwed: (consumers) => dispatcher.wake(consumers),
    });
    let lines = 0;
    for (const { watcher } of watchers) {
      for await (const batch of watcher.watch(undefined, signal)) {
        lines += batch.read ?? 0;
        recorder.record(watcher, batch);
      }
    }
    recorder.finish();
    await waitUntilDelivered(() => lanes.some((lane) => lane.state().owed > 0), clock, signal);
    const undelivered = lanes.reduce((sum, lane) => sum + lane.state().owed, 0);
    return { lines, bans: ledger.deliveries.eventCounts().get('ban.started') ?? 0, delivered, undelivered };
  } finally {
    await teardown.run();
  }
}

function createWatcher(type: string, name: string, source: LogSource, configured: readonly WatcherConfig[]): Watcher {
  const { definition, options } = meantWatcher(type, configured);
  if (definition?.createFor === undefined) {
    const readers = WATCHER_TYPES.filter((each) => watcherDefinition(each)?.createFor !== undefined);
    throw new PermanentError(`there is no watcher "${type}" that reads a log; there are ${readers.join(', ')}`);
  }
  return definition.createFor(name, source, options);
}

async function waitUntilDelivered(isOwed: () => boolean, clock: Clock, signal: AbortSignal): Promise<void> {
  const deadline = clock.now() + SETTLE_MS;
  while (isOwed() && clock.now() < deadline && !signal.aborted) await clock.sleep(20, signal);
}

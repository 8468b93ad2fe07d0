import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import type { BanEvent } from '../../src/core/event.ts';
import type { Batch, Cursor, Watcher } from '../../src/core/watcher.ts';
import { openDatabase } from '../../src/ledger/database.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { SourceHealth } from '../../src/pipeline/source-health.ts';
import { type SuperviseOptions, superviseWatcher } from '../../src/pipeline/supervise.ts';
import { createRecordingLogger } from '../support/recording-logger.ts';
import { sampleEvent } from '../support/sample-bans.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTestClock } from '../support/test-clock.ts';

type Run = (from: Cursor | undefined, signal: AbortSignal) => AsyncIterable<Batch>;

const QUIET: Batch = { observations: [], read: 0 };

/** Supervises a watcher whose runs are the given ones in turn, the last of them again and again. */
function supervise(runs: readonly Run[], more: Partial<SuperviseOptions> = {}) {
  const clock = createTestClock();
  const logger = createRecordingLogger();
  const stop = new AbortController();
  const starts: (Cursor | undefined)[] = [];
  const recorded: Batch[] = [];
  const told: BanEvent[] = [];
  let cursor: Cursor | undefined;
  const watcher: Watcher = {
    name: 'netfilter',
    authority: 'log',
    watch(from, signal) {
      const run = runs[Math.min(starts.length, runs.length - 1)];
      starts.push(from);
      if (run === undefined) throw new Error('there is no run');
      return run(from, signal);
    },
  };
  const health = new SourceHealth({ host: 'mail', clock, down: [], announce: (event) => told.push(event) });
  const done = superviseWatcher(
    {
      watcher,
      clock,
      logger,
      health,
      graceMs: 30_000,
      random: () => 0.5,
      cursor: () => cursor,
      record(batch) {
        recorded.push(batch);
        cursor = batch.cursor ?? cursor;
      },
      ...more,
    },
    stop.signal,
  );
  onTestFinished(async () => {
    stop.abort();
    health.stop();
    await done;
  });
  return { clock, logger, stop, starts, recorded, told, health, done };
}

/** Waits that a supervisor chose, without the grace time of its source. */
function pauses(clock: { waits(): number[] }): number[] {
  return clock.waits().filter((ms) => ms !== 30_000);
}

function failWith(error: unknown, ...before: Batch[]): Run {
  return async function* () {
    yield* before;
    throw error;
  };
}

/** Yields, and stays until it is told to end, as a watcher does that throws its abort. */
function stay(...batches: Batch[]): Run {
  return async function* (_from, signal) {
    yield* batches;
    await new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  };
}

describe('a watcher that fails', () => {
  it('is started again with growing pauses', async () => {
    const { clock, starts, logger } = supervise([failWith(new TransientError('connection refused'))], { graceMs: 0 });
    for (const [index, waitMs] of [125, 250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000].entries()) {
      await clock.advance(0);
      expect(starts).toHaveLength(index + 1);
      expect(clock.waits()).toEqual([waitMs]);
      await clock.advance(waitMs);
    }
    expect(logger.told()).toEqual(['warn: a source cannot be read; trying again']);
    expect(logger.records[0]?.fields).toEqual({
      source: 'netfilter log',
      failures: 1,
      retry_in_ms: 125,
      reason: 'connection refused',
    });
  });

  it('goes on at the cursor that was recorded last', async () => {
    const { clock, starts, recorded, logger } = supervise([
      failWith(new TransientError('cut'), { ...QUIET, cursor: 'one' }, { ...QUIET, cursor: 'two' }, QUIET),
      stay(QUIET),
    ]);
    await clock.advance(125);
    expect(starts).toEqual([undefined, 'two']);
    expect(recorded).toHaveLength(4);
    expect(logger.told()).toEqual(['warn: a source cannot be read; trying again', 'info: a source is read again']);
    expect(logger.records.at(-1)?.fields).toEqual({ source: 'netfilter log', failures: 1, after_ms: 125 });
  });

  it('begins anew with short pauses after a minute of health, not sooner', async () => {
    const wellFor = (ms: number): Run =>
      async function* (_from, signal) {
        yield QUIET;
        await clock.sleep(ms, signal);
        throw new TransientError('cut');
      };
    const refused = failWith(new TransientError('refused'));
    const { clock } = supervise([refused, refused, refused, wellFor(59_999), wellFor(60_000), refused], {
      graceMs: 3_600_000,
    });
    const next = async () => {
      await clock.advance(0);
      return clock.waits()[0] ?? 0;
    };
    for (const waitMs of [125, 250, 500, 59_999, 1_000, 60_000, 125, 250]) {
      expect(await next()).toBe(waitMs);
      await clock.advance(waitMs);
    }
  });

  it('is not taken for healthy because it took long to fail', async () => {
    const slow: Run = async function* (_from, signal) {
      yield* [];
      await clock.sleep(130_000, signal);
      throw new TransientError('connect ETIMEDOUT');
    };
    const { clock, starts } = supervise([slow], { graceMs: 0 });
    for (const waitMs of [125, 250, 500, 1_000]) {
      await clock.advance(130_000);
      expect(clock.waits()).toEqual([waitMs]);
      await clock.advance(waitMs);
    }
    expect(starts).toHaveLength(5);
  });

  it('waits as long as it was asked to', async () => {
    const { clock } = supervise([failWith(new TransientError('HTTP 429', { retryAfterMs: 90_000 }))], { graceMs: 0 });
    await clock.advance(0);
    expect(clock.waits()).toEqual([90_000]);
  });

  it('is told to be down after the grace time, once, and up again with what was caught up', async () => {
    const refused = failWith(new TransientError('connection refused'));
    let isBack = false;
    const { clock, told } = supervise([
      (from, signal) => (isBack ? stay({ ...QUIET, read: 40 }, { ...QUIET, read: 2 }) : refused)(from, signal),
    ]);
    await clock.advance(29_999);
    expect(told).toEqual([]);
    await clock.advance(60_000);
    expect(told).toMatchObject([
      { type: 'source.down', source: { name: 'netfilter log', reason: 'connection refused' } },
    ]);
    isBack = true;
    await clock.advance(40_000);
    expect(told).toMatchObject([{ type: 'source.down' }, { type: 'source.up', source: { caught_up: 42 } }]);
  });

  it('is told to be down at once, and left alone for minutes, when it can never work', async () => {
    const { clock, told, starts, logger } = supervise([failWith(new PermanentError('wrong password')), stay(QUIET)]);
    await clock.advance(0);
    expect(told).toMatchObject([{ type: 'source.down', source: { reason: 'wrong password' } }]);
    expect(clock.waits()).toEqual([300_000]);
    await clock.advance(299_999);
    expect(starts).toHaveLength(1);
    await clock.advance(2_000);
    expect(told.map(({ type }) => type)).toEqual(['source.down', 'source.up']);
    expect(logger.told()).toEqual(['warn: a source cannot be read; trying again', 'info: a source is read again']);
  });

  it('is never started again when to try again would do harm', async () => {
    const { clock, told, starts, logger, done, health } = supervise([
      failWith(new PermanentError('the key is refused', { final: true })),
      stay(QUIET),
    ]);
    await done;
    expect(told).toMatchObject([
      {
        type: 'source.down',
        source: { reason: 'the key is refused; not tried again until cowbell is restarted' },
      },
    ]);
    await clock.advance(86_400_000);
    expect(starts).toHaveLength(1);
    expect(told).toHaveLength(1);
    expect(health.isReady('netfilter log')).toBe(false);
    expect(logger.told()).toEqual([
      'error: a source cannot be read, and is not tried again until cowbell is restarted',
    ]);
    expect(logger.records[0]?.fields).toEqual({ source: 'netfilter log', reason: 'the key is refused' });
  });

  it('has failed too when it just ends', async () => {
    const { clock, told } = supervise([async function* () {}]);
    await clock.advance(31_000);
    expect(told).toMatchObject([{ type: 'source.down', source: { reason: 'it ended by itself' } }]);
  });

  it('is logged with its stack where that is a bug, and watches again', async () => {
    const bug = new TypeError('x is not a function');
    const { clock, logger, starts } = supervise([
      () => {
        throw bug;
      },
      failWith(bug),
      stay(QUIET),
    ]);
    await clock.advance(125);
    await clock.advance(250);
    expect(starts).toHaveLength(3);
    expect(logger.told()).toEqual([
      'error: a watcher failed in an unexpected way; watching again',
      'info: a source is read again',
    ]);
    expect(logger.records[0]?.fields.err).toBe(bug);
  });
});

describe('what a watcher says of others', () => {
  it('is told at once, both ways', async () => {
    const deaf = { source: 'netfilter-itself', up: false, reason: 'nobody listens on F2B_CHANNEL' };
    const { told, clock, health } = supervise([
      stay({ ...QUIET, health: [deaf] }, { ...QUIET, health: [deaf] }, { ...QUIET, health: [{ ...deaf, up: true }] }),
    ]);
    await clock.advance(0);
    expect(told).toMatchObject([
      { type: 'source.down', source: { name: 'netfilter-itself', reason: 'nobody listens on F2B_CHANNEL' } },
      { type: 'source.up', source: { name: 'netfilter-itself' } },
    ]);
    expect(health.states().map(({ name, up }) => `${name} ${up}`)).toEqual([
      'netfilter log true',
      'netfilter-itself true',
    ]);
  });
});

describe('an end that was asked for', () => {
  it('is clean while watching, though the watcher throws its abort', async () => {
    const { clock, stop, done, logger, told } = supervise([stay(QUIET)]);
    await clock.advance(0);
    stop.abort();
    await done;
    await clock.advance(600_000);
    expect(logger.records).toEqual([]);
    expect(told).toEqual([]);
  });

  it('cuts a pause short', async () => {
    const { clock, stop, done, starts, health } = supervise([failWith(new PermanentError('wrong password'))]);
    await clock.advance(0);
    stop.abort();
    await done;
    health.stop();
    expect(starts).toHaveLength(1);
    expect(clock.waits()).toEqual([]);
  });

  it('takes effect behind the batch that is being recorded', async () => {
    const { clock, stop, done, recorded } = supervise([
      async function* (_from, signal) {
        yield QUIET;
        await clock.sleep(1_000, signal);
        yield { ...QUIET, cursor: 'last' };
        yield { ...QUIET, cursor: 'never' };
      },
    ]);
    await clock.advance(0);
    stop.abort();
    await done;
    expect(recorded.map(({ cursor }) => cursor)).toEqual([undefined, 'last']);
  });
});

describe('a ledger that cannot be written', () => {
  /** A ledger on a disk that is full: the file may not grow. */
  function createFullLedger() {
    const db = openDatabase(join(tempDir(), 'cowbell.db'));
    const ledger = new Ledger(db, () => 0);
    onTestFinished(() => ledger.close());
    const pages = Number(db.get<{ page_count: number }>('PRAGMA page_count')?.page_count);
    db.get(`PRAGMA max_page_count = ${pages}`);
    return { ledger, makeRoom: () => db.get('PRAGMA max_page_count = 1000000') };
  }

  it('stops the reading, is told, and costs nothing of what was read', async () => {
    const { ledger, makeRoom } = createFullLedger();
    const lines = Array.from({ length: 300 }, (_, index) => String(index + 1));
    let open = 0;
    const readFrom: Run = async function* (from, signal) {
      open++;
      try {
        for (const line of lines.slice(Number(from ?? 0))) yield { ...QUIET, read: 1, cursor: line };
        await clock.sleep(Number.POSITIVE_INFINITY, signal);
      } finally {
        // What ends by the signal alone must not hold up the supervisor.
        await clock.sleep(Number.POSITIVE_INFINITY, signal);
        open--;
      }
    };
    const { clock, told, logger, starts, health } = supervise([readFrom], {
      cursor: () => ledger.cursor('netfilter'),
      record({ cursor = '' }) {
        ledger.transaction(() => {
          ledger.deliveries.publish(sampleEvent(`e${cursor}`.padEnd(2_000, '.')), [{ name: 'chat' }]);
          ledger.saveCursor('netfilter', cursor);
        });
      },
    });
    await clock.advance(0);
    const reached = Number(ledger.cursor('netfilter') ?? 0);
    expect(reached).toBeLessThan(300);
    expect(open).toBe(0);
    expect(pauses(clock)).toEqual([125]);
    await clock.advance(60_000);
    expect(ledger.cursor('netfilter') ?? '0').toBe(String(reached));
    const reason = 'the ledger cannot be written: the disk that holds the ledger is full: database or disk is full';
    expect(told).toMatchObject([{ type: 'source.down', source: { reason } }]);
    expect(logger.told()).toEqual(['error: what was read cannot be recorded; trying again']);

    makeRoom();
    await clock.advance(32_000);
    expect(new Set(starts.slice(1))).toEqual(new Set([reached === 0 ? undefined : String(reached)]));
    expect(ledger.cursor('netfilter')).toBe('300');
    expect(ledger.deliveries.owed('chat')).toBe(300);
    expect(told).toMatchObject([{ type: 'source.down' }, { type: 'source.up', source: { caught_up: 300 - reached } }]);
    expect(health.isReady('netfilter log')).toBe(true);
    expect(logger.told().at(-1)).toBe('info: a source is read again');
  });

  it('is a failure of the source also where the cursor cannot be read', async () => {
    let isBroken = true;
    const { clock, starts, logger } = supervise([stay(QUIET)], {
      cursor() {
        if (isBroken) throw new Error('database disk image is malformed');
        return 'seven';
      },
    });
    await clock.advance(0);
    expect(starts).toEqual([]);
    expect(logger.records[0]).toMatchObject({
      level: 'error',
      fields: { reason: 'the ledger cannot be read: database disk image is malformed' },
    });
    isBroken = false;
    await clock.advance(125);
    expect(starts).toEqual(['seven']);
  });
});

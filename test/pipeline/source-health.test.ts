import { describe, expect, it } from 'vitest';
import { BanEvent } from '../../src/core/event.ts';
import { SourceHealth, type SourceHealthOptions } from '../../src/pipeline/source-health.ts';
import { createTestClock } from '../support/test-clock.ts';

const T0 = 1_795_430_000_000;
const GRACE_MS = 30_000;

function createHealth(down: SourceHealthOptions['down'] = []) {
  const clock = createTestClock(T0);
  const told: string[] = [];
  const events: BanEvent[] = [];
  const errors: unknown[] = [];
  let trouble: Error | undefined;
  const health = new SourceHealth({
    host: 'mail.example.org',
    clock,
    down,
    announce(event) {
      if (trouble !== undefined) throw trouble;
      events.push(BanEvent.parse(event));
      const caughtUp = event.type === 'source.up' ? ` +${event.source.caught_up ?? 0}` : '';
      told.push(`${(clock.now() - T0) / 1_000} s: ${event.type} ${event.source.name}${caughtUp}`);
    },
    onError: (error) => errors.push(error),
  });
  return {
    clock,
    health,
    told,
    events,
    errors,
    breakLedger(error: Error | undefined) {
      trouble = error;
    },
  };
}

describe('a source that fails', () => {
  it('is told to be down once, after its grace time, with when it was last well', async () => {
    const { health, clock, told, events } = createHealth();
    health.healthy('redis', 0);
    await clock.advance(5_000);
    health.failing('redis', 'connection refused', GRACE_MS);
    await clock.advance(10_000);
    health.failing('redis', 'no route\nto host', GRACE_MS);
    expect(health.isReady('redis')).toBe(false);
    expect(health.states()).toEqual([
      { name: 'redis', state: 'failing', up: true, since: T0 + 5_000, reason: 'no route to host' },
    ]);
    await clock.advance(19_999);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toEqual(['35 s: source.down redis']);
    health.failing('redis', 'connection refused', GRACE_MS);
    await clock.advance(600_000);
    expect(told).toHaveLength(1);
    expect(events).toMatchObject([
      {
        host: 'mail.example.org',
        at: new Date(T0 + 35_000).toISOString(),
        source: { name: 'redis', reason: 'no route to host', since: new Date(T0 + 5_000).toISOString() },
      },
    ]);
    expect(health.states()).toEqual([
      { name: 'redis', state: 'down', up: false, since: T0 + 5_000, reason: 'connection refused' },
    ]);
    expect(clock.waits()).toEqual([]);
  });

  it('is told nothing of when it is back within its grace time, however often', async () => {
    const { health, clock, told } = createHealth();
    for (let flap = 0; flap < 50; flap++) {
      health.failing('redis', 'connection reset', GRACE_MS);
      await clock.advance(GRACE_MS - 1);
      health.healthy('redis', 0);
      await clock.advance(1);
    }
    await clock.advance(600_000);
    expect(told).toEqual([]);
    expect(clock.waits()).toEqual([]);
  });

  it('is told at once where waiting changes nothing', async () => {
    const { health, clock, told } = createHealth();
    health.failing('netfilter', 'it is deaf', 0);
    expect(told).toEqual(['0 s: source.down netfilter']);
    health.failing('redis', 'connection refused', GRACE_MS);
    await clock.advance(1_000);
    health.failing('redis', 'wrong password', 0);
    expect(told).toEqual(['0 s: source.down netfilter', '1 s: source.down redis']);
    await clock.advance(GRACE_MS);
    expect(told).toHaveLength(2);
  });

  it('does not hold back another', async () => {
    const { health, clock, told } = createHealth();
    health.failing('redis', 'connection refused', GRACE_MS);
    await clock.advance(10_000);
    health.failing('netfilter', 'no container', GRACE_MS);
    health.healthy('fail2ban', 0);
    await clock.advance(GRACE_MS);
    expect(told).toEqual(['30 s: source.down redis', '40 s: source.down netfilter']);
    expect(health.states().map(({ name, up }) => `${name} ${up}`)).toEqual([
      'redis false',
      'netfilter false',
      'fail2ban true',
    ]);
  });
});

describe('a source that is back', () => {
  async function downSince(seconds: number) {
    const harness = createHealth();
    harness.health.healthy('netfilter', 0);
    harness.health.failing('netfilter', 'no container', GRACE_MS);
    await harness.clock.advance(seconds * 1_000);
    expect(harness.told).toEqual(['30 s: source.down netfilter']);
    harness.told.length = 0;
    return harness;
  }

  it('is told to be up once it has caught up, with how much that was', async () => {
    const { health, clock, told, events } = await downSince(100);
    health.healthy('netfilter', 0);
    expect(health.isReady('netfilter')).toBe(true);
    expect(health.states()).toEqual([{ name: 'netfilter', state: 'back', up: true, since: T0 + 100_000 }]);
    health.healthy('netfilter', 400);
    await clock.advance(900);
    health.healthy('netfilter', 23);
    await clock.advance(1_000);
    health.healthy('netfilter', 5);
    await clock.advance(1_099);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toEqual(['103 s: source.up netfilter +428']);
    expect(events.at(-1)).toMatchObject({
      source: { reason: 'no container', since: new Date(T0).toISOString(), caught_up: 428 },
    });
    health.healthy('netfilter', 7);
    await clock.advance(60_000);
    expect(told).toHaveLength(1);
    expect(health.states()).toEqual([{ name: 'netfilter', state: 'up', up: true, since: T0 + 100_000 }]);
  });

  it('is told of within ten seconds, though it is never quiet', async () => {
    const { health, clock, told } = await downSince(100);
    for (let tenth = 0; tenth < 200; tenth++) {
      health.healthy('netfilter', 1);
      await clock.advance(100);
    }
    expect(told).toEqual(['110 s: source.up netfilter +100']);
  });

  it('is told to be up at once where there is nothing to catch up on', async () => {
    const { health, clock, told } = await downSince(100);
    health.healthy('netfilter');
    expect(told).toEqual(['100 s: source.up netfilter +0']);
    expect(clock.waits()).toEqual([]);
  });

  it('is not told of when it fails again before that', async () => {
    const { health, clock, told } = await downSince(100);
    health.healthy('netfilter', 9);
    await clock.advance(500);
    health.failing('netfilter', 'no container', GRACE_MS);
    await clock.advance(100_000);
    expect(told).toEqual([]);
    expect(health.states()).toEqual([
      { name: 'netfilter', state: 'down', up: false, since: T0, reason: 'no container' },
    ]);
    health.healthy('netfilter', 2);
    await clock.advance(2_000);
    expect(told).toEqual(['201.5 s: source.up netfilter +2']);
  });

  it('may go down again', async () => {
    const { health, clock, told } = await downSince(100);
    health.healthy('netfilter', 0);
    await clock.advance(5_000);
    health.failing('netfilter', 'no container', GRACE_MS);
    await clock.advance(GRACE_MS);
    expect(told).toEqual(['101 s: source.up netfilter +0', '135 s: source.down netfilter']);
  });
});

describe('across a restart', () => {
  const down = [{ name: 'redis', since: T0 - 900_000, reason: 'connection refused' }];

  it('what was told is not told again, and its end is', async () => {
    const { health, clock, told, events } = createHealth(down);
    expect(health.states()).toEqual([
      { name: 'redis', state: 'down', up: false, since: T0 - 900_000, reason: 'connection refused' },
    ]);
    health.failing('redis', 'connection refused', GRACE_MS);
    await clock.advance(600_000);
    expect(told).toEqual([]);
    health.healthy('redis', 12);
    await clock.advance(2_000);
    expect(told).toEqual(['601 s: source.up redis +12']);
    expect(events[0]).toMatchObject({ source: { since: new Date(T0 - 900_000).toISOString() } });
  });

  it('a stop tells what is known, and leaves no wait', async () => {
    const { health, clock, told } = createHealth(down);
    health.healthy('redis', 12);
    health.failing('netfilter', 'no container', GRACE_MS);
    health.stop();
    expect(told).toEqual(['0 s: source.up redis +12']);
    expect(clock.waits()).toEqual([]);
    await clock.advance(600_000);
    expect(told).toHaveLength(1);
  });
});

describe('an event that cannot be recorded', () => {
  const full = new Error('the disk that holds the ledger is full');

  it('is told as soon as it can be', async () => {
    const { health, clock, told, errors, breakLedger } = createHealth();
    breakLedger(full);
    health.failing('redis', 'connection refused', GRACE_MS);
    await clock.advance(GRACE_MS - 1);
    expect(health.states()).toMatchObject([{ state: 'failing', up: true }]);
    await clock.advance(12_001);
    expect(errors).toEqual([full, full, full]);
    // Nobody could be told; whoever asks is.
    expect(health.states()).toMatchObject([{ state: 'failing', up: false, reason: 'connection refused' }]);
    breakLedger(undefined);
    await clock.advance(3_000);
    expect(told).toEqual(['45 s: source.down redis']);

    breakLedger(full);
    health.healthy('redis');
    expect(health.isReady('redis')).toBe(true);
    health.healthy('redis', 3);
    breakLedger(undefined);
    await clock.advance(5_000);
    expect(told).toEqual(['45 s: source.down redis', '50 s: source.up redis +3']);
  });

  it('is not told when it is over by then', async () => {
    const { health, clock, told, breakLedger } = createHealth();
    breakLedger(full);
    health.failing('redis', 'connection refused', 0);
    expect(health.states()).toMatchObject([{ up: false }]);
    health.healthy('redis', 0);
    expect(health.states()).toMatchObject([{ state: 'up', up: true }]);
    breakLedger(undefined);
    await clock.advance(60_000);
    expect(told).toEqual([]);
  });
});

it('a source that is never read is not well once its grace is over, though it does not fail', async () => {
  const { health, clock, told } = createHealth();
  health.expect('redis', GRACE_MS);
  await clock.advance(GRACE_MS);
  expect(health.states()).toEqual([{ name: 'redis', state: 'starting', up: true, since: T0 }]);
  await clock.advance(1);
  expect(health.states()).toMatchObject([{ state: 'starting', up: false, reason: 'nothing was read of it yet' }]);
  health.healthy('redis', 0);
  expect(health.states()).toMatchObject([{ state: 'up', up: true }]);
  expect(told).toEqual([]);
});

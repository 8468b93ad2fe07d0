import { describe, expect, it } from 'vitest';
import { TransientError } from '../../src/core/errors.ts';
import type { StandingBan, Unbanner } from '../../src/core/unbanner.ts';
import { isKnownBan, type Lift, type LiftOutcome, liftAndVerify } from '../../src/reputation/lift.ts';
import { net } from '../support/recorder-harness.ts';
import { createTestClock } from '../support/test-clock.ts';

const NETWORK = net('185.36.81.23/32');
const END = 1_795_431_800_000;

/** A server with one ban, which it lifts at its next tick, and a lift of it. */
function lifting({ until = END, sentAt, tickMs = 10_000 }: { until?: number; sentAt?: number; tickMs?: number } = {}) {
  const clock = createTestClock();
  const stop = new AbortController();
  const server = {
    ban: { until: END } as StandingBan | undefined,
    orders: 0,
    /** What the next orders come to. */
    refuse: [] as Error[],
    noted: [] as (number | undefined)[],
    /** Called with each look, before it is answered. */
    onLook: (_looks: number) => {},
  };
  let looks = 0;
  let orderedAt: number | undefined;
  const passed = { ms: 0 };
  const unbanner: Pick<Unbanner, 'name' | 'takesMs' | 'look' | 'lift'> = {
    name: 'redis',
    takesMs: 12_000,
    async look() {
      server.onLook(++looks);
      if (orderedAt !== undefined && passed.ms - orderedAt >= tickMs) server.ban = undefined;
      return server.ban;
    },
    async lift() {
      const error = server.refuse.shift();
      if (error !== undefined) throw error;
      if (server.ban === undefined) return false;
      server.orders++;
      orderedAt ??= passed.ms;
      return true;
    },
  };
  const lift: Lift = {
    decision: { jail: 'netfilter', network: NETWORK, sentAt },
    until,
    unbanner: unbanner as Unbanner,
    clock,
    onOrder: (at) => server.noted.push(at),
    signal: stop.signal,
  };
  const run = async (forMs = 120_000): Promise<LiftOutcome | undefined> => {
    let outcome: LiftOutcome | undefined;
    const done = liftAndVerify(lift).then((result) => {
      outcome = result;
    });
    for (; passed.ms < forMs && outcome === undefined; passed.ms += 500) await clock.advance(500);
    stop.abort();
    await done;
    return outcome;
  };
  return { server, clock, run, passed };
}

describe('a lift', () => {
  it('is noted down before it is ordered, and over once the ban is seen to be gone', async () => {
    const { server, clock, run, passed } = lifting();
    expect(await run()).toEqual({ kind: 'lifted' });
    expect(server).toMatchObject({ orders: 1, noted: [clock.now() - passed.ms] });
    expect(passed.ms).toBeGreaterThanOrEqual(10_000);
    expect(passed.ms).toBeLessThan(12_000);
  });

  it('has failed where the ban stands after all the time that it may take', async () => {
    const { run, passed } = lifting({ tickMs: 60_000 });
    expect(await run()).toEqual({
      kind: 'failed',
      reason: 'the ban still stands 15 s after redis was asked to lift it',
    });
    expect(passed.ms).toBeLessThan(18_000);
  });

  it.each([3_600_000, -3_600_000])('waits as long when the clock is set by %i ms meanwhile', async (jump) => {
    const { server, clock, run } = lifting();
    server.onLook = (looks) => {
      if (looks === 3) clock.jump(jump);
    };
    expect(await run()).toEqual({ kind: 'lifted' });
  });

  it('that cannot be verified ends, though the clock was set back meanwhile', async () => {
    const { server, clock, run, passed } = lifting({ tickMs: 600_000 });
    server.onLook = (looks) => {
      if (looks === 3) clock.jump(-3_600_000);
    };
    expect(await run()).toMatchObject({ kind: 'failed' });
    expect(passed.ms).toBeLessThan(20_000);
  });

  it('that could not be ordered is not noted down as one that was, and is tried again', async () => {
    const { server, run } = lifting();
    const refusal = new TransientError('Redis does not permit it', { refusal: true });
    server.refuse.push(refusal, refusal);
    expect(await run()).toEqual({ kind: 'lifted' });
    expect(server.noted.map((at) => at === undefined)).toEqual([false, true, false, true, false]);
    expect(server.orders).toBe(1);
  });

  it('whose order may have arrived, though the answer was lost, is one', async () => {
    const { server, run } = lifting();
    server.onLook = (looks) => {
      if (looks === 2) server.ban = undefined;
    };
    server.refuse.push(new TransientError('no answer within 20000 ms'));
    expect(await run()).toEqual({ kind: 'lifted' });
    expect(server.noted).toEqual([expect.any(Number)]);
  });

  it('of a ban that is gone before it was ordered is none; after a crash that may have come in between it is one', async () => {
    for (const [sentAt, kind] of [
      [undefined, 'over'],
      [1, 'lifted'],
    ] as const) {
      const { server, run } = lifting(sentAt === undefined ? {} : { sentAt });
      server.ban = undefined;
      expect(await run()).toEqual({ kind });
      expect(server.orders).toBe(0);
    }
  });

  it('is ordered once more after a crash: nobody knows whether it was', async () => {
    const { server, clock, run } = lifting({ sentAt: createTestClock().now() });
    expect(clock.now()).toBe(createTestClock().now());
    expect(await run()).toEqual({ kind: 'lifted' });
    expect(server.orders).toBe(1);
  });
});

describe('a ban that ends at another time', () => {
  it('is never ordered to be lifted', async () => {
    for (const sentAt of [undefined, 1]) {
      const { server, run } = lifting({ until: END - 60_000, ...(sentAt !== undefined && { sentAt }) });
      expect(await run()).toMatchObject({ kind: 'failed', reason: expect.stringContaining('ends at another time') });
      expect([server.orders, server.noted]).toEqual([0, []]);
    }
  });

  it('proves no lift while it stands, and does not hold one up that works', async () => {
    const extended = lifting();
    // It failed on: netfilter moves the end, and lifts it all the same.
    extended.server.onLook = (looks) => {
      if (looks === 3) extended.server.ban = { until: END + 20_000 };
    };
    expect(await extended.run()).toEqual({ kind: 'lifted' });
    expect(extended.passed.ms).toBeGreaterThanOrEqual(10_000);

    const renewed = lifting({ tickMs: 600_000 });
    renewed.server.onLook = (looks) => {
      if (looks === 3) renewed.server.ban = { until: END + 3_600_000 };
    };
    expect(await renewed.run()).toEqual({
      kind: 'failed',
      reason:
        '15 s after redis was asked to lift it: a ban that ends at another time stands, as it went on failing, or was banned anew',
    });
  });

  it('is the one of the ledger as far as that can be known', () => {
    const is = (liveMs: number | undefined, until: number | undefined, confirmed: boolean) =>
      isKnownBan({ until: liveMs === undefined ? undefined : END + liveMs }, { until, confirmed });
    expect([is(4_000, END, true), is(6_000, END, true), is(-60_000, END, true)]).toEqual([true, false, false]);
    // A log line says "166 minutes" of 10,000 seconds.
    expect([is(40_000, END, false), is(120_000, END, false)]).toEqual([true, false]);
    expect([is(undefined, END, true), is(0, undefined, true)]).toEqual([true, true]);
  });
});

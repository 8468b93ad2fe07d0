import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import type { Unbanner } from '../../src/core/unbanner.ts';
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts';
import { Allowances } from '../../src/reputation/allowances.ts';
import { createFollowUp } from '../../src/reputation/follow-up.ts';
import { net } from '../support/recorder-harness.ts';
import { createRecordingLogger } from '../support/recording-logger.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';

const HOUR_MS = 3_600_000;
const PHONE = net('185.36.81.23/32');
const never = new AbortController().signal;

let clock: TestClock;
let ledger: Ledger;
beforeEach(() => {
  clock = createTestClock();
  ledger = openLedger(':memory:', () => clock.now());
});
afterEach(() => ledger.close());

/** An allowlist that refuses as often as it is told to, and what comes after a lift. */
function setUp({ failures = [] as Error[], listed = [] as string[] } = {}) {
  const list = new Set<string>(listed);
  const unbanner = {
    name: 'redis',
    async allow(_jail, network, _signal, onAbsent) {
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      if (list.has(network)) return false;
      onAbsent?.();
      list.add(network);
      return true;
    },
  } as Pick<Unbanner, 'name' | 'allow'> as Unbanner;
  const logger = createRecordingLogger();
  const allowances = new Allowances({ ledger, clock, logger, required: () => unbanner });
  const follow = createFollowUp({ ledger, clock, logger, allowances });
  const decision = { jail: 'netfilter', network: PHONE, banId: 'b1', allowMs: HOUR_MS } as Parameters<typeof follow>[0];
  const run = async (change: Partial<typeof decision> = {}) => {
    const done = follow({ ...decision, ...change }, never);
    await clock.advance(60_000);
    await done;
  };
  return { list, logger, run };
}

const trail = () => ledger.audit.of('b1').map(({ by, action }) => `${by} ${action}`);

describe('after a lift', () => {
  it('the network is on the allowlist for as long as was decided, once', async () => {
    const { list, run } = setUp();
    const until = clock.now() + HOUR_MS;
    await run();
    expect([...list]).toEqual([PHONE]);
    expect(ledger.allowances.standing()).toEqual([{ jail: 'netfilter', network: PHONE, until, by: 'policy' }]);
    await run();
    expect(trail()).toEqual(['policy allow']);
    expect(ledger.allowances.standing()).toMatchObject([{ until }]);
  });

  it('it is there once though it was cut off before it was written down', async () => {
    const { run } = setUp({ listed: [PHONE] });
    ledger.allowances.add({ jail: 'netfilter', network: PHONE, until: clock.now() + 1_000, by: 'policy' });
    const until = clock.now() + HOUR_MS;
    await run();
    expect(trail()).toEqual(['policy allow']);
    expect(ledger.allowances.standing()).toMatchObject([{ until }]);
  });

  it('nothing is put there where that was not decided, or a person has, for longer or for good', async () => {
    const { list, run } = setUp();
    await run({ allowMs: 0 });
    const longer = { jail: 'netfilter', network: PHONE, until: clock.now() + 9 * HOUR_MS, by: 'person' as const };
    ledger.allowances.add(longer);
    await run();
    expect(ledger.allowances.standing()).toEqual([longer]);
    expect([...list]).toEqual([]);
    ledger.allowances.remove(longer);
    await setUp({ listed: [PHONE] }).run();
    expect([ledger.allowances.standing(), trail()]).toEqual([[], []]);
  });

  it('it is tried again, and what cannot be done is written down', async () => {
    const busy = setUp({ failures: [new TransientError('x'), new TransientError('x')] });
    await busy.run();
    expect([...busy.list]).toEqual([PHONE]);
    for (const failures of [Array(50).fill(new TransientError('gone')), [new PermanentError('gone')]]) {
      const { logger, run } = setUp({ failures });
      await run({ banId: 'b2', network: net('192.0.2.7/32') });
      expect(ledger.audit.of('b2').at(-1)).toMatchObject({ action: 'not-allowed', details: { reason: 'gone' } });
      expect(logger.told()).toEqual(['warn: a network whose ban was lifted could not be put on the allowlist']);
    }
  });
});

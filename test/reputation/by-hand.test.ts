import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import type { Network } from '../../src/core/network.ts';
import type { ListingUnbanner } from '../../src/core/unbanner.ts';
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts';
import { findBans, liftByHand } from '../../src/reputation/by-hand.ts';
import { net } from '../support/recorder-harness.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';

const PHONE = net('185.36.81.23/32');

let clock: TestClock;
let ledger: Ledger;
let banId: string;
beforeEach(() => {
  clock = createTestClock();
  ledger = openLedger(':memory:', () => clock.now());
  const at = clock.now();
  banId = ledger.bans.add({ jail: 'netfilter', network: PHONE, state: 'open', startedAt: at, seenAt: at }).id;
});
afterEach(() => ledger.close());

/** A server that has these bans, and does as it is told unless it is told otherwise. */
function server(bans: [jail: string, network: string][], overrides: Partial<ListingUnbanner> = {}) {
  let standing = bans.map(([jail, network]) => ({ jail, network: net(network) }));
  const has = (jail: string, network: Network) => standing.some((ban) => ban.jail === jail && ban.network === network);
  const refuse = (): never => {
    throw new Error('not asked for here');
  };
  const unbanner: ListingUnbanner = {
    name: 'redis',
    takesMs: 12_000,
    covers: (jail) => bans.some((ban) => ban[0] === jail),
    look: async (jail, network) => (has(jail, network) ? { until: undefined } : undefined),
    lift: async (jail, network) => {
      const had = has(jail, network);
      standing = standing.filter((ban) => ban.jail !== jail || ban.network !== network);
      return had;
    },
    standing: async () => standing,
    allow: refuse,
    disallow: refuse,
    deny: refuse,
    ...overrides,
  };
  return unbanner;
}

/** Lifts the ban of the phone; time passes until that is over. */
async function lift(unbanner: ListingUnbanner, signal = new AbortController().signal) {
  const done = liftByHand({ jail: 'netfilter', network: PHONE, unbanner }, { ledger, clock }, signal);
  await clock.advance(120_000);
  return await done;
}

const trail = () =>
  ledger.audit
    .list({ limit: 10 })
    .map(({ action, banId: ban, details }) => [action, ban === banId, details])
    .reverse();

describe('a lift by hand', () => {
  it('is written down before it is done, and when it is done', async () => {
    let before: unknown;
    const unbanner = server([['netfilter', PHONE]]);
    const outcome = await lift({
      ...unbanner,
      lift: (...args) => {
        before = [ledger.decisions.of(banId)?.state, ledger.decisions.isLifted(banId), trail()];
        return unbanner.lift(...args);
      },
    });
    expect(before).toEqual(['lifting', true, [['lift', true, { means: 'redis' }]]]);
    expect(outcome).toEqual({ kind: 'lifted' });
    expect(ledger.decisions.of(banId)).toMatchObject({ state: 'lifted', by: 'person' });
    expect(trail().at(-1)).toEqual(['lifted', true, { means: 'redis' }]);
  });

  it('counts whatever the policy decided before, and is looked back at by the policy', async () => {
    const ban = { id: banId, jail: 'netfilter', network: PHONE };
    ledger.decisions.expect(ban, clock.now());
    ledger.decisions.move(banId, 'due', 'kept', clock.now());
    await lift(server([['netfilter', PHONE]]));
    expect(ledger.decisions.of(banId)).toMatchObject({ state: 'lifted', by: 'person' });
    expect(ledger.decisions.liftsOf(PHONE, 0, false)).toMatchObject([{ network: PHONE }]);
    expect(ledger.audit.liftsSince(0, true)).toBe(0);
  });

  it('of a ban that is over by then is nobody’s doing', async () => {
    expect(await lift(server([['netfilter', '192.0.2.1/32']]))).toEqual({ kind: 'over' });
    expect(ledger.decisions.isLifted(banId)).toBe(false);
  });

  it('has failed where the ban stays, and where the server does not answer for long', async () => {
    expect(await lift(server([['netfilter', PHONE]], { lift: async () => true }))).toEqual({
      kind: 'failed',
      reason: 'the ban still stands 15 s after redis was asked to lift it',
    });
    let asked = 0;
    const look = async () => {
      asked++;
      throw new TransientError('gone');
    };
    expect(await lift(server([['netfilter', PHONE]], { look }))).toMatchObject({
      reason: 'redis could not be asked: gone',
    });
    expect(asked).toBeGreaterThan(10);
    expect(trail().at(-1)).toEqual(['failed', true, { means: 'redis', reason: 'redis could not be asked: gone' }]);
  });

  it('is not tried again where it can never work', async () => {
    let asked = 0;
    const order = async () => {
      asked++;
      throw new PermanentError('a key with read-write access is needed');
    };
    expect(await lift(server([['netfilter', PHONE]], { lift: order }))).toMatchObject({ kind: 'failed' });
    expect(asked).toBe(1);
    // Whoever lifts it then, it is not cowbell.
    expect(ledger.decisions.isLifted(banId)).toBe(false);
  });

  it('that nobody waits for has failed, as far as anybody knows', async () => {
    const end = new AbortController();
    const done = lift(server([['netfilter', PHONE]], { lift: async () => true }), end.signal);
    end.abort();
    expect(await done).toEqual({ kind: 'failed', reason: 'nobody waited for it' });
    expect(ledger.decisions.of(banId)).toMatchObject({ state: 'failed', by: 'person' });
  });

  it('of a ban that the ledger does not know is in the audit alone', async () => {
    const network = net('192.0.2.9/32');
    const done = liftByHand(
      { jail: 'sshd', network, unbanner: server([['sshd', network]]) },
      { ledger, clock },
      new AbortController().signal,
    );
    await clock.advance(5_000);
    expect(await done).toEqual({ kind: 'lifted' });
    expect(ledger.audit.list({ network, limit: 5 }).map(({ action }) => action)).toEqual(['lifted', 'lift']);
  });
});

describe('what is banned of a network', () => {
  it('is found in all jails, with what holds it and what it holds', async () => {
    const mailcow = server([
      ['netfilter', '203.0.113.0/24'],
      ['netfilter', '203.0.0.0/16'],
      ['netfilter', '203.0.113.7/32'],
    ]);
    const jails = server([
      ['sshd', '203.0.113.7/32'],
      ['web', '2001:db8::/64'],
    ]);
    const broken = server([['dead', '203.0.113.7/32']], { standing: () => Promise.reject(new TransientError('gone')) });
    const signal = new AbortController().signal;
    const of = async (network: string, jail?: string) => {
      const found = await findBans(net(network), [mailcow, jails, broken], jail, signal);
      const names = (list: typeof found.exact) => list.map((ban) => `${ban.jail} ${ban.network}`);
      return [names(found.exact), names(found.wider), names(found.narrower), found.problems.length];
    };
    expect(await of('203.0.113.7/32')).toEqual([
      ['netfilter 203.0.113.7/32', 'sshd 203.0.113.7/32'],
      ['netfilter 203.0.113.0/24', 'netfilter 203.0.0.0/16'],
      [],
      1,
    ]);
    expect(await of('203.0.113.7/32', 'sshd')).toEqual([['sshd 203.0.113.7/32'], [], [], 0]);
    expect(await of('203.0.113.0/24')).toEqual([
      ['netfilter 203.0.113.0/24'],
      ['netfilter 203.0.0.0/16'],
      ['netfilter 203.0.113.7/32', 'sshd 203.0.113.7/32'],
      1,
    ]);
    expect(await of('::/0', 'web')).toEqual([[], [], ['web 2001:db8::/64'], 0]);
  });
});

import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BanEvent } from '../../src/core/event.ts';
import type { AskAbout } from '../../src/reputation/judge.ts';
import type { NetfilterPurge } from '../support/netfilter-purge.ts';
import { net } from '../support/recorder-harness.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { createRig, type RigOptions, scores } from './auto-unban-rig.ts';

const HOUR_MS = 3_600_000;
const SOMEBODY = '45.8.0.7/32';
const AGAIN = 'it failed again after it was lifted in the last 1 d';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());
beforeEach(() => redis.client.flushall());

/** As a fresh attacker is known: not at all. */
const clean: AskAbout = async () => ({
  opinions: [{ source: 'abuseipdb', score: 0, checkedAt: 0 }],
  problems: [],
});

type Rig = ReturnType<typeof createRig>;
const open: { rig: Rig; purge: NetfilterPurge; banned: Set<string> }[] = [];
afterEach(async () => {
  for (const { rig, purge, banned } of open.splice(0)) {
    await rig.close();
    // Whatever was tried: nobody was lifted who was not banned, and netfilter had nothing to complain of.
    for (const line of purge.printed) expect(line).toMatch(/^Unbanning /);
    for (const network of purge.lifted) expect(banned).toContain(network);
  }
  expect(await redis.client.exists('F2B_WHITELIST')).toBe(0);
});

/** The policy, somebody who works off its queue, what is banned in earnest, and a clock that can be set. */
function attacked(options: Partial<Omit<RigOptions, 'redis' | 'clock'>> = {}) {
  const time = { aheadMs: 0 };
  const rig = createRig({ redis, ask: clean, clock: { now: () => Date.now() + time.aheadMs }, ...options });
  const purge = rig.startPurge();
  const banned = new Set<string>();
  open.push({ rig, purge, banned });
  /** It is gone from Redis, and the ledger comes to know. */
  const end = async (network: string) => {
    await rig.sync();
    time.aheadMs += 3_000;
    rig.tick();
    expect(rig.ledger.bans.standing('netfilter', net(network))).toBeUndefined();
  };
  return {
    rig,
    purge,
    time,
    banned,
    /** Bans a network, and waits until that is decided on, and over where it is lifted. */
    async ban(network: string, offenders: string[] = []): Promise<{ state: string | undefined; event: BanEvent }> {
      banned.add(network);
      const event = await rig.ban(network, { offenders });
      await rig.decided();
      if (rig.state(event) === 'lifted') await end(network);
      return { state: rig.state(event), event };
    },
    async expire(network: string) {
      await redis.client.hdel('F2B_ACTIVE_BANS', network);
      await end(network);
    },
    /** A line of netfilter's log says that a network is banned; returns what is told of it. */
    async logLine(network: string, at: number, claimed = false): Promise<void> {
      const before = rig.events.length;
      rig.log({ kind: 'banned', jail: 'netfilter', network: net(network), at, minutes: 30, claimed });
      for (const event of rig.events.slice(before)) if (event.type === 'ban.started') await rig.handOver(event);
      await rig.decided();
    },
    reasons: () => rig.decisions().at(-1)?.decision.reasons ?? [],
  };
}

describe('an attacker whose address is clean', () => {
  it('and who comes back at once is let in once', { timeout: 60_000 }, async () => {
    const { rig, purge, ban, expire, reasons } = attacked({
      settings: { max_lifts_per_network: 50, max_previous_bans: 50, max_lifts_per_hour: 50 },
    });
    const first = await ban(SOMEBODY);
    expect(first.state).toBe('lifted');
    for (let round = 0; round < 5; round++) {
      expect((await ban(SOMEBODY)).state).toBe('kept');
      expect(reasons()).toContain(AGAIN);
      await expire(SOMEBODY);
    }
    // The network around it, and an address in that, are no way round it.
    expect((await ban('45.8.0.0/24', ['45.8.0.7'])).state).toBe('kept');
    expect(reasons()).toContain(AGAIN);
    // What was handed over already is not decided on again.
    await rig.handOver(first.event);
    await rig.decided();
    expect([rig.decisions().length, purge.lifted]).toEqual([7, [SOMEBODY]]);
  });

  it('and who takes another one of his /64 is let in once', async () => {
    const { ban, reasons } = attacked({ settings: { max_lifts_per_network: 50, max_prefix: { ipv4: 24, ipv6: 64 } } });
    expect((await ban('2a01:4f8:1:2::1/128')).state).toBe('lifted');
    expect((await ban('2a01:4f8:1:2:ffff::7/128')).state).toBe('kept');
    expect(reasons()).toContain(AGAIN);
    expect((await ban('2a01:4f8:1:3::1/128')).state).toBe('lifted');
  });

  it('and who comes back after a lift by hand stays banned, too', async () => {
    const { rig, ban, expire, reasons } = attacked({ ask: scores({ '45.8.0.7': 90 }) });
    const { event } = await ban(SOMEBODY);
    const { id } = ('ban' in event ? event.ban : undefined) ?? { id: '' };
    rig.ledger.decisions.liftByHand({ id, jail: 'netfilter', network: SOMEBODY as never }, Date.now());
    rig.ledger.decisions.move(id, 'lifting', 'lifted', Date.now());
    await expire(SOMEBODY);
    await ban(SOMEBODY);
    expect(reasons()).toContain(AGAIN);
  });

  it('500 of them in turn are let in as often as is allowed in an hour', { timeout: 60_000 }, async () => {
    const { rig, purge, banned } = attacked({ settings: { max_lifts_per_hour: 7 }, tellsAll: false });
    for (let index = 0; index < 500; index++) {
      const network = `45.9.${index >> 8}.${index & 255}/32`;
      banned.add(network);
      await rig.ban(network);
    }
    await rig.decided();
    expect(purge.lifted).toHaveLength(7);
    expect(await redis.client.hlen('F2B_ACTIVE_BANS')).toBe(493);
  });

  it('and over hours, no hour sees more lifts than are allowed', { timeout: 60_000 }, async () => {
    const lifts: number[] = [];
    const most = 3;
    const { ban, time } = attacked({
      uptime: () => Date.now() + time.aheadMs,
      settings: { max_lifts_per_hour: most, max_lifts_per_network: 9, max_previous_bans: 99, lift_window_hours: 1 },
    });
    for (let index = 0; index < 36; index++) {
      time.aheadMs += 5 * 60_000;
      if ((await ban(`45.9.0.${index}/32`)).state === 'lifted') lifts.push(Date.now() + time.aheadMs);
    }
    // Three hours.
    expect(lifts.length).toBeGreaterThanOrEqual(2 * most);
    for (const from of lifts)
      expect(lifts.filter((at) => at >= from && at < from + HOUR_MS).length).toBeLessThan(most + 1);
  });
});

describe('a /24', () => {
  it('with one clean and one bad offender stays banned', async () => {
    const { ban, reasons } = attacked({ ask: scores({ '45.8.0.7': 0, '45.8.0.8': 90 }) });
    expect((await ban('45.8.0.0/24', ['45.8.0.7', '45.8.0.8'])).state).toBe('kept');
    expect(reasons()).toEqual(['score 90 of 100 (abuseipdb), above 25']);
    // Of one of them nothing is known.
    expect((await ban('45.8.0.0/25', ['45.8.0.7', '45.8.0.9'])).state).toBe('kept');
    expect(reasons()).toEqual(['no score: nobody knows 45.8.0.9']);
  });

  it('in which a bad one hides behind many clean ones is asked about as a whole', async () => {
    const offenders = Array.from({ length: 30 }, (_, index) => `45.8.0.${index + 1}`);
    const asked: string[] = [];
    const { ban, reasons } = attacked({
      ask: async (subject, signal) => {
        asked.push(subject);
        return subject.includes('/')
          ? { opinions: [{ source: 'abuseipdb', score: 90, checkedAt: 0 }], problems: [] }
          : await clean(subject, signal);
      },
    });
    expect((await ban('45.8.0.0/24', offenders)).state).toBe('kept');
    expect(asked).toContain('45.8.0.0/24');
    expect(asked.length).toBeLessThanOrEqual(11);
    expect(reasons()).toEqual(['score 90 of 100 (abuseipdb), above 25']);
  });
});

describe('evidence that comes late', () => {
  const fail = (rig: Rig, ip: string) =>
    rig.fail2banLog({ kind: 'auth-failed', at: Date.now() - 20, ip, service: 'imap', account: 'x', line: ip } as never);

  it('counts if it comes before the decision', async () => {
    const { rig, reasons, banned } = attacked({ ask: scores({ '45.8.0.7': 0, '45.8.0.8': 90 }), delayMs: 500 });
    banned.add('45.8.0.0/24');
    const event = await rig.ban('45.8.0.0/24', { offenders: ['45.8.0.7'] });
    fail(rig, '45.8.0.8');
    await rig.decided();
    expect([rig.state(event), reasons()]).toEqual(['kept', ['score 90 of 100 (abuseipdb), above 25']]);
  });

  it('and while others are being asked, leaves the ban standing', async () => {
    const asked: string[] = [];
    const { rig, ban, reasons } = attacked({
      ask: async (subject, signal) => {
        asked.push(subject);
        fail(rig, '45.8.0.8');
        rig.recorder.explain(rig.ledger.bans.standing('netfilter', net('45.8.0.0/24'))?.id ?? '');
        return await clean(subject, signal);
      },
    });
    expect((await ban('45.8.0.0/24', ['45.8.0.7'])).state).toBe('kept');
    expect([asked, reasons()]).toEqual([['45.8.0.7'], ['no score: others offended while it was asked for']]);
  });
});

describe('forged lines of a log', () => {
  it('that name a network which is not banned change nothing', async () => {
    const { rig, purge } = attacked();
    const event = await rig.ban(SOMEBODY, { isForged: true });
    await rig.decided();
    expect(['kept', 'over']).toContain(rig.state(event));
    expect([purge.printed, await redis.client.exists('F2B_QUEUE_UNBAN')]).toEqual([[], 0]);
  });

  it('are refuted by Redis, and never told', async () => {
    const { rig, logLine } = attacked({ withLog: true });
    await logLine(SOMEBODY, Date.now());
    rig.observe({ kind: 'unbanned', jail: 'netfilter', network: net(SOMEBODY), at: Date.now() });
    expect([rig.events, rig.ledger.bans.standing('netfilter', net(SOMEBODY))]).toEqual([[], undefined]);
  });

  it('where the log is all there is, are no reason to do anything', async () => {
    const { reasons, logLine, time } = attacked({ withLog: true, withState: false });
    const at = Date.now();
    await logLine(SOMEBODY, at);
    expect(reasons()).toEqual(['only a log line says that it is banned']);
    // Nor where it is banned, but the line is not about that ban.
    await redis.client.hset('F2B_ACTIVE_BANS', '45.8.0.8/32', String(Math.round(Date.now() / 1_000) + 86_400));
    time.aheadMs += 600_000;
    await logLine('45.8.0.8/32', at);
    expect(reasons()).toEqual(['its end moves: it goes on failing, or was banned anew']);
  });

  it('that name somebody else who is banned, as an address that the client wrote, keep him banned', async () => {
    const { rig, reasons, logLine, time } = attacked({ withLog: true });
    const at = Date.now();
    const until = Math.ceil(at / 1_000) * 1_000 + 1_800_000;
    await redis.client.hset('F2B_ACTIVE_BANS', SOMEBODY, String(until / 1_000));
    rig.observe({ kind: 'banned', jail: 'netfilter', network: net(SOMEBODY), at, until });
    await logLine(SOMEBODY, at, true);
    expect([reasons(), time.aheadMs]).toEqual([
      ['the address comes from what the client wrote, and may be somebody else’s'],
      0,
    ]);
  });

  it('and a log that is replayed as a whole, lift nobody', { timeout: 60_000 }, async () => {
    const { rig, purge, logLine, time } = attacked({ withLog: true, withState: false });
    const startedAt = Date.now();
    const replay = async () => {
      for (let index = 0; index < 20; index++) await logLine(`45.8.1.${index}/32`, startedAt + index);
    };
    await replay();
    for (let round = 0; round < 2; round++) {
      time.aheadMs += HOUR_MS;
      rig.tick();
      expect(rig.ledger.bans.allStanding()).toEqual([]);
      await replay();
      // One of them is banned by now, for another reason, and for hours.
      const until = Math.round((Date.now() + time.aheadMs) / 1_000) + 7_200;
      await redis.client.hset('F2B_ACTIVE_BANS', '45.8.1.3/32', String(until));
    }
    expect(purge.printed).toEqual([]);
    expect(rig.decisions()).toHaveLength(60);
    expect(new Set(rig.decisions().map(({ decision }) => decision.action))).toEqual(new Set(['keep']));
  });
});

describe('a clock that jumps', () => {
  it('a day forward leaves the caps as they are', async () => {
    const { purge, ban, time, reasons } = attacked({
      settings: { max_lifts_per_hour: 2, max_previous_bans: 50 },
    });
    await ban('45.8.0.1/32');
    await ban('45.8.0.2/32');
    time.aheadMs += 25 * HOUR_MS;
    expect((await ban('45.8.0.3/32')).state).toBe('kept');
    // Nor is it forgotten who was lifted.
    await ban('45.8.0.2/32');
    expect(reasons()).toContain(AGAIN);
    expect(purge.lifted).toHaveLength(2);
  });

  it('a little back lets nobody in again who failed after a lift', async () => {
    const { rig, ban, reasons, time } = attacked({
      delayMs: 2_000,
      settings: { max_lifts_per_network: 9, max_previous_bans: 50 },
    });
    const { event } = await ban(SOMEBODY);
    const { decidedAt = 0 } = rig.ledger.decisions.of('ban' in event ? event.ban.id : '') ?? {};
    // The next ban begins before the lift of the first was decided, and is decided on after that.
    time.aheadMs += decidedAt - 1_000 - (Date.now() + time.aheadMs);
    expect((await ban(SOMEBODY)).state).toBe('kept');
    expect(reasons()).toContain(AGAIN);
    expect(rig.ledger.decisions.liftsOf(net(SOMEBODY), 0, false)).toHaveLength(1);
    expect(Date.now() + time.aheadMs).toBeGreaterThan(decidedAt);
  });

  it('at random, forwards and backwards, leaves the caps as they are', { timeout: 120_000 }, async () => {
    const { purge, ban, expire, time } = attacked({
      settings: { max_lifts_per_hour: 6, max_lifts_per_network: 1, max_previous_bans: 999 },
    });
    const random = fc.sample(
      fc.record({
        jumpMs: fc.oneof(
          ...[1_000, 60_000, HOUR_MS, 48 * HOUR_MS].map((most) => fc.integer({ min: -most, max: most })),
        ),
        host: fc.integer({ min: 1, max: 12 }),
      }),
      { seed: 20_261_123, numRuns: 80 },
    );
    for (const { jumpMs, host } of random) {
      time.aheadMs += jumpMs;
      const network = `45.8.2.${host}/32`;
      if ((await ban(network)).state !== 'lifted') await expire(network);
    }
    // All of it was within one hour of the time that really passed.
    expect(purge.lifted.length).toBe(6);
    expect(new Set(purge.lifted).size).toBe(6);
  });
});

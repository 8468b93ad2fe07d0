import { systemClock } from '../../src/core/clock.ts';
import type { BanEvent } from '../../src/core/event.ts';
import type { Unbanner } from '../../src/core/unbanner.ts';
import { Allowances } from '../../src/reputation/allowances.ts';
import { AutoUnban, type Mode } from '../../src/reputation/auto-unban.ts';
import { type Answer, type AskAbout, createJudge } from '../../src/reputation/judge.ts';
import type { PolicySettings } from '../../src/reputation/policy.ts';
import { createRedisUnbanner } from '../../src/reputation/unbanners/redis.ts';
import { deliveryOf } from '../support/delivery.ts';
import { eventually } from '../support/eventually.ts';
import { type NetfilterPurge, startPurge } from '../support/netfilter-purge.ts';
import { createHarness, net, SILENT } from '../support/recorder-harness.ts';
import type { RedisServer } from '../support/redis-server.ts';

export const SETTINGS: PolicySettings = {
  max_score: 25,
  min_known_logins: 0,
  known_user_max_age_days: 14,
  require: 'all',
  services: [],
  countries: [],
  never: [],
  always: [],
  max_prefix: { ipv4: 24, ipv6: 64 },
  max_previous_bans: 2,
  max_lifts_per_network: 1,
  lift_window_hours: 24,
  max_lifts_per_hour: 10,
  then: 'nothing',
  allowlist_hours: 1,
};

/** Opinions by address; of any other, none. */
export function scores(table: Record<string, number>): AskAbout {
  return async (subject): Promise<Answer> => {
    const score = table[subject];
    const opinions = score === undefined ? [] : [{ source: 'abuseipdb', score, checkedAt: Date.now() }];
    return { opinions, problems: [] };
  };
}

export interface RigOptions {
  redis: RedisServer;
  ask: AskAbout;
  settings?: Partial<PolicySettings>;
  mode?: Mode;
  tellsAll?: boolean;
  delayMs?: number;
  unbanner?: Unbanner;
  path?: string;
  clock?: { now(): number };
  uptime?: () => number;
  /** With netfilter's log, so that a ban is told once the log has told of it, too. */
  withLog?: boolean;
  /** Without it, the log is all that tells of bans. */
  withState?: boolean;
}

/** The policy over a ledger, a real Redis and somebody who works off its queue, fed with bans by hand. */
export function createRig({
  redis,
  ask,
  settings,
  mode = 'enforce',
  tellsAll = true,
  delayMs = 0,
  unbanner,
  path,
  clock,
  uptime,
  withLog = false,
  withState = true,
}: RigOptions) {
  const now = () => clock?.now() ?? Date.now();
  const h = createHarness({
    startedAt: now() - 1_000,
    clock: { now },
    withLog,
    withRedis: withState,
    ...(path !== undefined && { path }),
  });
  const { ledger, recorder } = h;
  const time = { ...systemClock, now };
  const judge = createJudge({
    ledger,
    clock: time,
    settings: { ...SETTINGS, ...settings },
    historyDays: 7,
    ask,
    ...(uptime && { uptime }),
  });
  const usual = createRedisUnbanner(redis.address);
  const unbannerOf = (jail: string) => (usual.covers(jail) ? (unbanner ?? usual) : undefined);
  const required = (jail: string) => {
    const found = unbannerOf(jail);
    if (found === undefined) throw new Error(`nobody lifts bans of ${jail}`);
    return found;
  };
  const policy = new AutoUnban({
    ledger,
    clock: time,
    logger: SILENT,
    allowances: new Allowances({ ledger, clock: time, logger: SILENT, required }),
    mode,
    delayMs,
    tellsAll,
    judge,
    unbannerOf,
    explain: (id) => recorder.explain(id),
    describe: (id) => recorder.describe(id),
    announce: (event, write) => recorder.announce(event, write),
    envelope: (at) => recorder.envelope(at),
  });
  const consumer = policy.consumer();
  let purge: NetfilterPurge | undefined;
  const stop = new AbortController();
  const running = policy.run(stop.signal);

  return {
    ...h,
    policy,
    /** What the state of the server says. */
    observe: h.state,
    startPurge: () => {
      purge = startPurge(redis.client, { everyMs: 30 });
      return purge;
    },
    /** Bans a network, in Redis too unless only a log line says so, after one failure of each of its offenders. */
    async ban(
      network: string,
      { offenders = [], isForged = false }: { offenders?: string[]; isForged?: boolean } = {},
    ) {
      const until = Math.ceil(now() / 1000) * 1000 + 1_800_000;
      const ips = offenders.length > 0 ? offenders : [network.slice(0, network.indexOf('/'))];
      h.fail2banLog(
        ...ips.map(
          (ip) => ({ kind: 'auth-failed', at: now() - 10, ip, service: 'imap', account: 'anna', line: 'x' }) as never,
        ),
      );
      if (!isForged) await redis.client.hset('F2B_ACTIVE_BANS', network, String(until / 1000));
      h.state({ kind: 'banned', jail: 'netfilter', network: net(network), at: now(), until });
      const [event] = h.events.filter((each) => each.type === 'ban.started').slice(-1) as [BanEvent];
      await consumer.notify(deliveryOf(event.id, [event]), stop.signal);
      return event;
    },
    /** Hands an event over, or does so once more. */
    handOver: (event: BanEvent) => consumer.notify(deliveryOf(event.id, [event]), stop.signal),
    /** What the Redis watcher would see. */
    async sync() {
      const fields = await redis.client.hkeys('F2B_ACTIVE_BANS');
      for (const { network } of ledger.bans.allStanding('netfilter')) {
        if (!fields.includes(network)) h.state({ kind: 'unbanned', jail: 'netfilter', network, at: now() });
      }
      h.tick();
    },
    decided: () =>
      eventually(
        () => {
          const open = ledger.decisions.open(now(), now(), 1_000);
          if (open.length > 0) throw new Error(`${open.length} are not decided`);
        },
        { timeoutMs: 60_000 },
      ),
    state: (event: BanEvent) => ('ban' in event ? ledger.decisions.of(event.ban.id)?.state : undefined),
    decisions: () => h.events.filter((event) => event.type === 'unban.decided'),
    audit: () =>
      ledger.audit
        .list({ limit: 1_000 })
        .map(({ action, network }) => `${action} ${network}`)
        .reverse(),
    async stop() {
      stop.abort();
      await running;
      await purge?.stop();
    },
    async close() {
      await this.stop();
      ledger.close();
    },
  };
}

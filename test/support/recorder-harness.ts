import type { Ban, BanEvent } from '../../src/core/event.ts';
import type { Logger } from '../../src/core/logger.ts';
import { type Network, parseNetwork } from '../../src/core/network.ts';
import type { Observation } from '../../src/core/observation.ts';
import type { OriginOf } from '../../src/core/origin.ts';
import type { Snapshot, Watcher } from '../../src/core/watcher.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { Recorder, type RecorderOptions } from '../../src/pipeline/recorder.ts';

export const T0 = 1_795_430_000_000;
export const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT };

function watcher(name: string, authority: Watcher['authority'], witness?: Watcher['witness']): Watcher {
  return { name, authority, ...(witness && { witness }), watch: () => (async function* () {})() };
}

export function net(text: string): Network {
  const network = parseNetwork(text);
  if (network === undefined) throw new Error(`not a network: ${text}`);
  return network;
}

interface HarnessOptions {
  withRedis?: boolean;
  withLog?: boolean;
  startedAt?: number;
  path?: string;
  /** In place of a time that is set by `at`. */
  clock?: { now(): number };
  /** In place of those that are fed by `log`, `state` and `snapshot`. */
  watchers?: RecorderOptions['watchers'];
  /** Default: nobody knows. */
  originOf?: OriginOf;
}

/** A recorder over a ledger in memory, fed by hand, with what it told and what it asked a witness to look at. */
export function createHarness({
  withRedis = true,
  withLog = true,
  startedAt = T0,
  path = ':memory:',
  clock,
  watchers,
  originOf,
}: HarnessOptions = {}) {
  let now = startedAt;
  let isReady = true;
  const looks: string[] = [];
  const nowOf = () => clock?.now() ?? now;
  const ledger = openLedger(path, nowOf);
  const netfilter = watcher('netfilter', 'log');
  const fail2ban = watcher('fail2ban', 'log');
  const redis = watcher('redis', 'state', {
    covers: (jail) => jail === 'netfilter',
    look: (_jail, network, expected) => looks.push(`${network} ${expected}`),
  });
  const events: BanEvent[] = [];
  const recorded: BanEvent[] = [];
  const recorder = new Recorder({
    ledger,
    clock: { now: nowOf, sleep: async () => {} },
    logger: SILENT,
    settings: {
      host: 'mail.example.org',
      retryWindowMs: 600_000,
      historyDays: 7,
      confirmWithinMs: 5_000,
      knownUsersMs: 30 * 86_400_000,
      rejectWindowMs: 3_600_000,
      rateLimitWindowMs: 600_000,
    },
    startedAt,
    originOf,
    consumers: [{ name: 'all', wants: (event) => events.push(event) > 0 }],
    watchers: watchers ?? [
      ...(withLog ? [{ watcher: netfilter, reads: (jail: string) => jail === 'netfilter' }] : []),
      { watcher: fail2ban, reads: (jail) => jail !== 'netfilter' },
      ...(withRedis ? [{ watcher: redis, reads: () => true }] : []),
    ],
    isReady: () => isReady,
    onOwed() {},
    onRecorded: (each) => recorded.push(...each),
  });
  const record = (from: Watcher, observations: Observation[]) => recorder.record(from, { observations });
  return {
    ledger,
    recorder,
    events,
    recorded,
    looks,
    /** Events as short lines: `ban.started 1.2.3.4/32`, `ban.ended 1.2.3.4/32 lifted`, `bans.cleared 3`. */
    told: () => events.map(shortEvent),
    bans: () => events.filter((event) => 'ban' in event).map((event): Ban => event.ban),
    at(seconds: number) {
      now = startedAt + seconds * 1_000;
    },
    setReady(value: boolean) {
      isReady = value;
    },
    log: (...observations: Observation[]) => record(netfilter, observations),
    fail2banLog: (...observations: Observation[]) => record(fail2ban, observations),
    state: (...observations: Observation[]) => record(redis, observations),
    snapshot: (bans: Record<string, number>, more: Partial<Snapshot> = {}) =>
      recorder.record(redis, {
        observations: [],
        snapshot: {
          at: now,
          jails: ['netfilter'],
          bans: Object.entries(bans).map(([network, until]) => ({ jail: 'netfilter', network: net(network), until })),
          ...more,
        },
      }),
    tick: () => recorder.tick(),
    banned: (network: string, seconds: number, more: { minutes?: number; claimed?: boolean } = {}): Observation => ({
      kind: 'banned',
      jail: 'netfilter',
      network: net(network),
      at: startedAt + seconds * 1_000,
      minutes: 30,
      ...more,
    }),
    unbanned: (network: string, seconds: number): Observation => ({
      kind: 'unbanned',
      jail: 'netfilter',
      network: net(network),
      at: startedAt + seconds * 1_000,
    }),
    cleared: (seconds: number, reason?: string): Observation => ({
      kind: 'cleared',
      jail: 'netfilter',
      at: startedAt + seconds * 1_000,
      ...(reason !== undefined && { reason }),
    }),
    until: (seconds: number) => startedAt + seconds * 1_000,
  };
}

export function shortEvent(event: BanEvent): string {
  switch (event.type) {
    case 'ban.ended':
      return `${event.type} ${event.ban.network} ${event.ban.end_reason}`;
    case 'ban.started':
    case 'ban.extended':
      return `${event.type} ${event.ban.network}`;
    case 'unban.decided':
      return `${event.type} ${event.ban.network} ${event.decision.action}`;
    case 'unban.failed':
      return `${event.type} ${event.ban.network}`;
    case 'bans.cleared':
      return `${event.type} ${event.cleared.count}`;
    case 'bans.adopted':
      return `${event.type} ${event.adopted.count}+${event.adopted.denylisted}`;
    case 'denylist.added':
    case 'denylist.removed':
      return `${event.type} ${event.denylist.network}`;
    case 'allowlist.added':
    case 'allowlist.removed':
      return `${event.type} ${event.allowlist.network}`;
    case 'reject.summary':
      return `${event.type} ${event.rejects.total}`;
    case 'ratelimit.applied':
      return `${event.type} ${event.ratelimit.account} ${event.ratelimit.count}`;
    case 'source.down':
    case 'source.up':
      return `${event.type} ${event.source.name}`;
    case 'notifier.down':
    case 'notifier.up':
      return `${event.type} ${event.notifier.name}`;
    case 'notifier.refused':
      return `${event.type} ${event.refused.name}`;
    case 'digest':
      return `${event.type} ${event.digest.totals.bans}`;
  }
}

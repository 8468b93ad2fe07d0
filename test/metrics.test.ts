import { describe, expect, it } from 'vitest';
import { parseConfig } from '../src/config/load.ts';
import type { Config } from '../src/config/schema.ts';
import { METRICS, type MetricName } from '../src/core/metrics.ts';
import type { Ip } from '../src/core/network.ts';
import type { Batch, Watcher } from '../src/core/watcher.ts';
import { figuresOf, measure } from '../src/metrics.ts';
import { ObservationCounts } from '../src/pipeline/observation-counts.ts';
import { SourceLag } from '../src/pipeline/source-lag.ts';
import { createHarness, T0 } from './support/recorder-harness.ts';
import { readExposition } from './support/scrape.ts';

function partsOf({ ledger, recorder }: Pick<ReturnType<typeof createHarness>, 'ledger' | 'recorder'>, config: Config) {
  const watchers = [{ watcher: watcherOf('netfilter', 'log'), reads: (jail: string) => jail === 'netfilter' }];
  const [health, alerts, lag] = [{ states: () => [] }, { states: () => [] }, new SourceLag()];
  return { config, ledger, health, alerts, observed: recorder.observed, lag, watchers, now: T0 };
}

const configOf = (text: string) => parseConfig(text, { env: {} });
const CONSOLE = 'notifiers: [{type: console}]';

function watcherOf(name: string, authority: Watcher['authority']): Watcher {
  return { name, authority, watch: () => (async function* () {})() };
}

describe('the metrics of a running cowbell', () => {
  it('are there from the start, with 0, where it is known what may happen', () => {
    const harness = createHarness();
    const figures = figuresOf(partsOf(harness, configOf(`${CONSOLE}\nauto_unban: {mode: suggest, require: any}`)));
    const zeroes = figures.filter(({ value }) => value === 0).map(({ metric }) => metric);
    expect(new Set(zeroes)).toEqual(
      new Set<MetricName>([
        'cowbell_events_total',
        'fail2ban_auth_failures_total',
        'fail2ban_active_bans',
        'fail2ban_known_user_bans_total',
        'fail2ban_unbans_total',
        'cowbell_delivered_events_total',
        'cowbell_deliveries_total',
        'cowbell_unban_decisions_total',
        'fail2ban_denylist_entries',
      ]),
    );
  });

  it('count what was read, by watcher and kind', () => {
    const harness = createHarness({ withRedis: false });
    harness.log(harness.banned('45.8.0.1/32', 0), harness.banned('45.8.0.2/32', 0), harness.unbanned('45.8.0.2/32', 1));
    expect(figuresOf(partsOf(harness, configOf(CONSOLE)))).toEqual(
      expect.arrayContaining([
        { metric: 'cowbell_observations_total', labels: { watcher: 'netfilter', kind: 'banned' }, value: 2 },
        { metric: 'cowbell_observations_total', labels: { watcher: 'netfilter', kind: 'unbanned' }, value: 1 },
        { metric: 'fail2ban_active_bans', labels: { jail: 'netfilter' }, value: 1 },
      ]),
    );
  });

  it('leave out what is handed to the policy: that is no message', () => {
    const harness = createHarness();
    harness.ledger.transaction(() => {
      for (const notifier of ['auto-unban', 'console'])
        harness.ledger.tallies.add('cowbell_deliveries_total', { notifier, outcome: 'delivered' }, 4);
    });
    const delivered = figuresOf(partsOf(harness, configOf(CONSOLE)))
      .filter(({ metric, value }) => metric === 'cowbell_deliveries_total' && value > 0)
      .map(({ labels }) => labels.notifier);
    expect(delivered).toEqual(['console']);
  });

  it('say what is wrong with sources, lanes and the ledger', () => {
    const harness = createHarness();
    const parts = {
      ...partsOf(harness, configOf(CONSOLE)),
      ledger: Object.assign(harness.ledger, { writeProblem: () => 'the disk that holds the ledger is full' }),
      health: { states: () => [{ name: 'redis', state: 'down' as const, up: false, since: T0 }] },
      alerts: { states: () => [{ consumer: 'slack', owed: 3, oldestAt: T0 - 90_000, down: true as const }] },
    };
    const bad = figuresOf(parts).filter(({ metric }) => /_up$|_outbox_/.test(metric));
    expect(bad).toEqual([
      { metric: 'cowbell_outbox_events', labels: { notifier: 'slack' }, value: 3 },
      { metric: 'cowbell_outbox_oldest_seconds', labels: { notifier: 'slack' }, value: 90 },
      { metric: 'cowbell_notifier_up', labels: { notifier: 'slack' }, value: 0 },
      { metric: 'cowbell_source_up', labels: { source: 'redis' }, value: 0 },
      { metric: 'cowbell_ledger_up', labels: {}, value: 0 },
    ]);
  });
});

describe('attackers', () => {
  it('with thousands of addresses, jails and reasons have fewer than a thousand series', async () => {
    const harness = createHarness({ withRedis: false });
    const { ledger, recorder } = harness;
    const OFFENDERS = 3_000;
    for (let n = 0; n < OFFENDERS; n++) {
      const [ip, jail] = [`45.8.${n >> 8}.${n & 255}`, n % 2 === 0 ? 'netfilter' : `jail ${n}`];
      harness.log(
        { kind: 'auth-failed', at: T0 + n, ip: ip as Ip, account: `a${n}` },
        { kind: 'rejected', at: T0 + n, ip: ip as Ip, service: 'smtp', reason: `reason ${n}` },
        { ...harness.banned(`${ip}/32`, n / 1_000), jail } as never,
        { ...harness.unbanned(`${ip}/32`, n / 1_000 + 0.5), jail } as never,
      );
    }
    // Everything else that has a bound, up to it.
    ledger.transaction(() => {
      for (let n = 0; n < 1_000; n++) {
        const [notifier, jail] = [`n${n}`, `j${n}`];
        ledger.tallies.add('cowbell_deliveries_total', { notifier, outcome: ['delivered', 'retried'][n % 2] ?? '' });
        ledger.tallies.add('cowbell_delivered_events_total', { notifier });
        ledger.tallies.add('fail2ban_known_user_bans_total', { jail });
        const [service, country] = [['smtp', 'imap', 'sogo'][n % 3] ?? '', `C${n % 250}`];
        ledger.tallies.add('fail2ban_bans_total', { jail: 'netfilter', service, country });
      }
    });
    const { body } = await measure(partsOf({ ledger, recorder }, configOf(CONSOLE)), undefined);
    const metrics = readExposition(body);
    expect(metrics.series.length).toBeLessThan(1_000);
    expect(metrics.sum('fail2ban_bans_total')).toBe(OFFENDERS + 1_000);
    expect(metrics.sum('fail2ban_unbans_total')).toBe(OFFENDERS);
    expect(metrics.sum('fail2ban_auth_failures_total')).toBe(OFFENDERS);
    expect(metrics.sum('mail_rejects_total')).toBe(OFFENDERS);
    for (const [name, definition] of Object.entries(METRICS)) {
      const series = metrics.series.filter((each) => each.name === name);
      // Those that are known beforehand come on top.
      if ('most' in definition) expect([name, series.length <= definition.most + 12]).toEqual([name, true]);
    }
  });
});

describe('the lag of a source', () => {
  const batch = (more: Partial<Batch> = {}): Batch => ({ observations: [], ...more });

  it('of a log is that of its last line, as long as lines come', () => {
    const lag = new SourceLag();
    const log = watcherOf('postfix', 'log');
    lag.note(log, batch(), T0);
    expect(lag.lagsMs(T0)).toEqual([['postfix log', 0]]);
    lag.note(log, batch({ stampedAt: T0 - 7_000 }), T0 + 1_000);
    // All is quiet: that says nothing of how late the next line will be.
    lag.note(log, batch(), T0 + 30_000);
    expect(lag.lagsMs(T0 + 61_000)).toEqual([['postfix log', 8_000]]);
    expect(lag.lagsMs(T0 + 61_001)).toEqual([['postfix log', 0]]);
    // Its clock is ahead of ours.
    lag.note(log, batch({ stampedAt: T0 + 90_000 }), T0 + 70_000);
    expect(lag.lagsMs(T0 + 70_000)).toEqual([['postfix log', 0]]);
  });

  it('of a channel is that of what it said last', () => {
    const lag = new SourceLag();
    const failure = { kind: 'auth-failed', ip: '45.8.0.1' as Ip, at: T0 - 300 } as const;
    lag.note(watcherOf('f2b-channel', 'log'), batch({ observations: [failure] }), T0);
    expect(lag.lagsMs(T0)).toEqual([['f2b-channel log', 300]]);
  });

  it('of a state is the time since the last look', () => {
    const lag = new SourceLag();
    lag.note(watcherOf('redis', 'state'), batch(), T0);
    expect(lag.lagsMs(T0 + 4_000)).toEqual([['redis', 4_000]]);
    lag.note(watcherOf('redis', 'state'), batch(), T0 + 5_000);
    expect(lag.lagsMs(T0 + 5_000)).toEqual([['redis', 0]]);
  });
});

it('counts of what was read hold no more than the watchers and kinds that there are', () => {
  const counts = new ObservationCounts();
  const failure = { kind: 'auth-failed', ip: '45.8.0.1' as Ip, at: T0 } as const;
  for (let n = 0; n < 1_000; n++) counts.add('postfix', [failure, failure]);
  counts.add('dovecot', []);
  expect(counts.all()).toEqual([{ watcher: 'postfix', kind: 'auth-failed', count: 2_000 }]);
});

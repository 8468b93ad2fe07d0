import { chart, timeline } from './charts.ts';
import { bars, table } from './figures.ts';
import { grownEach, grownInRange, HOST, rateOf } from './queries.ts';
import type { Tile } from './tile.ts';

const DECISIONS = { metric: 'cowbell_unban_decisions_total', filter: HOST, by: ['action'] };

/** Which bans should not stand. */
export function autoUnban(): Tile[] {
  return [
    chart(
      {
        title: 'Auto-unban decisions',
        description:
          'Decisions in each hour; would-lift: it is told and nothing is done; failed: the ban could not be lifted.',
        unit: 'short',
        w: 9,
      },
      [{ expr: grownEach('1h', DECISIONS), legend: '{{action}}' }],
      { isBars: true, interval: '1h' },
    ),
    bars(
      { title: 'Decided', description: 'Decisions in the range of the board.', unit: 'short', w: 5 },
      { expr: `sort_desc(${grownInRange(DECISIONS)})`, legend: '{{action}}' },
    ),
    chart(
      {
        title: 'Reputation calls left',
        description:
          'Calls that may be made today. With none left, bans stay that somebody would have to be asked about.',
        unit: 'short',
        w: 5,
      },
      [
        {
          expr: `min by (source, call) (cowbell_reputation_budget_remaining{${HOST}})`,
          legend: '{{source}} {{call}}',
        },
      ],
    ),
    chart(
      { title: 'Reputation calls', description: 'Calls in each hour.', unit: 'short', w: 5 },
      [
        {
          expr: grownEach('1h', {
            metric: 'cowbell_reputation_calls_total',
            filter: HOST,
            by: ['source', 'call'],
          }),
          legend: '{{source}} {{call}}',
        },
      ],
      { isBars: true, interval: '1h' },
    ),
  ];
}

/** Whether alerts arrive. */
export function delivery(): Tile[] {
  return [
    timeline(
      {
        title: 'Notifiers',
        description: 'Down: parked, or failing for long. What it is owed is kept.',
        unit: 'short',
        w: 12,
      },
      { expr: `min by (notifier) (cowbell_notifier_up{${HOST}})`, legend: '{{notifier}}' },
      { up: 'delivers', down: 'down' },
    ),
    chart(
      {
        title: 'Deliveries by outcome',
        description:
          'Messages in each hour; retried: they are tried again; refused: the far side would never take them.',
        unit: 'short',
        w: 12,
      },
      [
        {
          expr: grownEach('1h', {
            metric: 'cowbell_deliveries_total',
            filter: HOST,
            by: ['notifier', 'outcome'],
          }),
          legend: '{{notifier}} {{outcome}}',
        },
      ],
      { isBars: true, interval: '1h' },
    ),
    chart(
      { title: 'Outbox', description: 'Events that each notifier is owed.', unit: 'short', w: 12 },
      [{ expr: `sum by (notifier) (cowbell_outbox_events{${HOST}})`, legend: '{{notifier}}' }],
      { steps: ['green', [1_000, 'red']] },
    ),
    chart(
      {
        title: 'Oldest that is owed',
        description: 'For how long the oldest of them waits. What quiet hours keep back does not count.',
        unit: 's',
        w: 12,
      },
      [{ expr: `max by (notifier) (cowbell_outbox_oldest_seconds{${HOST}})`, legend: '{{notifier}}' }],
      { steps: ['green', [900, 'orange'], [3_600, 'red']] },
    ),
  ];
}

/** Whether cowbell sees what happens. */
export function itself(): Tile[] {
  const legend = '{{instance}}';
  return [
    timeline(
      {
        title: 'Sources',
        description: 'Down: it cannot be read, or netfilter no longer listens.',
        unit: 'short',
        w: 12,
      },
      { expr: `min by (source) (cowbell_source_up{${HOST}})`, legend: '{{source}}' },
      { up: 'read', down: 'down' },
    ),
    chart(
      {
        title: 'Source lag',
        description: 'Logs: from the last line to when it was recorded. State: since the last look.',
        unit: 's',
        w: 12,
      },
      [{ expr: `max by (source) (cowbell_source_lag_seconds{${HOST}})`, legend: '{{source}}' }],
      { steps: ['green', [120, 'red']] },
    ),
    chart({ title: 'Observations', description: 'What each watcher reads, a second.', unit: 'cps', w: 8 }, [
      {
        expr: rateOf({ metric: 'cowbell_observations_total', filter: HOST, by: ['watcher', 'kind'] }),
        legend: '{{watcher}} {{kind}}',
      },
    ]),
    chart({ title: 'Memory', description: 'Resident memory of the process.', unit: 'bytes', w: 5 }, [
      { expr: `process_resident_memory_bytes{${HOST}} and on (instance) cowbell_build_info`, legend },
    ]),
    chart({ title: 'Processor', description: 'Of one core.', unit: 'percentunit', w: 5 }, [
      {
        expr: `rate(process_cpu_seconds_total{${HOST}}[$__rate_interval]) and on (instance) cowbell_build_info`,
        legend,
      },
    ]),
    table(
      {
        title: 'Versions',
        description: 'Which cowbell answers, and the Node.js that it runs on.',
        unit: 'none',
        w: 6,
      },
      { expr: `cowbell_build_info{${HOST}}` },
      { names: { instance: 'Server', version: 'cowbell', node_version: 'Node.js' } },
    ),
    table(
      {
        title: 'Alerts that fire',
        description: 'Of the rules that come with cowbell, if this Prometheus has them.',
        unit: 'none',
        w: 24,
        h: 6,
      },
      { expr: 'ALERTS{alertname=~"Cowbell.+", alertstate="firing"}' },
      {
        names: {
          alertname: 'Alert',
          severity: 'Severity',
          instance: 'Server',
          source: 'Source',
          notifier: 'Notifier',
          jail: 'Jail',
        },
      },
    ),
  ];
}

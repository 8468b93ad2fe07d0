import { LogsDedupStrategy, LogsSortOrder } from '@grafana/schema';
import type { Options as LogsOptions } from '@grafana/schema/dist/esm/raw/composable/logs/panelcfg/x/LogsPanelCfg_types.gen';
import { chart } from './charts.ts';
import { type About, fieldOf, LOKI, type Tile } from './tile.ts';

const EVENTS = '{job="cowbell", event!=""}';

/** Lines of Loki, the latest first. */
function lines(about: About, expr: string): Tile {
  const { title, description, unit, w, h = 12 } = about;
  const options: LogsOptions = {
    dedupStrategy: LogsDedupStrategy.none,
    enableLogDetails: true,
    prettifyLogMessage: false,
    showCommonLabels: false,
    showLabels: false,
    showLogContextToggle: false,
    showTime: true,
    sortOrder: LogsSortOrder.Descending,
    wrapLogMessage: false,
  };
  return {
    type: 'logs',
    title,
    description,
    size: { w, h },
    datasource: LOKI,
    maxDataPoints: 200,
    targets: [{ refId: 'A', datasource: LOKI, editorMode: 'code', expr, queryType: 'range' }],
    fieldConfig: { defaults: fieldOf(unit), overrides: [] },
    options: { ...options },
  };
}

function countOfEvents(): Tile {
  const about = {
    title: 'Events by kind',
    description: 'Events in the log for each step of the chart.',
    unit: 'short',
    w: 24,
    h: 6,
  };
  const expr = `sum by (event) (count_over_time(${EVENTS}[$__auto]))`;
  const target = {
    refId: 'A',
    datasource: LOKI,
    editorMode: 'code',
    expr,
    legendFormat: '{{event}}',
    queryType: 'range',
  };
  return { ...chart(about, [], { isBars: true }), datasource: LOKI, targets: [target] };
}

/** What a Loki has of cowbell and of mailcow's containers. */
export function eventStream(): Tile[] {
  return [
    countOfEvents(),
    lines(
      {
        title: 'Events',
        description: 'Each event with the names that the webhook has; open one to see its fields.',
        unit: 'none',
        w: 24,
      },
      `${EVENTS} | json | line_format "{{.type}} {{.ban_network}}{{.network}} {{.ban_jail}}"`,
    ),
    lines(
      {
        title: 'Warnings of cowbell',
        description: 'What cowbell says of itself, from a warning on.',
        unit: 'none',
        w: 12,
      },
      '{job="cowbell", level=~"warn|error"}',
    ),
    lines(
      {
        title: 'Warnings of the mail server',
        description: "Lines of mailcow's containers, from a warning on.",
        unit: 'none',
        w: 12,
      },
      '{job="mailcow", level=~"warn|error|crit"}',
    ),
  ];
}

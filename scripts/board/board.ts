import {
  type Dashboard,
  DashboardCursorSync,
  type Panel,
  type RowPanel,
  VariableHide,
  type VariableModel,
  VariableRefresh,
  VariableSort,
} from '@grafana/schema';
import { attempts, bans, offenders, overview } from './ban-rows.ts';
import { autoUnban, delivery, itself } from './cowbell-rows.ts';
import { eventStream } from './event-stream.ts';
import { HOST } from './queries.ts';
import { PROMETHEUS, type Tile } from './tile.ts';

const COLUMNS = 24;

/** A row of the board; one that is folded asks nothing before somebody opens it. */
interface Row {
  title?: string;
  isFolded?: boolean;
  tiles: Tile[];
}

function rows(): Row[] {
  return [
    { tiles: overview() },
    { title: 'Bans', tiles: bans() },
    { title: 'Who, and from where', tiles: offenders() },
    { title: 'Logins and mail', tiles: attempts() },
    { title: 'Auto-unban', tiles: autoUnban() },
    { title: 'Delivery', tiles: delivery() },
    { title: 'cowbell itself', tiles: itself() },
    { title: 'Event stream: needs Loki', isFolded: true, tiles: eventStream() },
  ];
}

/** The board, as Grafana reads it from a file. */
export function board(): Dashboard {
  return {
    uid: 'cowbell',
    title: 'cowbell',
    description: 'Bans of a mail server: how many, who, from where, why, and whether anybody was told.',
    tags: ['cowbell', 'mailcow', 'fail2ban'],
    schemaVersion: 42,
    editable: true,
    graphTooltip: DashboardCursorSync.Crosshair,
    refresh: '1m',
    time: { from: 'now-24h', to: 'now' },
    timezone: 'browser',
    annotations: { list: [] },
    links: [],
    templating: { list: variables() },
    panels: placed(rows()),
  };
}

function variables(): VariableModel[] {
  const source = {
    type: 'datasource',
    regex: '',
    hide: VariableHide.dontHide,
    multi: false,
    includeAll: false,
  } as const;
  const values = (name: string, label: string, query: string): VariableModel => ({
    type: 'query',
    name,
    label,
    datasource: PROMETHEUS,
    query: { query, refId: name },
    regex: '',
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: ['All'], value: ['$__all'] },
    refresh: VariableRefresh.onTimeRangeChanged,
    sort: VariableSort.naturalAsc,
    hide: VariableHide.dontHide,
  });
  return [
    { ...source, name: 'prometheus', label: 'Prometheus', query: 'prometheus' },
    { ...source, name: 'loki', label: 'Loki', query: 'loki' },
    values('host', 'Server', 'label_values(cowbell_build_info, instance)'),
    values('jail', 'Jail', `label_values(fail2ban_bans_total{${HOST}}, jail)`),
  ];
}

/** Numbers the panels, and places them from left to right in lines that are as high as their highest. */
function placed(all: readonly Row[]): (Panel | RowPanel)[] {
  const panels: (Panel | RowPanel)[] = [];
  let id = 0;
  let y = 0;
  const place = (tiles: readonly Tile[]): Panel[] => {
    let x = 0;
    let height = 0;
    const done = tiles.map(({ size: { w, h }, ...panel }) => {
      if (x + w > COLUMNS) {
        y += height;
        x = 0;
        height = 0;
      }
      id += 1;
      const at = { ...panel, id, gridPos: { x, y, w, h } };
      x += w;
      height = Math.max(height, h);
      return at;
    });
    y += height;
    return done;
  };
  for (const { title, isFolded = false, tiles } of all) {
    if (title !== undefined) {
      id += 1;
      panels.push({ type: 'row', id, title, collapsed: isFolded, gridPos: { x: 0, y, w: COLUMNS, h: 1 }, panels: [] });
      y += 1;
    }
    const row = panels.at(-1);
    if (isFolded && row !== undefined && 'panels' in row) row.panels = place(tiles);
    else panels.push(...place(tiles));
  }
  return panels;
}

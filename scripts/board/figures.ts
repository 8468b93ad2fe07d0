import {
  BarGaugeDisplayMode,
  BarGaugeNamePlacement,
  BarGaugeSizing,
  BarGaugeValueMode,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueJustifyMode,
  BigValueTextMode,
  LegendDisplayMode,
  PercentChangeColorMode,
  TableCellHeight,
  VizOrientation,
} from '@grafana/schema';
import type { Options as BarOptions } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as TableOptions } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import { type About, fieldOf, PROMETHEUS, type Query, type Steps, type Tile, targets } from './tile.ts';

const REDUCED = { calcs: ['lastNotNull'], fields: '', values: false };

/** One number, at the end of the range. */
export function stat(about: About, query: Query, steps: Steps): Tile {
  const { title, description, unit, w, h = 4 } = about;
  const options: StatOptions = {
    colorMode: BigValueColorMode.Value,
    graphMode: BigValueGraphMode.None,
    justifyMode: BigValueJustifyMode.Auto,
    orientation: VizOrientation.Auto,
    percentChangeColorMode: PercentChangeColorMode.Standard,
    reduceOptions: REDUCED,
    showPercentChange: false,
    textMode: BigValueTextMode.Value,
    wideLayout: true,
  };
  return {
    type: 'stat',
    title,
    description,
    size: { w, h },
    datasource: PROMETHEUS,
    targets: targets([query], 'end'),
    fieldConfig: { defaults: { ...fieldOf(unit, steps), decimals: 0, noValue: '0' }, overrides: [] },
    options: { ...options },
  };
}

/** Numbers beside each other as bars, at the end of the range. */
export function bars(about: About, query: Query, steps: Steps = ['blue']): Tile {
  const { title, description, unit, w, h = 8 } = about;
  const options: BarOptions = {
    displayMode: BarGaugeDisplayMode.Basic,
    legend: { calcs: [], displayMode: LegendDisplayMode.List, placement: 'bottom', showLegend: false },
    maxVizHeight: 40,
    minVizHeight: 16,
    minVizWidth: 8,
    namePlacement: BarGaugeNamePlacement.Left,
    orientation: VizOrientation.Horizontal,
    reduceOptions: REDUCED,
    showUnfilled: true,
    sizing: BarGaugeSizing.Auto,
    valueMode: BarGaugeValueMode.Text,
  };
  return {
    type: 'bargauge',
    title,
    description,
    size: { w, h },
    datasource: PROMETHEUS,
    targets: targets([query], 'end'),
    fieldConfig: { defaults: { ...fieldOf(unit, steps), decimals: 0, min: 0 }, overrides: [] },
    options: { ...options },
  };
}

/** How a table shows its labels: names for columns, in this order; the value is the last, or none. */
export interface Columns {
  names: Record<string, string>;
  value?: string;
}

/** The labels of series, and their value, largest first. */
export function table(about: About, query: Query, { names, value }: Columns): Tile {
  const { title, description, unit, w, h = 8 } = about;
  const options: TableOptions = {
    cellHeight: TableCellHeight.Sm,
    frameIndex: 0,
    showHeader: true,
    ...(value !== undefined && { sortBy: [{ displayName: value, desc: true }] }),
  };
  const shown = [...Object.keys(names), ...(value === undefined ? [] : ['Value'])];
  const renameByName = { ...names, ...(value !== undefined && { Value: value }) };
  return {
    type: 'table',
    title,
    description,
    size: { w, h },
    datasource: PROMETHEUS,
    targets: targets([query], 'end', 'table'),
    transformations: [
      { id: 'filterFieldsByName', options: { include: { names: shown } } },
      {
        id: 'organize',
        options: { indexByName: Object.fromEntries(shown.map((name, index) => [name, index])), renameByName },
      },
    ],
    fieldConfig: { defaults: fieldOf(unit), overrides: [] },
    options: { ...options },
  };
}

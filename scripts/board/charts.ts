import {
  FieldColorModeId,
  GraphDrawStyle,
  LegendDisplayMode,
  MappingType,
  SortOrder,
  StackingMode,
  TooltipDisplayMode,
  type ValueMapping,
  VisibilityMode,
} from '@grafana/schema';
import type { Options as TimelineOptions } from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type {
  FieldConfig as TimeSeriesField,
  Options as TimeSeriesOptions,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import { type About, fieldOf, PROMETHEUS, type Query, type Steps, type Tile, targets } from './tile.ts';

/** How a chart over time is drawn. */
export interface ChartStyle {
  /** Bars that stand on each other; else lines. */
  isBars?: boolean;
  /** Least distance of two points, where each stands for a time of its own. */
  interval?: string;
  /** In place of the range of the board. */
  timeFrom?: string;
  /** Colours of the area behind the lines. */
  steps?: Steps;
}

/** Values over time. */
export function chart(about: About, queries: readonly Query[], style: ChartStyle = {}): Tile {
  const { title, description, unit, w, h = 8 } = about;
  const { isBars = false, interval, timeFrom, steps } = style;
  const custom: TimeSeriesField = {
    drawStyle: isBars ? GraphDrawStyle.Bars : GraphDrawStyle.Line,
    fillOpacity: isBars ? 80 : 10,
    lineWidth: 1,
    showPoints: VisibilityMode.Never,
    spanNulls: false,
    stacking: { mode: isBars ? StackingMode.Normal : StackingMode.None, group: 'A' },
    ...(steps !== undefined && { thresholdsStyle: { mode: 'dashed' as TimeSeriesThresholds } }),
  };
  const options: TimeSeriesOptions = {
    legend: { calcs: ['lastNotNull'], displayMode: LegendDisplayMode.List, placement: 'bottom', showLegend: true },
    tooltip: { mode: TooltipDisplayMode.Multi, sort: SortOrder.Descending, hideZeros: true },
  };
  const defaults = { ...fieldOf(unit, steps), color: { mode: FieldColorModeId.PaletteClassic }, min: 0 };
  return {
    type: 'timeseries',
    title,
    description,
    size: { w, h },
    datasource: PROMETHEUS,
    ...(interval !== undefined && { interval, maxDataPoints: 1_000 }),
    ...(timeFrom !== undefined && { timeFrom }),
    targets: targets(queries, 'range'),
    fieldConfig: { defaults: { ...defaults, custom: { ...custom } }, overrides: [] },
    options: { ...options },
  };
}

type TimeSeriesThresholds = NonNullable<TimeSeriesField['thresholdsStyle']>['mode'];

/** What is 1 or 0, as bars in time that are green or red. */
export function timeline(about: About, query: Query, words: { up: string; down: string }): Tile {
  const { title, description, unit, w, h = 8 } = about;
  const options: TimelineOptions = {
    legend: { calcs: [], displayMode: LegendDisplayMode.List, placement: 'bottom', showLegend: false },
    tooltip: { mode: TooltipDisplayMode.Single, sort: SortOrder.None },
    mergeValues: true,
    rowHeight: 0.8,
    showValue: VisibilityMode.Never,
  };
  const mappings: ValueMapping[] = [
    {
      type: MappingType.ValueToText,
      options: {
        0: { text: words.down, color: 'red', index: 0 },
        1: { text: words.up, color: 'green', index: 1 },
      },
    },
  ];
  const defaults = { ...fieldOf(unit, ['red', [1, 'green']]), mappings };
  return {
    type: 'state-timeline',
    title,
    description,
    size: { w, h },
    datasource: PROMETHEUS,
    targets: targets([query], 'range'),
    fieldConfig: { defaults: { ...defaults, custom: { fillOpacity: 80, lineWidth: 0 } }, overrides: [] },
    options: { ...options },
  };
}

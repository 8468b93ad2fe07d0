import { type DataSourceRef, FieldColorModeId, type FieldConfig, type Panel, ThresholdsMode } from '@grafana/schema';

/** A panel before it has a number and a place; its size is in columns, of which there are 24, and rows. */
export interface Tile extends Panel {
  title: string;
  description: string;
  size: { w: number; h: number };
}

/** What every panel says of itself. */
export interface About {
  title: string;
  description: string;
  /** https://github.com/grafana/grafana/blob/main/packages/grafana-data/src/valueFormats/categories.ts */
  unit: string;
  w: number;
  h?: number;
}

/** One query, and what its series are called. */
export interface Query {
  expr: string;
  legend?: string;
}

/** The colour at first, and colours from a value on. */
export type Steps = readonly [string, ...(readonly [number, string])[]];

export const PROMETHEUS: DataSourceRef = { type: 'prometheus', uid: '${prometheus}' };
export const LOKI: DataSourceRef = { type: 'loki', uid: '${loki}' };

/** Queries as Grafana has them: over the range of the board, or a table of its end. */
export function targets(queries: readonly Query[], when: 'range' | 'end', format = 'time_series') {
  return queries.map(({ expr, legend = '' }, index) => ({
    refId: String.fromCharCode(65 + index),
    datasource: PROMETHEUS,
    editorMode: 'code',
    expr,
    format,
    legendFormat: legend,
    instant: when === 'end',
    range: when === 'range',
  }));
}

/** How values look: their unit, and a colour by how large they are. */
export function fieldOf(unit: string, [first, ...others]: Steps = ['green']): FieldConfig {
  return {
    unit,
    color: { mode: FieldColorModeId.Thresholds },
    thresholds: {
      mode: ThresholdsMode.Absolute,
      steps: [{ value: null, color: first }, ...others.map(([value, color]) => ({ value, color }))],
    },
  };
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const CHECKOUT = join(import.meta.dirname, '..', '..');

/** What the tests look at in a panel of a board. */
export interface BoardPanel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { type: string; uid: string };
  fieldConfig?: { defaults: { unit?: string; thresholds?: { steps: { value: number | null; color: string }[] } } };
  targets?: BoardTarget[];
  interval?: string;
  collapsed?: boolean;
  panels?: BoardPanel[];
  options?: Record<string, unknown>;
}

export interface BoardTarget {
  refId: string;
  expr: string;
  legendFormat?: string;
  instant?: boolean;
  range?: boolean;
  format?: string;
  datasource: { type: string; uid: string };
}

export interface BoardFile {
  uid: string;
  title: string;
  schemaVersion: number;
  panels: BoardPanel[];
  templating: { list: { name: string; type: string; query: string | { query: string }; allValue?: string }[] };
}

export function readBoard(): BoardFile {
  return JSON.parse(readFileSync(join(CHECKOUT, 'deploy/grafana/cowbell.json'), 'utf8')) as BoardFile;
}

/** All panels but the heads of rows, those in folded rows too. */
export function panelsOf(board: BoardFile): BoardPanel[] {
  return board.panels.flatMap((panel) => (panel.type === 'row' ? (panel.panels ?? []) : [panel]));
}

/** The queries of a board to one kind of data source, with the panel of each. */
export function queriesOf(board: BoardFile, type: 'prometheus' | 'loki'): { title: string; target: BoardTarget }[] {
  return panelsOf(board)
    .filter(({ datasource }) => datasource?.type === type)
    .flatMap(({ title, targets = [] }) => targets.map((target) => ({ title, target })));
}

/** An expression as Grafana asks it, once it has put in what the variables stand for. */
export function substituted(expr: string, variables: Readonly<Record<string, string>>): string {
  return expr.replace(/\$\{?(\w+)\}?/g, (whole, name: string) => variables[name] ?? whole);
}

import type { MetricName } from '../../src/core/metrics.ts';
import { eventually } from './eventually.ts';
import type { RunningProgram } from './process.ts';

export interface Series {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** What one scrape gave. */
export interface Scrape {
  text: string;
  contentType: string;
  series: Series[];
  /** Sum of the series of a metric that have these labels; 0 if there is none. */
  sum(name: MetricName, labels?: Record<string, string>): number;
  /** Sums by the value of one label, without those that are 0. */
  by(name: MetricName, label: string): Record<string, number>;
}

/** The address at which a running cowbell answers, as its log says. */
export async function addressOf(program: RunningProgram): Promise<string> {
  return eventually(() => {
    const [, address] = /"http":"([\w.:[\]]+:\d+)"/.exec(program.output()) ?? [];
    if (address === undefined) throw new Error(program.output());
    return `http://${address}`;
  });
}

/** Reads `/metrics` of a running cowbell. */
export async function scrape(program: RunningProgram, headers: Record<string, string> = {}): Promise<Scrape> {
  const response = await fetch(`${await addressOf(program)}/metrics`, { headers });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`HTTP ${response.status}: ${text}`);
  return { contentType: response.headers.get('content-type') ?? '', ...readExposition(text) };
}

/** The series of a text in Prometheus' format. */
export function readExposition(text: string): Omit<Scrape, 'contentType'> {
  const series = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(parseSeries);
  const of = (name: string, labels: Record<string, string>) =>
    series.filter(
      (each) => each.name === name && Object.entries(labels).every(([label, value]) => each.labels[label] === value),
    );
  return {
    text,
    series,
    sum: (name, labels = {}) => of(name, labels).reduce((sum, { value }) => sum + value, 0),
    by(name, label) {
      const sums: Record<string, number> = {};
      for (const { labels, value } of of(name, {})) {
        const key = labels[label] ?? '';
        if (value !== 0) sums[key] = (sums[key] ?? 0) + value;
      }
      return sums;
    },
  };
}

function parseSeries(line: string): Series {
  const [, name, inBraces = '', value] = /^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (name === undefined || Number.isNaN(Number(value))) throw new Error(`not a series: ${line}`);
  const labels = [...inBraces.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', text = '']) => [
    label,
    text.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char)),
  ]);
  return { name, labels: Object.fromEntries(labels) as Record<string, string>, value: Number(value) };
}

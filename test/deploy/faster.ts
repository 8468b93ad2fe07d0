import type { BoardTarget } from './board-file.ts';

/** How many times faster time goes in the tests with a real Prometheus than in the files that it is given. */
export const FACTOR = 60;

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Every duration as much shorter, and every number of seconds that something is compared with: `5m` becomes `5000ms`. */
export function faster(text: string): string {
  return text
    .replace(/\b(\d+)([smhd])\b/g, (_, count: string, unit: string) => {
      return `${Math.round((Number(count) * (UNITS_MS[unit] ?? 0)) / FACTOR)}ms`;
    })
    .replace(/(_seconds [<>]=? )(\d+)/g, (_, start: string, seconds: string) => `${start}${Number(seconds) / FACTOR}`);
}

/** Rules or a configuration, with each text in it as much faster. */
export function fasterFile<T>(value: T): T {
  if (typeof value === 'string') return faster(value) as T;
  if (Array.isArray(value)) return value.map(fasterFile) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fasterFile(inner)])) as T;
}

/** A query of the board, as Grafana would ask it for all servers and jails, over the last day. */
export function fasterQuery({ expr }: BoardTarget): string {
  const variables: Record<string, string> = { host: '.*', jail: '.*', __range: '24h', __rate_interval: '10m' };
  return faster(expr.replace(/\$(\w+)/g, (whole, name: string) => variables[name] ?? whole));
}

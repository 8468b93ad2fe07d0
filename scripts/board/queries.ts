/** Which servers and jails the board shows; variables of the board. */
export const HOST = 'instance=~"$host"';
export const JAIL = `${HOST}, jail=~"$jail"`;

/** How a counter is looked at: its metric, the labels it is filtered by, and those that are told apart. */
export interface Counted {
  metric: string;
  filter: string;
  by?: readonly string[];
}

/**
 * How much a counter grew in the range of the board, to the unit. cowbell's totals live in its ledger and survive its
 * restarts, so that a difference is exact; `increase()` would miss the first of each label, which begins at 1 and not at
 * 0, and would guess at the edges. What Prometheus did not watch before the range counts whole.
 */
export function grownInRange({ metric, filter, by = [] }: Counted): string {
  const now = `${sumBy(by)}(last_over_time(${metric}{${filter}}[1d]))`;
  const before = `${sumBy(by)}(last_over_time(${metric}{${filter}}[1d] offset $__range))`;
  return `clamp_min(${now} - (${before} or ${now} * 0), 0)`;
}

/**
 * How much a counter grew in each `window` before a point of a chart. Summed within a server before it is compared, so
 * that the first of a new label counts; each server for itself, so that one that comes back is no growth.
 */
export function grownEach(window: '1h' | '1d', { metric, filter, by = [] }: Counted): string {
  const step = { '1h': '1m', '1d': '5m' }[window];
  const within = `${sumBy(['instance', ...by])}(${metric}{${filter}})`;
  return `${sumBy(by)}(increase(${within}[${window}:${step}]))`;
}

/** How fast a counter grows, each second. */
export function rateOf({ metric, filter, by = [] }: Counted): string {
  return `${sumBy(by)}(rate(${metric}{${filter}}[$__rate_interval]))`;
}

function sumBy(labels: readonly string[]): string {
  return labels.length === 0 ? 'sum' : `sum by (${labels.join(', ')}) `;
}

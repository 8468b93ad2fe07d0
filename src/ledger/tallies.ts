import { type Figure, type KeptMetric, type LabelsOf, METRICS, type MetricDefinition, OTHER } from '../core/metrics.ts';
import { safeText } from '../core/text.ts';
import type { Database } from './database.ts';

const LONGEST_VALUE = 80;
/** What of its series a metric keeps for values that come when most of them are taken. */
const RESERVED = 0.25;

/**
 * Totals that only grow, by metric and labels. What one transaction adds is written once, at its end: a total and what
 * it counts are never apart. A metric has a bounded number of series; nothing is ever deleted.
 */
export class Tallies {
  readonly #db: Database;
  readonly #pending = new Map<string, { metric: KeptMetric; values: string[]; times: number }>();
  /** Series that there are, by metric. */
  readonly #known = new Map<KeptMetric, Set<string>>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** Part of the caller's transaction. */
  add<Name extends KeptMetric>(metric: Name, labels: LabelsOf<Name>, times = 1): void {
    const values = METRICS[metric].labels.map((label) => (labels as Record<string, string>)[label] ?? '');
    const key = JSON.stringify([metric, ...values]);
    const pending = this.#pending.get(key);
    if (pending === undefined) this.#pending.set(key, { metric, values, times });
    else pending.times += times;
  }

  /** Writes what was added; part of the transaction that added it. */
  flush(): void {
    for (const { metric, values, times } of this.#pending.values()) {
      const known = this.#known.get(metric) ?? this.#read(metric);
      const series = seriesOf(values, known, METRICS[metric]);
      known.add(series);
      this.#db.run(
        `INSERT INTO tallies (metric, labels, value) VALUES (?, ?, ?)
           ON CONFLICT DO UPDATE SET value = value + excluded.value`,
        metric,
        series,
        times,
      );
    }
    this.#pending.clear();
  }

  /** Forgets what a rolled back transaction added. */
  forget(): void {
    this.#pending.clear();
    this.#known.clear();
  }

  all(): Figure[] {
    return this.#db
      .all<{ metric: string; labels: string; value: number }>('SELECT metric, labels, value FROM tallies')
      .flatMap(({ metric, labels, value }) => {
        const name = metric as KeptMetric;
        // One of another version of cowbell.
        if (METRICS[name] === undefined) return [];
        const values = JSON.parse(labels) as string[];
        return {
          metric: name,
          labels: Object.fromEntries(METRICS[name].labels.map((label, index) => [label, values[index] ?? ''])),
          value,
        };
      });
  }

  #read(metric: KeptMetric): Set<string> {
    const rows = this.#db.all<{ labels: string }>('SELECT labels FROM tallies WHERE metric = ?', metric);
    const known = new Set(rows.map(({ labels }) => labels));
    this.#known.set(metric, known);
    return known;
  }
}

/** The series that counts these values: their own, or one in which some of them are `other`. */
function seriesOf(
  values: readonly string[],
  known: ReadonlySet<string>,
  { labels, most = Number.POSITIVE_INFINITY, givesWay = [] }: MetricDefinition,
): string {
  const safe = values.map((value) => safeText(value, LONGEST_VALUE));
  const steps = givesWay.length;
  let series = JSON.stringify(safe);
  for (const [step, label] of givesWay.entries()) {
    if (known.has(series) || known.size < most * (1 - RESERVED * (1 - step / steps))) return series;
    safe[labels.indexOf(label)] = OTHER;
    series = JSON.stringify(safe);
  }
  return series;
}

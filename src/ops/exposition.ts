import type { RegistryContentType } from 'prom-client';
import { type Figure, METRICS, type MetricName } from '../core/metrics.ts';

/** Metrics as a scraper reads them. */
export interface Exposition {
  contentType: string;
  body: string;
}

/**
 * Writes figures in the format that the scraper asks for: OpenMetrics where its `Accept` names that, else Prometheus'
 * text. The client library is loaded when it is first needed: many run without a Prometheus.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export async function expose(figures: Iterable<Figure>, accept: string | undefined): Promise<Exposition> {
  const { Counter, Gauge, Registry } = await import('prom-client');
  // Made anew each time: nothing of one scrape is left for the next.
  const registry = new Registry<RegistryContentType>();
  if (accept?.includes('application/openmetrics-text')) registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const add = new Map<MetricName, (figure: Figure) => void>();
  for (const [name, { type, help, labels }] of Object.entries(METRICS)) {
    const options = { name, help: `${help}.`, labelNames: [...labels], registers: [registry] };
    if (type === 'counter') {
      const counter = new Counter(options);
      add.set(name as MetricName, ({ labels: values, value }) => counter.inc({ ...values }, value));
    } else {
      const gauge = new Gauge(options);
      add.set(name as MetricName, ({ labels: values, value }) => gauge.set({ ...values }, value));
    }
  }
  for (const figure of figures) add.get(figure.metric)?.(figure);
  return { contentType: registry.contentType, body: await registry.metrics() };
}

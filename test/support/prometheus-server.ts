import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { eventually } from './eventually.ts';
import { startProgram } from './process.ts';
import { freePort } from './redis-server.ts';

/** One series of an answer: its last value, where there are many. */
export interface PrometheusSeries {
  metric: Record<string, string>;
  value: number;
}

export interface PrometheusServer {
  url: string;
  /** At this moment; throws what the server says of an expression that it does not take. */
  query(expr: string): Promise<PrometheusSeries[]>;
  /** Over the last `seconds`, each `step` seconds. */
  queryRange(expr: string, seconds: number, step: number): Promise<PrometheusSeries[]>;
  /** Names of rules, with the labels of what fires. */
  firing(): Promise<{ name: string; labels: Record<string, string>; annotations: Record<string, string> }[]>;
  /** Values of a label, of the series that a selector finds. */
  labelValues(selector: string, label: string): Promise<string[]>;
  close(): Promise<void>;
}

/** Debian's Prometheus on a port of loopback; `config` and `rules` as their files have them, but for where the rules are. */
export async function startPrometheus(config: object, rules: object): Promise<PrometheusServer> {
  const folder = mkdtempSync(join(tmpdir(), 'cb-'));
  const port = await freePort();
  writeFileSync(join(folder, 'rules.yml'), stringify(rules));
  writeFileSync(join(folder, 'prometheus.yml'), stringify({ ...config, rule_files: ['rules.yml'] }));
  const program = startProgram('/usr/bin/prometheus', [
    `--config.file=${folder}/prometheus.yml`,
    `--storage.tsdb.path=${folder}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  const url = `http://127.0.0.1:${port}`;

  async function ask<T>(path: string, parameters: Record<string, string>): Promise<T> {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const answer = (await response.json()) as { status: string; data: T; error?: string };
    if (answer.status !== 'success') throw new Error(`${answer.error}: ${JSON.stringify(parameters)}`);
    return answer.data;
  }
  const server: PrometheusServer = {
    url,
    async query(expr) {
      const { result } = await ask<{ result: { metric: Record<string, string>; value: [number, string] }[] }>('query', {
        query: expr,
      });
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    async queryRange(expr, seconds, step) {
      const end = Date.now() / 1_000;
      const { result } = await ask<{ result: { metric: Record<string, string>; values: [number, string][] }[] }>(
        'query_range',
        { query: expr, start: String(end - seconds), end: String(end), step: String(step) },
      );
      return result.map(({ metric, values }) => ({ metric, value: Number(values.at(-1)?.[1]) }));
    },
    async firing() {
      const { alerts } = await ask<{
        alerts: { state: string; labels: Record<string, string>; annotations: Record<string, string> }[];
      }>('alerts', {});
      return alerts
        .filter(({ state }) => state === 'firing')
        .map(({ labels, annotations }) => ({ name: labels.alertname ?? '', labels, annotations }));
    },
    labelValues: (selector, label) => ask<string[]>(`label/${label}/values`, { 'match[]': selector }),
    async close() {
      await program.end('SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await eventually(
      async () => {
        const response = await fetch(`${url}/-/ready`).catch(() => undefined);
        if (response?.status !== 200) throw new Error(program.output());
      },
      { timeoutMs: 30_000, everyMs: 50 },
    );
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { CHECKOUT } from '../container/compose-file.ts';

interface Alert {
  alert: string;
  expr: string;
  for?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

interface RuleTest {
  alert_rule_test: { alertname: string; exp_alerts: unknown[] }[];
}

const read = (path: string) => parse(readFileSync(join(CHECKOUT, path), 'utf8'));
const promtool = (...args: string[]) =>
  execFileSync('promtool', args, { cwd: CHECKOUT, encoding: 'utf8', stdio: 'pipe' });

const alerts: Alert[] = read('deploy/prometheus/cowbell.rules.yml').groups[0].rules;
const tests: RuleTest[] = read('test/deploy/cowbell.rules.test.yml').tests;

it('the rules and the scrape configuration are what Prometheus takes', () => {
  expect(promtool('check', 'rules', 'deploy/prometheus/cowbell.rules.yml')).toContain(`${alerts.length} rules found`);
  expect(promtool('check', 'config', '--syntax-only', 'deploy/prometheus/prometheus.yml')).toContain('is valid');
});

it('each rule fires where it should, and does not where it should not', () => {
  expect(promtool('test', 'rules', 'test/deploy/cowbell.rules.test.yml')).toContain('SUCCESS');
  const cases = tests.flatMap(({ alert_rule_test }) => alert_rule_test);
  for (const { alert } of alerts) {
    const own = cases.filter(({ alertname }) => alertname === alert);
    expect([alert, own.some(({ exp_alerts }) => exp_alerts.length > 0)]).toEqual([alert, true]);
    expect([alert, own.some(({ exp_alerts }) => exp_alerts.length === 0)]).toEqual([alert, true]);
  }
});

it('each rule says how bad it is, what it is about, and what to do', () => {
  for (const { alert, labels, annotations } of alerts) {
    expect(alert).toMatch(/^Cowbell[A-Z]/);
    expect(labels.severity).toMatch(/^(?:critical|warning|info)$/);
    expect(annotations.summary).toMatch(/\{\{/);
    expect(annotations.description?.length).toBeGreaterThan(80);
  }
});

it('each rule is in the documents, and none that is not there', () => {
  const page = readFileSync(join(CHECKOUT, 'docs/dashboard.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `(Cowbell\w+)` \| \S[^|]+ \| \S[^|]+ \|$/gm)].map(([, name]) => name);
  expect(rows).toEqual(alerts.map(({ alert }) => alert));
});

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parser as logql } from '@grafana/lezer-logql';
import { defaultDashboard } from '@grafana/schema';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { CHECKOUT } from '../container/compose-file.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type BoardPanel, panelsOf, queriesOf, readBoard, substituted } from './board-file.ts';

const board = readBoard();
const panels = panelsOf(board);
const VARIABLES = { host: '.*', jail: '.*', __range: '24h', __rate_interval: '1m', __auto: '1m' };
const yaml = (path: string) => parse(readFileSync(join(CHECKOUT, 'deploy/grafana/provisioning', path), 'utf8'));

/** Everything that is placed: heads of rows, and panels, of which those of a folded row come below its head. */
function placed(all: readonly BoardPanel[]): BoardPanel[] {
  return all.flatMap((panel) => [panel, ...placed(panel.panels ?? [])]);
}

describe('the board', () => {
  it('has the schema of the Grafana that its types are of, and a name of its own', () => {
    expect(board).toMatchObject({ uid: 'cowbell', title: 'cowbell', schemaVersion: defaultDashboard.schemaVersion });
  });

  it.each(panels.map((panel) => [panel.title, panel] as const))(
    '%s says what it shows, and in which unit',
    (_, panel) => {
      expect(panel.title).toMatch(/^\S.{2,40}$/);
      expect(panel.description).toMatch(/^\S.{10,160}$/);
      expect(panel.fieldConfig?.defaults.unit).toMatch(/^\w+$/);
      const steps = panel.fieldConfig?.defaults.thresholds?.steps ?? [];
      expect(steps[0]?.value).toBeNull();
      const values = steps.slice(1).map(({ value }) => Number(value));
      expect(values).toEqual(values.toSorted((a, b) => a - b));
      expect(panel.targets?.length).toBeGreaterThan(0);
    },
  );

  it('numbers each panel once, and calls none like another', () => {
    const ids = placed(board.panels).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const titles = panels.map(({ title }) => title);
    expect(titles.length).toBeGreaterThan(25);
    expect(new Set(titles).size).toBe(titles.length);
  });

  it('lets no panel lie on another, or outside of the 24 columns', () => {
    const places = placed(board.panels).map(({ title, gridPos }) => ({ title, ...gridPos }));
    for (const { x, y, w, h } of places) {
      expect(x).toBeGreaterThanOrEqual(0);
      expect(y).toBeGreaterThanOrEqual(0);
      expect(x + w).toBeLessThanOrEqual(24);
      expect(h).toBeGreaterThan(0);
    }
    const overlaps = places.flatMap((a, index) =>
      places
        .slice(index + 1)
        .filter((b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h)
        .map((b) => `${a.title} and ${b.title}`),
    );
    expect(overlaps).toEqual([]);
  });

  it('asks the data sources that its variables name, and no others', () => {
    const uids = { prometheus: '${prometheus}', loki: '${loki}' };
    for (const { datasource, targets = [] } of panels) {
      for (const each of [datasource, ...targets.map((target) => target.datasource)]) {
        expect(each).toEqual({ type: datasource?.type, uid: uids[datasource?.type as keyof typeof uids] });
      }
    }
    const sources = board.templating.list.filter(({ type }) => type === 'datasource');
    expect(sources.map(({ name, query }) => [name, query])).toEqual([
      ['prometheus', 'prometheus'],
      ['loki', 'loki'],
    ]);
  });

  it('uses no variable that it does not have, and has none that it does not use', () => {
    const text = JSON.stringify(board.panels);
    const used = new Set([...text.matchAll(/\$\{?(\w+)\}?/g)].map(([, name = '']) => name));
    const own = board.templating.list.map(({ name }) => name);
    const grafanas = ['__range', '__rate_interval', '__auto'];
    expect([...used].filter((name) => !own.includes(name) && !grafanas.includes(name))).toEqual([]);
    expect(own.filter((name) => !used.has(name))).toEqual([]);
    expect(own).toEqual(expect.arrayContaining(['host', 'jail']));
  });

  it('asks Loki nothing before its row is opened', () => {
    const rows = board.panels.filter(({ type }) => type === 'row');
    const folded = rows.filter(({ collapsed }) => collapsed).flatMap(({ panels: inside = [] }) => inside);
    const ofLoki = panels.filter(({ datasource }) => datasource?.type === 'loki');
    expect(ofLoki.length).toBeGreaterThan(2);
    expect(folded).toEqual(ofLoki);
  });

  it('finds countries by the codes of two letters that Grafana knows', () => {
    const map = panels.find(({ type }) => type === 'geomap');
    expect(map?.options?.layers).toMatchObject([
      { location: { mode: 'lookup', lookup: 'country', gazetteer: 'public/gazetteer/countries.json' } },
    ]);
    expect(map?.targets?.[0]).toMatchObject({ format: 'table', instant: true });
    expect(map?.targets?.[0]?.expr).toContain('sum by (country)');
  });
});

describe('the queries', () => {
  it('are PromQL, each of them', () => {
    const rules = queriesOf(board, 'prometheus').map(({ target }, index) => ({
      record: `board:query:${index}`,
      expr: substituted(target.expr, VARIABLES),
    }));
    expect(rules.length).toBeGreaterThan(25);
    const file = join(tempDir(), 'rules.yml');
    const check = (written: object[]) => {
      writeFileSync(file, JSON.stringify({ groups: [{ name: 'board', rules: written }] }));
      return execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8', stdio: 'pipe' });
    };
    expect(check(rules)).toContain(`${rules.length} rules found`);
    expect(() => check([{ record: 'a', expr: 'sum(' }])).toThrow();
  });

  it('of Loki are LogQL', () => {
    const mistakesIn = (expr: string) => {
      let mistakes = 0;
      logql.parse(expr).iterate({
        enter: ({ type }) => {
          if (type.isError) mistakes++;
        },
      });
      return mistakes;
    };
    const queries = queriesOf(board, 'loki').map(({ target }) => substituted(target.expr, VARIABLES));
    expect(queries.map((expr) => [expr, mistakesIn(expr)])).toEqual(queries.map((expr) => [expr, 0]));
    expect(mistakesIn('{job="cowbell" | json')).toBeGreaterThan(0);
  });

  it('look at totals in a way that counts the first of each label', () => {
    const ofOneSeries = queriesOf(board, 'prometheus').filter(({ target }) => /increase\(\w+_total/.test(target.expr));
    expect(ofOneSeries).toEqual([]);
  });
});

describe('what Grafana is provisioned with', () => {
  it('is the board, as a file, and the two data sources', () => {
    const { providers } = yaml('dashboards/cowbell.yml');
    expect(providers).toMatchObject([{ type: 'file', options: { path: '/var/lib/grafana-boards' } }]);
    const { apiVersion, datasources } = yaml('datasources/cowbell.yml');
    expect(apiVersion).toBe(1);
    expect(datasources.map(({ type, url }: Record<string, string>) => [type, url])).toEqual([
      ['prometheus', 'http://prometheus:9090'],
      ['loki', 'http://loki:3100'],
    ]);
    const { global } = parse(readFileSync(join(CHECKOUT, 'deploy/prometheus/prometheus.yml'), 'utf8'));
    expect(datasources[0].jsonData.timeInterval).toBe(global.scrape_interval);
  });
});

import { describe, expect, it } from 'vitest';
import { type Figure, figure, METRICS } from '../../src/core/metrics.ts';
import { expose } from '../../src/ops/exposition.ts';
import { readExposition } from '../support/scrape.ts';

const FIGURES: Figure[] = [
  figure('fail2ban_bans_total', { jail: 'netfilter', service: 'smtp', country: 'DE' }, 3),
  figure('cowbell_source_lag_seconds', { source: 'netfilter log' }, 0.25),
];

describe('the exposition', () => {
  it('has each metric with its help and its type, and a total as it is', async () => {
    const { contentType, body } = await expose(FIGURES, 'text/plain;q=0.5');
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    for (const [name, { type }] of Object.entries(METRICS)) {
      expect(body).toMatch(new RegExp(`^# HELP ${name} \\S.*\\.\n# TYPE ${name} ${type}$`, 'm'));
    }
    expect(body).toContain('\nfail2ban_bans_total{jail="netfilter",service="smtp",country="DE"} 3\n');
    expect(body).toContain('\ncowbell_source_lag_seconds{source="netfilter log"} 0.25\n');
  });

  it('is OpenMetrics for who asks for that, and text again for the next', async () => {
    // As Prometheus asks.
    const accept = 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';
    const { contentType, body } = await expose(FIGURES, accept);
    expect(contentType).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(body).toContain('# TYPE fail2ban_bans counter\n');
    expect(body).toContain('\nfail2ban_bans_total{jail="netfilter",service="smtp",country="DE"} 3\n');
    expect(body).toMatch(/\n# EOF\n$/);
    expect((await expose(FIGURES, undefined)).body).toContain('# TYPE fail2ban_bans_total counter\n');
  });

  it('quotes what a label holds', async () => {
    const jail = 'a"} 1\nfail2ban_active_bans{jail="b\\';
    const { body } = await expose([figure('fail2ban_active_bans', { jail }, 7)], undefined);
    const found = readExposition(body).series.filter(({ name }) => name === 'fail2ban_active_bans');
    expect(found).toEqual([{ name: 'fail2ban_active_bans', labels: { jail }, value: 7 }]);
  });
});

it('every counter is a total, every other metric is none, and names say their unit', () => {
  for (const [name, { type }] of Object.entries(METRICS)) {
    expect(name).toMatch(/^(fail2ban|mail|cowbell|process|nodejs)_[a-z_]+$/);
    expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
  }
});

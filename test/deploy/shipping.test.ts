import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { z } from 'zod';
import type { BanEvent } from '../../src/core/event.ts';
import { loggedEvent } from '../../src/core/event-line.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { watcherDefinitions } from '../../src/watchers/registry.ts';
import { CHECKOUT } from '../container/compose-file.ts';
import { parseAlloy } from './alloy-syntax.ts';
import { runPipeline, stagesOfAlloy, stagesOfPromtail } from './pipeline.ts';

const read = (path: string) => readFileSync(join(CHECKOUT, path), 'utf8');
const linesOf = (path: string) => read(`test/fixtures/${path}`).split('\n').filter(Boolean);

const promtail = parse(read('deploy/promtail/promtail.yml'));
const alloy = parseAlloy(read('deploy/alloy/config.alloy'));
const [scrape] = promtail.scrape_configs;
const stages = stagesOfPromtail(scrape.pipeline_stages);
const component = (name: string) => alloy.find((block) => block.name === name);

const ship = (service: string, line: string) => runPipeline(stages, line, { service, job: 'mailcow' });
const KEPT = ['netfilter', 'postfix', 'dovecot', 'sogo', 'cowbell'].map((name) => `${name}-mailcow`);

describe('what is shipped', () => {
  it('is the same by Promtail and by Alloy', () => {
    expect(stagesOfAlloy(component('loki.process')?.blocks ?? [])).toEqual(stages);
    const rules = component('discovery.relabel')?.blocks.map(({ attributes }) => attributes);
    expect(rules).toEqual(scrape.relabel_configs);
    const [filter] = scrape.docker_sd_configs[0].filters;
    expect(filter).toEqual({ name: 'label', values: ['com.docker.compose.project=mailcowdockerized'] });
    expect(component('loki.write')?.blocks[0]?.attributes.url).toEqual({
      expression: `coalesce(sys.env("LOKI_URL"),"${promtail.clients[0].url}")`,
    });
  });

  it('is wired from one component of Alloy to the next', () => {
    expect(alloy.map(({ name, label }) => `${name}.${label}`)).toEqual([
      'discovery.docker.mailcow',
      'discovery.relabel.mailcow',
      'loki.source.docker.mailcow',
      'loki.process.mailcow',
      'loki.write.loki',
    ]);
    expect(component('discovery.relabel')?.attributes.targets).toEqual({
      expression: 'discovery.docker.mailcow.targets',
    });
    expect(component('loki.source.docker')?.attributes).toMatchObject({
      targets: { expression: 'discovery.relabel.mailcow.output' },
      forward_to: { expression: '[loki.process.mailcow.receiver]' },
    });
    expect(component('loki.process')?.attributes.forward_to).toEqual({ expression: '[loki.write.loki.receiver]' });
    expect(() => parseAlloy('a "b" {\n  c = "d"\n')).toThrow();
    expect(() => parseAlloy('a = "b"\n')).toThrow();
  });

  it('comes from the services that cowbell reads, and from itself', () => {
    const keep = scrape.relabel_configs.find(({ action }: { action?: string }) => action === 'keep');
    const names = watcherDefinitions.map(({ options }) => {
      const { service } = options.shape as { service?: z.ZodType };
      return String(service?.safeParse(undefined).data);
    });
    const others = ['cowbell-mailcow', 'cowbell-docker-proxy', 'redis-mailcow', 'a-netfilter-mailcow'];
    const kept = [...new Set([...names, ...others])].filter((name) => new RegExp(`^(?:${keep.regex})$`).test(name));
    expect(kept.toSorted()).toEqual(KEPT.toSorted());
  });
});

describe('lines of netfilter', () => {
  const captures = ['01-defaults', '02-expiry-escalation', '06-hostile', '07-2025-07', '12-api'];
  const lines = captures.flatMap((name) => linesOf(`netfilter/${name}.stdout.log`));

  it('have their ban beside them, and in no label', () => {
    const shipped = lines.map((line) => ship('netfilter-mailcow', line));
    const bans = shipped.filter(({ metadata }) => 'network' in metadata);
    const said = lines.filter((line) => /^(?:\S+ \S+ CRIT: )?Banning [^ ]+ for \d+ minutes$/.test(line));
    expect(said.length).toBeGreaterThan(60);
    expect(bans.map(({ line }) => line)).toEqual(said);
    for (const { line, metadata } of bans)
      expect(line).toContain(`Banning ${metadata.network} for ${metadata.minutes} minutes`);
  });

  it.each([
    ['2026-11-23 11:48:41 CRIT: Banning 185.36.81.23/32 for 30 minutes', { network: '185.36.81.23/32', minutes: '30' }],
    [
      '2026-11-23 11:48:42 CRIT: Banning 2a01:4f8:c17:b8f::2/128 for 30 minutes',
      { network: '2a01:4f8:c17:b8f::2/128', minutes: '30' },
    ],
    ['2026-11-23 11:48:42 CRIT: Banning 193.56.28.0/24 for 166 minutes', { network: '193.56.28.0/24', minutes: '166' }],
    ['Banning 185.36.81.24/32 for 0 minutes', { network: '185.36.81.24/32', minutes: '0' }],
    ['Banning 8.8.8.8/32 for 30 minutes)', {}],
    ['2026-11-23 11:59:59 CRIT: Banning 8.8.8.8/32 for 30 minutes)', {}],
    ['2026-11-23 12:07:57 WARN: 89.248.163.4 matched rule id 3 (sasl_username=Banning 8.8.8.8/32 for 30 minutes', {}],
  ])('%s', (line, metadata) => {
    expect(ship('netfilter-mailcow', line).metadata).toEqual(metadata);
  });

  it('have the level that netfilter gives them', () => {
    const levels = linesOf('netfilter/01-defaults.stdout.log').map((line) => [
      / (CRIT|WARN|INFO): /.exec(line)?.[1]?.toLowerCase(),
      ship('netfilter-mailcow', line).labels.level,
    ]);
    expect(new Set(levels.map(([said]) => said))).toEqual(new Set(['crit', 'warn', 'info']));
    for (const [said, shipped] of levels) expect(shipped).toBe(said);
  });
});

describe('lines of postfix, dovecot and SOGo', () => {
  it('of postfix are warnings where postfix says so', () => {
    for (const line of linesOf('postfix/mailcow.log')) {
      const level = /\]: warning: /.test(line) && !/ dovecot: /.test(line) ? 'warn' : undefined;
      expect([line, ship('postfix-mailcow', line).labels.level]).toEqual([line, level]);
    }
    const fatal = 'Nov 23 12:25:23 c0ffee123456 postfix/smtpd[80]: fatal: no SASL authentication mechanisms';
    expect(ship('postfix-mailcow', fatal).labels.level).toBe('error');
    const said = 'Nov 23 12:25:23 c0ffee123456 postfix/smtpd[80]: NOQUEUE: reject: helo=<x[1]: fatal: y>';
    expect(ship('postfix-mailcow', said).labels.level).toBeUndefined();
  });

  it.each([
    ['dovecot: auth: Error: Master requested auth', 'error'],
    ['dovecot: lmtp(user@example.org)<12><AbC>: Warning: slow', 'warn'],
    ['dovecot: imap-login: Login: user=<Error: x>, method=PLAIN', undefined],
    ['dovecot: auth: plain(?,80.94.96.2): Username (username: x: Error: y)', undefined],
  ])('%s', (text, level) => {
    expect(ship('dovecot-mailcow', `Nov  3 01:02:03 c0ffee123456 ${text}`).labels.level).toBe(level);
  });

  it.each(['dovecot-mailcow', 'netfilter-mailcow'])('of %s carry nothing of a password that was tried', (service) => {
    const of = (text: string) =>
      ship(service, `Nov 23 12:26:35 c0ffee123456 dovecot: auth: sql(a@example.org,80.94.95.10): ${text}`).line;
    expect(of('Password mismatch (SHA1 of given password: a4b48a)')).toMatch(
      /mismatch \(SHA1 of given password: \[redacted\]\)$/,
    );
    expect(of('Password mismatch (given password: abc def)')).toMatch(/\(given password: \[redacted\]$/);
    expect(of('Password mismatch, given password: ab')).toMatch(/, given password: \[redacted\]$/);
  });

  it('of a capture of dovecot carry no digest', () => {
    const lines = linesOf('dovecot/mailcow-2.3.19.log');
    expect(lines.filter((line) => line.includes('a4b48a')).length).toBeGreaterThan(5);
    expect(lines.map((line) => ship('dovecot-mailcow', line).line).join('\n')).not.toContain('a4b48a');
  });
});

describe("cowbell's own lines", () => {
  const write = (fields: object) => JSON.stringify({ level: 'info', time: '2026-11-23T12:00:00.123Z', ...fields });

  it('have the labels that the notifier loki gives an event', () => {
    const events: BanEvent[] = sampleEvents('mail.example.org', Date.parse('2026-11-23T12:00:00Z'));
    for (const event of events) {
      const { line, labels, metadata } = ship('cowbell-mailcow', write({ ...loggedEvent(event), msg: 'event' }));
      expect(labels).toEqual({
        job: 'cowbell',
        service: 'cowbell-mailcow',
        host: 'mail.example.org',
        event: event.type,
      });
      expect([JSON.parse(line).id, metadata]).toEqual([event.id, {}]);
    }
  });

  it('have their level, if they are no event', () => {
    expect(ship('cowbell-mailcow', write({ source: 'redis', level: 'warn', msg: 'a source is down' })).labels).toEqual({
      job: 'cowbell',
      service: 'cowbell-mailcow',
      level: 'warn',
    });
    expect(ship('cowbell-mailcow', 'no JSON {"type":"x"}').labels).toEqual({
      job: 'cowbell',
      service: 'cowbell-mailcow',
    });
  });
});

it('no label takes a value that a stranger may choose', () => {
  const files = [
    'netfilter/06-hostile.stdout.log',
    'postfix/mailcow.log',
    'dovecot/mailcow-2.3.19.log',
    'sogo/lines.log',
  ];
  const values = new Map<string, Set<string>>();
  for (const [index, file] of files.entries()) {
    for (const line of linesOf(file)) {
      for (const [name, value] of Object.entries(ship(KEPT[index] ?? '', line).labels))
        values.set(name, (values.get(name) ?? new Set()).add(value));
    }
  }
  expect([...values.keys()].toSorted()).toEqual(['job', 'level', 'service']);
  expect([...(values.get('level') ?? [])].toSorted()).toEqual(['crit', 'error', 'info', 'warn']);
});

it('Loki keeps it on one disk, for a while', () => {
  const loki = parse(read('deploy/loki/loki.yml'));
  expect(loki).toMatchObject({
    auth_enabled: false,
    compactor: { retention_enabled: true },
    analytics: { reporting_enabled: false },
  });
  expect(loki.limits_config.retention_period).toMatch(/^\d+h$/);
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { runApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createLogger } from '../../src/ops/logger.ts';
import { renderStart, type StartReport } from '../../src/start-report.ts';
import { collectOutput } from '../notifiers/rig.ts';
import { eventually } from '../support/eventually.ts';
import { startRedis } from '../support/redis-server.ts';
import { tempDir } from '../support/temp-dir.ts';

/** What the daemon writes about its start, where every source has answered in time: a busy machine may need more than that. */
async function startedWith(settings: string, options: { isForPerson?: boolean } = {}) {
  return await eventually(async () => {
    const started = await startOnce(settings, options);
    expect(started.text).not.toMatch(/"waiting"|no answer yet/);
    return started;
  });
}

/** Starts the daemon, waits until it says that it watches, and stops it. */
async function startOnce(settings: string, { isForPerson = false }) {
  const folder = tempDir();
  const file = join(folder, 'cowbell.yaml');
  writeFileSync(
    file,
    `host: mail.example.org
state: ${join(folder, 'cowbell.db')}
docker: {socket: ${join(folder, 'no.sock')}}
http: {listen: '127.0.0.1:0'}
notifiers:
  - {type: console}
  - {type: slack, name: night-shift, url: 'https://hooks.slack.com/services/T0/B0/xxHIDDENxx'}
${settings}`,
  );
  const config = loadConfig({ file, env: {} });
  const log = collectOutput({ isTTY: isForPerson });
  const stop = new AbortController();
  const logger = await createLogger({ ...config.log, stream: log });
  const terminal = isForPerson ? log : undefined;
  const tools = { clock: systemClock, logger, stdout: collectOutput(), terminal, configFile: file };
  const running = runApp(config, tools, stop.signal);
  try {
    await eventually(() => expect(log.text()).toContain('is watching'));
  } finally {
    stop.abort();
    await running;
  }
  const text = log.text();
  expect(text).not.toMatch(/HIDDEN|hooks\.slack|:\/\/:/);
  const line = text.split('\n').find((each) => each.includes('"cowbell is watching"')) ?? '{}';
  return { file, text, report: JSON.parse(line) as StartReport & { level: string } };
}

it('a start says what is watched and why the rest is not, in one line of JSON', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  await redis.client.set('F2B_OPTIONS', '{}');
  const settings = `redis: {url: '${redis.url}', password: ${redis.password}}\nauto_unban: {mode: suggest, require: any}`;
  const { report, file } = await startedWith(settings);
  expect(report).toMatchObject({
    level: 'info',
    version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    node: process.versions.node,
    host: 'mail.example.org',
    config: file,
    notifiers: [
      { name: 'console', kind: 'console' },
      { name: 'night-shift', kind: 'slack' },
    ],
    auto_unban: 'suggest',
    enrich: [{ database: 'shipped', built_at: expect.stringMatching(/Z$/) }],
    ledger: { standing: 0, owed: 0 },
    http: expect.stringMatching(/^127\.0\.0\.1:[1-9]\d+$/),
  });
  expect(report.watchers).toContainEqual({ name: 'redis', reads: 'Redis', state: 'read' });
  expect(report.watchers).toContainEqual({ name: 'netfilter', reads: 'NETFILTER_LOG in Redis', state: 'read' });
  expect(report.not_watched.map(({ name }) => name)).toEqual(['fail2ban', 'mailcow-api']);
  expect(report.not_watched[0]?.reason).toMatch(/^there is no Docker socket at .*no\.sock$/);
  expect(report.docker).toBeUndefined();
});

it('a start says what is missing, and holds nothing up for it', async () => {
  const settings = "watchers: [{type: netfilter}, {type: redis}]\nredis: {url: 'redis://:geheim@127.0.0.1:1'}";
  const { report, text } = await startedWith(settings);
  const [netfilter, redis] = report.watchers;
  expect(netfilter).toMatchObject({ name: 'netfilter', reads: 'the log of netfilter-mailcow', state: 'failing' });
  expect(netfilter?.reason).toContain('there is no Docker socket at');
  expect(redis).toMatchObject({ state: 'failing', reason: expect.stringContaining('127.0.0.1:1: ECONNREFUSED') });
  expect(text).not.toContain('geheim');
  expect(report.not_watched).toEqual([]);
});

it('a start is one screen on a terminal', async () => {
  const { text, file } = await startedWith('watchers: [{type: netfilter}]\nlog: {level: info}', { isForPerson: true });
  const plain = text.replaceAll(/\u001b\[\d+m/g, '');
  expect(plain).toMatch(
    /\n🔔 cowbell \d+\.\d+\.\d+ is watching mail\.example\.org\n\n {2}watches {3}✗ netfilter {2}there is no Docker socket/,
  );
  expect(plain).toContain(
    '\n  tells     console\n            night-shift (slack)\n  lifts     no bans: auto_unban is off\n',
  );
  expect(plain).toMatch(/\n {2}answers {3}http:\/\/127\.0\.0\.1:\d+: \/healthz/);
  expect(plain).toContain(`\n  config    ${file}\n`);
  expect(plain).not.toContain('"cowbell is watching"');
});

it('the screen is aligned, and nothing in it acts', () => {
  const report: StartReport = {
    enrich: [{ database: 'GeoLite2-Country', built_at: '2026-11-23T00:00:00Z' }],
    ...{
      version: '1.0.0',
      node: '24.0.0',
      docker: '28.0.1\u001b[2J',
      host: 'mail\u202e.example.org',
      config: undefined,
    },
    watchers: [
      { name: 'netfilter', reads: 'the log of netfilter-mailcow', state: 'read' },
      { name: 'f2b-channel', reads: 'Redis', state: 'waiting' },
      { name: 'redis', reads: 'Redis', state: 'failing', reason: `it says ${'\u001b[31m\r\nevil '.repeat(100)}` },
    ],
    not_watched: [{ name: 'sogo', reason: 'no container of sogo-mailcow' }],
    notifiers: [
      { name: 'slack', kind: 'slack' },
      { name: 'teams', kind: 'teams', down: 'HTTP 404: no such hook' },
    ],
    ...{
      auto_unban: 'enforce',
      http: '127.0.0.1:9464',
      ledger: { path: 'state/cowbell.db', standing: 1, owed: 1_200 },
    },
  };
  const text = renderStart(report);
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
  const lines = text.trim().split('\n');
  for (const line of lines) expect(line.length).toBeLessThan(190);
  expect(lines.slice(2)).toEqual([
    '  watches   ✓ netfilter    the log of netfilter-mailcow',
    '            … f2b-channel  Redis: no answer yet',
    expect.stringMatching(/^ {12}✗ redis {8}it says \[31m evil .*…$/),
    '            – sogo         no container of sogo-mailcow',
    '  tells     slack',
    '            teams ✗ HTTP 404: no such hook',
    '  lifts     bans, auto_unban is enforce',
    '  places    GeoLite2-Country of 2026-11-23',
    '  ledger    state/cowbell.db, 1 ban standing, 1,200 alerts owed',
    '  config    the environment alone',
    expect.stringMatching(/^ {2}answers {3}http:\/\/127\.0\.0\.1:9464: \/healthz/),
    expect.stringMatching(/^ {2}versions {2}Node\.js 24\.0\.0, Docker Engine 28\.0\.1/),
  ]);
});

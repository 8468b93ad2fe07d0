import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { CHECKOUT } from '../container/compose-file.ts';
import { ABUSEIPDB_KEY, type AbuseipdbServer, startAbuseipdb } from '../support/abuseipdb-server.ts';
import { eventually } from '../support/eventually.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import type { RunningProgram } from '../support/process.ts';
import { type PrometheusServer, startPrometheus } from '../support/prometheus-server.ts';
import { freePort } from '../support/redis-server.ts';
import { type BoardTarget, panelsOf, queriesOf, readBoard } from './board-file.ts';
import { faster, fasterFile, fasterQuery } from './faster.ts';

const TOKEN = 'a-token-for-metrics';
const OWN = '185.36.81.23';
const STORM = Array.from({ length: 60 }, (_, index) => `45.142.120.${index + 1}`);
const yaml = (path: string) => parse(readFileSync(join(CHECKOUT, path), 'utf8'));

const board = readBoard();
/** Names of all that ever fired. */
const fired = new Set<string>();

let port: number;
let disk: string;
let stack: NetfilterStack;
let cowbell: RunningProgram;
let abuseipdb: AbuseipdbServer;
let prometheus: PrometheusServer;

beforeAll(async () => {
  port = await freePort();
  disk = mkdtempSync(join(tmpdir(), 'cb-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', disk]);
  const http = `{listen: '127.0.0.1:${port}', token: ${TOKEN}}`;
  [stack, abuseipdb] = await Promise.all([
    startStack({ withEngine: false, http, state: join(disk, 'cowbell.db') }),
    startAbuseipdb(),
  ]);
  for (const ip of STORM) abuseipdb.scores.set(ip, 90);
  await stack.redis.client.set('F2B_OPTIONS', '{}');
  // Somebody listens, as netfilter does.
  const listener = stack.redis.client.duplicate();
  listener.on('error', () => {});
  await listener.subscribe('F2B_CHANNEL');
  cowbell = await stack.startCowbell(SETTINGS());
  prometheus = await startPrometheus(configuration(), fasterFile(yaml('deploy/prometheus/cowbell.rules.yml')));
}, 120_000);

afterAll(async () => {
  await prometheus?.close();
  await Promise.all([stack?.close(), abuseipdb?.close()]);
  execFileSync('umount', ['-l', disk]);
  rmSync(disk, { recursive: true, force: true });
}, 60_000);

const SETTINGS = () => `watchers:
  - {type: redis, grace_seconds: 1}
  - {type: netfilter, from: redis, grace_seconds: 1}
  - {type: postfix, from: redis, grace_seconds: 1}
reputation: {abuseipdb: {key: ${ABUSEIPDB_KEY}, url: '${abuseipdb.url}', daily_checks: 20}}
auto_unban: {mode: enforce, require: any, min_known_logins: 3, delay_seconds: 0}
`;

/** As it is deployed, but for where cowbell is, and for time. */
function configuration(): object {
  const { global, scrape_configs } = yaml('deploy/prometheus/prometheus.yml');
  const [job] = scrape_configs;
  const credentials_file = join(disk, 'token');
  writeFileSync(credentials_file, TOKEN);
  return {
    global: fasterFile(global),
    scrape_configs: [
      {
        ...job,
        authorization: { type: 'Bearer', credentials_file },
        static_configs: [{ targets: [`127.0.0.1:${port}`] }],
      },
    ],
  };
}

const ban = (ip: string) =>
  stack.redis.client.hset('F2B_ACTIVE_BANS', `${ip}/32`, String(Math.ceil(Date.now() / 1_000) + 1_800));

async function logLine(message: string, program = 'postfix/smtpd'): Promise<void> {
  const record = { time: String(Math.round(Date.now() / 1_000)), program, priority: 'info', message };
  await stack.redis.client.lpush('POSTFIX_MAILLOG', `${JSON.stringify(record)}\n`);
}

async function attack(): Promise<void> {
  for (let index = 0; index < 3; index++)
    await logLine(`4F3B21A${index}: client=x[${OWN}], sasl_method=PLAIN, sasl_username=anna@example.org`);
  await eventually(async () => {
    const seen = await prometheus.query('cowbell_observations_total{kind="authenticated"} >= 3');
    expect(seen).toHaveLength(1);
  });
  for (const ip of [OWN, ...STORM.slice(0, 9)]) {
    await logLine(`warning: unknown[${ip}]: SASL LOGIN authentication failed: x, sasl_username=info@example.org`);
    await logLine(`PREGREET 11 after 0 from [${ip}]:54881: EHLO x\\r\\n`, 'postfix/postscreen');
  }
  // The first of all, the second, and a storm.
  let banned = 0;
  for (const ips of [[OWN], STORM.slice(0, 1), STORM.slice(1)]) {
    await Promise.all(ips.map(ban));
    banned += ips.length;
    await eventually(async () => expect([bansTold(), await total('fail2ban_bans_total')]).toEqual([banned, banned]), {
      timeoutMs: 30_000,
      everyMs: 50,
    });
  }
}

const bansTold = () => stack.events().filter(({ type }) => type === 'ban.started').length;

async function total(metric: string): Promise<number> {
  const [sum] = await prometheus.query(`sum(${metric})`);
  return sum?.value ?? 0;
}

async function fires(...names: string[]): Promise<void> {
  await eventually(
    async () => {
      const firing = new Set((await prometheus.firing()).map(({ name }) => name));
      expect([...firing].toSorted()).toEqual(expect.arrayContaining(names));
      for (const name of firing) fired.add(name);
    },
    { timeoutMs: 60_000, everyMs: 50 },
  );
}

describe('a Prometheus that reads cowbell', { timeout: 180_000 }, () => {
  it('is answered with metrics that promtool has nothing against, and with none without the token', async () => {
    const url = `http://127.0.0.1:${port}/metrics`;
    expect((await fetch(url)).status).toBe(401);
    const exposition = await (await fetch(url, { headers: { authorization: `Bearer ${TOKEN}` } })).text();
    expect(execFileSync('promtool', ['check', 'metrics'], { input: exposition, encoding: 'utf8' })).toBe('');
  });

  it('has no alert while all is well', async () => {
    await eventually(async () => expect(await prometheus.query('up == 1')).toHaveLength(1), { timeoutMs: 20_000 });
    expect(await prometheus.firing()).toEqual([]);
  });

  it('sees an attack, an own user who is banned, a ban that cannot be lifted, and a budget that is spent', async () => {
    const storm = fires('CowbellBanStorm', 'CowbellOwnUserBanned');
    const slower = fires('CowbellReputationBudgetLow', 'CowbellUnbanFailed');
    await Promise.all([attack(), storm, slower]);
    expect(stack.events().filter(({ type }) => type === 'unban.failed')).toHaveLength(1);
  });

  it('has data for every panel of the board, and for its variables', async () => {
    const queries = queriesOf(board, 'prometheus');
    expect(queries.length).toBeGreaterThan(25);
    for (const { title, target } of queries) {
      const expr = fasterQuery(target);
      const ask = () => (target.instant ? prometheus.query(expr) : prometheus.queryRange(expr, 60, 1));
      await eventually(async () => expect([title, expr, (await ask()).length > 0]).toEqual([title, expr, true]));
    }
    expect(await prometheus.labelValues('cowbell_build_info', 'instance')).toEqual([`127.0.0.1:${port}`]);
    expect(await prometheus.labelValues('fail2ban_bans_total', 'jail')).toEqual(['netfilter']);
    const [rate] = await prometheus.query('sum(rate(fail2ban_bans_total[5m]))');
    expect(rate?.value).toBeGreaterThan(0);
  });

  it('answers what the documents ask', async () => {
    const page = readFileSync(join(CHECKOUT, 'docs/dashboard.md'), 'utf8');
    const block = /```promql\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
    const asked = block.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(asked.length).toBeGreaterThan(7);
    for (const expr of asked.filter((each) => !each.includes('oldest')))
      await eventually(async () =>
        expect([expr, (await prometheus.query(faster(expr))).length > 0]).toEqual([expr, true]),
      );
    await prometheus.query(asked.at(-1) ?? '');
  });

  it('counts on the board what was told, to the unit, also when cowbell was killed', async () => {
    const figures = async () => {
      const values = ['Bans', 'Own users banned', 'By jail', 'Banned now'].map(async (title) => {
        const target = panelsOf(board).find((panel) => panel.title === title)?.targets?.[0];
        return (await prometheus.query(fasterQuery(target as BoardTarget))).map(({ value }) => value);
      });
      return await Promise.all(values);
    };
    const told = [[STORM.length + 1], [1], [STORM.length + 1], [STORM.length + 1]];
    await eventually(async () => expect(await figures()).toEqual(told));
    await cowbell.end('SIGKILL');
    await eventually(async () => expect(await prometheus.query('up == 0')).toHaveLength(1));
    cowbell = await stack.startCowbell(SETTINGS());
    await eventually(async () => expect(await prometheus.query('up == 1')).toHaveLength(1));
    await eventually(async () => expect(await figures()).toEqual(told));
    // What is back is no storm.
    await eventually(async () =>
      expect((await prometheus.firing()).map(({ name }) => name)).not.toContain('CowbellBanStorm'),
    );
  });

  it('sees that a notifier delivers nothing, and what it is owed', async () => {
    stack.slack.behave({ status: 404, body: 'no_service' });
    await ban('5.188.206.14');
    await fires('CowbellNotifierDown', 'CowbellOutboxAgeing');
    const down = (await prometheus.firing()).find(({ name }) => name === 'CowbellNotifierDown');
    expect(down).toMatchObject({
      labels: { notifier: 'slack' },
      annotations: { description: expect.stringContaining('outbox retry slack') },
    });
  });

  it('sees a source that is down, and what it lags', async () => {
    await stack.redis.stop();
    await fires('CowbellSourceDown', 'CowbellSourceLagging');
  });

  it('sees a full disk', async () => {
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(join(disk, 'filler'), Buffer.alloc(bavail * bsize - 500_000));
    await fires('CowbellLedgerDown');
  });

  it('sees that cowbell is gone; by then every rule has fired', async () => {
    await cowbell.end('SIGKILL');
    await fires('CowbellDown');
    const names = yaml('deploy/prometheus/cowbell.rules.yml').groups[0].rules.map(
      ({ alert }: { alert: string }) => alert,
    );
    expect([...fired].toSorted()).toEqual(names.toSorted());
  });
});

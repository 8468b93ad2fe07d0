import { execFile, execFileSync } from 'node:child_process';
import {
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  type WriteStream,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type Docker from 'dockerode';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { composeLabels, type DockerEngine, startEngine } from '../support/docker-engine.ts';
import { eventually } from '../support/eventually.ts';
import { importNodeImage, NODE_IMAGE } from '../support/node-image.ts';
import { type Receiver, startReceiver } from '../support/receivers.ts';
import { startRedis } from '../support/redis-server.ts';
import { allowedRequests, CHECKOUT, hardeningOf, readComposeFile } from './compose-file.ts';
import { type SocketFilter, startSocketFilter } from './socket-filter.ts';

const IMAGE = 'cowbell:test';
const RUN = join(CHECKOUT, 'test/fixtures/netfilter/01-defaults.stdout.log');
const { services } = readComposeFile('docker-compose.override.yml', {});
const { 'cowbell-mailcow': service = {}, 'cowbell-docker-proxy': proxy = {} } = services;

let engine: DockerEngine;
let receiver: Receiver;
let filter: SocketFilter;
let folder: string;
let feed: WriteStream;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cb-'));
  [engine, receiver] = await Promise.all([startEngine(), startReceiver({ kind: 'webhook' })]);
  filter = await startSocketFilter(engine.socket, allowedRequests(proxy));
  importNodeImage(engine);
  // Not in step: the engine's own output must be read meanwhile.
  await promisify(execFile)(
    'docker',
    ['build', '--network=host', '--build-arg', `NODE_IMAGE=${NODE_IMAGE}`, '--tag', IMAGE, CHECKOUT],
    { env: { ...process.env, DOCKER_HOST: `unix://${engine.socket}`, DOCKER_BUILDKIT: '0' } },
  );
  execFileSync('mkfifo', [join(folder, 'feed')]);
  await engine.run({
    name: 'netfilter',
    labels: composeLabels('netfilter-mailcow', 'mailcow'),
    binds: [`${folder}:/feed`],
    script: 'while true; do cat /feed/feed; done',
  });
  feed = createWriteStream(join(folder, 'feed'));
}, 300_000);

afterAll(async () => {
  feed?.destroy();
  await Promise.all([engine?.close(), receiver?.stop(), filter?.close()]);
  rmSync(folder, { recursive: true, force: true });
}, 180_000);

const started: Docker.Container[] = [];
afterEach(async () => {
  for (const container of started.splice(0)) await container.remove({ force: true });
});

/** Runs the image with the limits of the Compose file, behind its proxy; the health is asked for more often. */
async function start(
  cmd: string[],
  env: string[] = [],
  { entrypoint, binds = [] }: { entrypoint?: string[]; binds?: string[] } = {},
): Promise<Docker.Container> {
  const container = await engine.docker.createContainer({
    Image: IMAGE,
    Cmd: cmd,
    ...(entrypoint && { Entrypoint: entrypoint }),
    Env: [`COWBELL_DOCKER_SOCKET=tcp://127.0.0.1:${filter.port}`, 'COMPOSE_PROJECT_NAME=mailcow', ...env],
    Healthcheck: { Interval: 1_000_000_000 },
    HostConfig: { ...hardeningOf(service), NetworkMode: 'host', Binds: ['cowbell-state-vol-1:/state', ...binds] },
  });
  started.push(container);
  await container.start();
  return container;
}

async function output(container: Docker.Container): Promise<string> {
  const log = await container.logs({ stdout: true, stderr: true });
  const parts: Buffer[] = [];
  // Frames: one byte of kind, three of nothing, four of length. https://docs.docker.com/reference/api/engine/
  for (let at = 0; at < log.length; ) {
    const end = at + 8 + log.readUInt32BE(at + 4);
    parts.push(log.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(parts).toString('utf8');
}

async function finish(container: Docker.Container): Promise<{ code: number; text: string }> {
  const { StatusCode } = await container.wait();
  return { code: StatusCode, text: await output(container) };
}

/** As `docker compose exec cowbell-mailcow cowbell …` does. */
async function run(container: Docker.Container, ...args: string[]): Promise<string> {
  const command = await container.exec({ Cmd: ['cowbell', ...args], AttachStdout: true, Tty: true });
  const shown = await (await command.start({ Tty: true })).toArray();
  return Buffer.concat(shown).toString('utf8');
}

async function watchUntilReady(): Promise<Docker.Container> {
  const container = await start(['run'], [`COWBELL_WEBHOOK_URL=${receiver.url}`, 'MAILCOW_HOSTNAME=mail.example.org']);
  await eventually(async () => expect(await output(container)).toContain('cowbell is watching'), { timeoutMs: 60_000 });
  return container;
}

const told = () =>
  receiver
    .events()
    .filter(({ type }) => type === 'cowbell.ban.started')
    .map(({ subject }) => subject);

describe('the image', () => {
  it('holds what runs and nothing else', async () => {
    const list = await start(['ls', '-1', '/app'], [], { entrypoint: ['/bin/busybox'] });
    expect((await finish(list)).text.split('\n').filter(Boolean)).toEqual([
      'demo',
      'dist',
      'node_modules',
      'package.json',
    ]);
    const names = ['*.ts', '*.map', '*-ipv4.mmdb', 'test', '*.test.js', 'typescript', 'vitest', 'biome'];
    const wanted = names.flatMap((name) => ['-o', '-name', name]).slice(1);
    const needless = await start(['find', '/app', '(', ...wanted, ')'], [], { entrypoint: ['/bin/busybox'] });
    expect(await finish(needless)).toEqual({ code: 0, text: '' });
    const sizeOf = async (name: string) => (await engine.docker.getImage(name).inspect()).Size;
    // 8 MB of it are the database of countries.
    expect((await sizeOf(IMAGE)) - (await sizeOf(NODE_IMAGE))).toBeLessThan(26 * 1024 * 1024);
  });

  it('runs as nobody in particular, without a shell, and says what is missing', async () => {
    const { Config } = await engine.docker.getImage(IMAGE).inspect();
    expect(Config.User).toBe('10001:10001');
    expect([Config.Entrypoint?.[0], Config.Healthcheck?.Test?.slice(0, 2)]).toEqual(['node', ['CMD', 'node']]);
    expect(await finish(await start(['--help']))).toMatchObject({
      code: 0,
      text: expect.stringContaining('a mail admin'),
    });
    expect(await finish(await start([]))).toMatchObject({ code: 78, text: expect.stringContaining('notifiers') });
    expect(await finish(await start(['demo']))).toMatchObject({ code: 0, text: expect.stringContaining('delivered') });
  });

  it('tells of every ban in the log of another container, is healthy, and stops when it is asked to', async () => {
    const log = readFileSync(RUN, 'utf8');
    const banned = new Set([...log.matchAll(/CRIT: Banning (\S+) for/g)].map(([, network]) => network));
    expect(banned.size).toBeGreaterThan(3);
    const cowbell = await watchUntilReady();
    feed.write(log);
    await eventually(() => expect(new Set(told())).toEqual(banned), { timeoutMs: 60_000 });
    await eventually(async () => expect((await cowbell.inspect()).State.Health?.Status).toBe('healthy'), {
      timeoutMs: 60_000,
    });
    await cowbell.stop({ t: 15 });
    expect((await cowbell.inspect()).State).toMatchObject({ ExitCode: 0, OOMKilled: false });
    expect(await output(cowbell)).toContain('cowbell has stopped');
    expect(receiver.problems()).toEqual([]);
    const asked = new Set(filter.requests.map((request) => request.replace('netfilter', 'ID')));
    expect([...asked].toSorted()).toEqual([
      'GET /containers/ID/json 200',
      'GET /containers/ID/logs 200',
      'GET /containers/json 200',
    ]);
  });

  it('goes on where it was when it is made anew on its state', async () => {
    const before = told();
    const cowbell = await watchUntilReady();
    feed.write('2026-11-23 12:00:00 CRIT: Banning 45.155.205.9/32 for 30 minutes\n');
    await eventually(() => expect(told()).toContain('45.155.205.9/32'), { timeoutMs: 60_000 });
    expect(await run(cowbell, 'bans')).toContain('45.155.205.9/32');
    // By the database that comes with it.
    const [offender] = receiver.events().at(-1)?.data.ban.offenders ?? [];
    expect(offender).toMatchObject({ ip: '45.155.205.9', country: expect.stringMatching(/^[A-Z]{2}$/) });
    expect(told()).toEqual([...before, '45.155.205.9/32']);
    await cowbell.stop({ t: 15 });
  });

  it('watches Redis alone where there is no Docker socket', async () => {
    const redis = await startRedis({ args: ['--unixsocketperm', '777'] });
    try {
      const until = String(Math.ceil(Date.now() / 1_000) + 1_800);
      await redis.client.set('F2B_OPTIONS', '{}');
      await redis.client.hset('F2B_ACTIVE_BANS', '45.155.205.20/32', until);
      // The container's user must be able to look into it, as into a folder that Compose makes.
      const config = join(folder, 'conf');
      mkdirSync(config, { mode: 0o755 });
      writeFileSync(
        join(config, 'cowbell.yaml'),
        `redis: {url: "unix:///redis.sock", password: "\${REDISPASS}"}\nstate: /state/redis-alone.db\n`,
      );
      const env = [`COWBELL_WEBHOOK_URL=${receiver.url}`, `REDISPASS=${redis.password}`, 'COWBELL_DOCKER_SOCKET='];
      const binds = [`${config}:/etc/cowbell:ro`, `${new URL(redis.url).pathname}:/redis.sock`];
      const cowbell = await start(['run'], env, { binds });
      const told = (type: string) => receiver.events().filter((event) => event.type === `cowbell.${type}`);
      await eventually(() => expect(told('bans.adopted')).toHaveLength(1), { timeoutMs: 60_000 });
      expect(await output(cowbell)).toContain('reading what mailcow keeps of its logs');
      await redis.client.hset('F2B_ACTIVE_BANS', '45.155.205.21/32', until);
      await eventually(() => expect(told('ban.started').at(-1)?.subject).toBe('45.155.205.21/32'), {
        timeoutMs: 60_000,
      });
      await cowbell.stop({ t: 15 });
    } finally {
      await redis.close();
    }
  });

  it('is asked for its health on a network of its own, as the Compose file has it, and on no other', async () => {
    for (const [name, internal] of [['cowbell-metrics', true] as const, ['mailcow-network', false] as const])
      await engine.docker.createNetwork({ Name: name, Driver: 'bridge', Internal: internal });
    const { aliases = [] } = (service.networks?.['cowbell-metrics'] ?? {}) as { aliases?: string[] };
    const cowbell = await engine.docker.createContainer({
      Image: IMAGE,
      Env: [`COWBELL_WEBHOOK_URL=${receiver.url}`, 'COWBELL_HTTP_LISTEN=cowbell-metrics:9464', 'REDISPASS=none'],
      Healthcheck: { Interval: 1_000_000_000 },
      HostConfig: { ...hardeningOf(service), NetworkMode: 'mailcow-network' },
    });
    started.push(cowbell);
    await engine.docker
      .getNetwork('cowbell-metrics')
      .connect({ Container: cowbell.id, EndpointConfig: { Aliases: aliases } });
    await cowbell.start();
    await eventually(async () => expect((await cowbell.inspect()).State.Health?.Status).toBe('healthy'), {
      timeoutMs: 30_000,
    });
    const { Networks } = (await cowbell.inspect()).NetworkSettings;
    const ask = async (network: string, host: string) => {
      const asking = await engine.docker.createContainer({
        Image: IMAGE,
        Entrypoint: ['node', '-e'],
        Cmd: [
          `fetch('http://${host}:9464/healthz').then((r) => r.text(), (error) => error.cause.code).then(console.log)`,
        ],
        HostConfig: { NetworkMode: network },
      });
      started.push(asking);
      await asking.start();
      return (await finish(asking)).text;
    };
    expect(await ask('cowbell-metrics', 'cowbell-metrics')).toContain('alive');
    // An address, where the name is not known.
    expect(await ask('mailcow-network', Networks['mailcow-network']?.IPAddress ?? '')).toContain('ECONNREFUSED');
    expect(await ask('mailcow-network', 'cowbell-metrics')).toMatch(/ENOTFOUND|EAI_AGAIN/);
  });

  it('answers to what the README tells people to do inside', async () => {
    const cowbell = await watchUntilReady();
    const checked = await run(cowbell, 'check');
    expect(checked).toContain('reads the container netfilter');
    expect(checked).toMatch(/ok {4}enrich: the database that comes with cowbell, \S.* of 2026-/);
    expect(await run(cowbell, 'outbox', 'list')).toContain('nothing is owed');
    expect(await run(cowbell, 'ring')).toMatch(/webhook: \d+ samples accepted/);
    expect(receiver.problems()).toEqual([]);
    await cowbell.stop({ t: 15 });
  });
});

import { execFile, execFileSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync, type WriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { composeLabels, type DockerEngine, startEngine } from '../support/docker-engine.ts';
import { eventually } from '../support/eventually.ts';
import { importNodeImage, NODE_IMAGE } from '../support/node-image.ts';
import { type Receiver, startReceiver } from '../support/receivers.ts';

const CHECKOUT = join(import.meta.dirname, '..', '..');
const IMAGE = 'cowbell:test';

let engine: DockerEngine;
let receiver: Receiver;
let folder: string;
let feed: WriteStream;
let cowbell: Docker.Container;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cb-'));
  [engine, receiver] = await Promise.all([startEngine(), startReceiver({ kind: 'webhook' })]);
  importNodeImage(engine);
  // Not in step: the engine's own output must be read meanwhile.
  await promisify(execFile)(
    'docker',
    ['build', '--network=host', '--build-arg', `NODE_IMAGE=${NODE_IMAGE}`, '--tag', IMAGE, CHECKOUT],
    { env: { ...process.env, DOCKER_HOST: `unix://${engine.socket}`, DOCKER_BUILDKIT: '0' } },
  );
}, 300_000);

afterAll(async () => {
  feed?.destroy();
  await Promise.all([engine?.close(), receiver?.stop()]);
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

async function output(container: Docker.Container): Promise<string> {
  const log = await container.logs({ stdout: true, stderr: true });
  return log.toString('utf8');
}

async function health(container: Docker.Container): Promise<string> {
  return (await container.inspect()).State.Health?.Status ?? 'none';
}

/** As the compose file runs it: nobody, nothing to write but the state, no capabilities. */
async function start(name: string, cmd: string[], env: string[]): Promise<Docker.Container> {
  const container = await engine.docker.createContainer({
    name,
    Image: IMAGE,
    Cmd: cmd,
    Env: env,
    Healthcheck: {
      Test: ['CMD', 'node', '--disable-warning=ExperimentalWarning', 'dist/main.js', 'health'],
      Interval: 1_000_000_000,
      Timeout: 5_000_000_000,
      Retries: 3,
      StartPeriod: 0,
    },
    HostConfig: {
      NetworkMode: 'host',
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges:true'],
      Memory: 256 * 1024 * 1024,
      Binds: ['cowbell-state:/state', `${engine.socket}:/var/run/docker.sock`],
      GroupAdd: ['0'],
    },
  });
  await container.start();
  return container;
}

describe('the image', () => {
  it('holds what runs and nothing else, and runs as nobody in particular', async () => {
    const { Config } = await engine.docker.getImage(IMAGE).inspect();
    expect(Config.User).toBe('10001:10001');
    const container = await start('cowbell-help', ['--help'], []);
    await container.wait();
    expect(await output(container)).toContain('Tells a mail admin');
    const base = (await engine.docker.getImage(NODE_IMAGE).inspect()).Size;
    const whole = (await engine.docker.getImage(IMAGE).inspect()).Size;
    expect((whole - base) / 1024 / 1024).toBeLessThan(80);
  });

  it('tails another container, tells of its bans, is healthy, and stops cleanly when it is asked to', async () => {
    execFileSync('mkfifo', [join(folder, 'feed')]);
    await engine.run({
      name: 'netfilter',
      labels: composeLabels('netfilter-mailcow', 'mailcow'),
      binds: [`${folder}:/feed`],
      script: 'while true; do cat /feed/feed; done',
    });
    feed = createWriteStream(join(folder, 'feed'));
    cowbell = await start(
      'cowbell',
      ['run'],
      [`COWBELL_WEBHOOK_URL=${receiver.url}`, 'MAILCOW_HOSTNAME=mail.example.org', 'COMPOSE_PROJECT_NAME=mailcow'],
    );
    await eventually(async () => expect(await output(cowbell)).toContain('cowbell is watching'), { timeoutMs: 30_000 });
    feed.write('2026-11-23 12:00:00 CRIT: Banning 185.36.81.23/32 for 30 minutes\n');
    await eventually(() => expect(receiver.events().map((event) => event.subject)).toEqual(['185.36.81.23/32']), {
      timeoutMs: 20_000,
    });
    await eventually(async () => expect(await health(cowbell)).toBe('healthy'), { timeoutMs: 30_000, everyMs: 200 });
    await cowbell.stop({ t: 10 });
    const { State } = await cowbell.inspect();
    expect([State.ExitCode, await output(cowbell)]).toEqual([0, expect.stringContaining('cowbell has stopped')]);
    expect(receiver.problems()).toEqual([]);
  });
});

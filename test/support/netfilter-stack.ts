import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync, type WriteStream, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BanEvent } from '../../src/core/event.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { composeLabels, type DockerEngine, startEngine } from './docker-engine.ts';
import { eventually } from './eventually.ts';
import { type RunningProgram, startProgram } from './process.ts';
import { type Receiver, startReceiver } from './receivers.ts';
import { type RedisServer, startRedis } from './redis-server.ts';

export const WEBHOOK_SECRET = 'a-shared-secret';

/** A mailcow as far as cowbell sees one: a container that prints, Redis with the hashes, and somebody to tell. */
export interface NetfilterStack {
  engine: DockerEngine;
  redis: RedisServer;
  slack: Receiver;
  discord: Receiver;
  webhook: Receiver;
  /** Path of the ledger. */
  state: string;
  /** Makes the netfilter container print a line; resolves when it is handed over. */
  print(...lines: string[]): Promise<void>;
  startNetfilter(): Promise<void>;
  /** Starts the same container again, after the engine was stopped. */
  startNetfilterAgain(): Promise<void>;
  /** Starts cowbell and waits until it has had its first look at Redis; `settings` is YAML that is added to the configuration. */
  startCowbell(settings?: string): Promise<RunningProgram>;
  /** Runs one command of the CLI to its end. */
  cowbell(...args: string[]): Promise<{ code: number | null; output: string }>;
  /** Events that the webhook got, in order; repeated deliveries counted once. */
  events(): BanEvent[];
  close(): Promise<void>;
}

const NETFILTER = 'mailcowdockerized-netfilter-mailcow-1';
const NODE = process.execPath;
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const FLAGS = ['--disable-warning=ExperimentalWarning', MAIN];

/** `program`: what runs cowbell, flags and script; the sources if not given. */
export async function startStack({ chatIntervalMs = 500, program: started = FLAGS } = {}): Promise<NetfilterStack> {
  const folder = mkdtempSync(join(tmpdir(), 'cb-'));
  const [engine, redis, slack, discord, webhook] = await Promise.all([
    startEngine(),
    startRedis(),
    startReceiver({ kind: 'slack' }),
    startReceiver({ kind: 'discord' }),
    startReceiver({ kind: 'webhook', secret: WEBHOOK_SECRET }),
  ]);
  const fifo = join(folder, 'feed');
  const state = join(folder, 'cowbell.db');
  const config = join(folder, 'cowbell.yaml');
  const programs: RunningProgram[] = [];
  let feed: WriteStream | undefined;
  execFileSync('mkfifo', [fifo]);

  const writeConfig = (settings: string) =>
    writeFileSync(
      config,
      `host: mail.example.org
state: ${state}
docker: {socket: ${engine.socket}, project: mailcowdockerized}
redis: {url: '${redis.url}', password: ${redis.password}}
http: {listen: '127.0.0.1:0'}
notifiers:
  - {type: slack, url: '${slack.url}', group_interval_ms: ${chatIntervalMs}}
  - {type: discord, url: '${discord.url}', group_interval_ms: ${chatIntervalMs}}
  - {type: webhook, url: '${webhook.url}', secret: ${WEBHOOK_SECRET}}
${settings}`,
    );
  writeConfig('');

  async function openFeed(): Promise<void> {
    const opening = createWriteStream(fifo);
    opening.on('error', () => {});
    feed = opening;
    await new Promise((resolve) => opening.once('open', resolve));
  }

  const stack: NetfilterStack = {
    engine,
    redis,
    slack,
    discord,
    webhook,
    state,
    async print(...lines) {
      await new Promise<void>((resolve, reject) => {
        feed?.write(`${lines.join('\n')}\n`, (error) => (error ? reject(error) : resolve()));
      });
    },
    async startNetfilter() {
      await engine.run({
        name: NETFILTER,
        labels: composeLabels('netfilter-mailcow'),
        binds: [`${folder}:/feed`],
        script: 'while true; do cat /feed/feed; done',
      });
      await openFeed();
    },
    async startNetfilterAgain() {
      feed?.destroy();
      await engine.docker.getContainer(NETFILTER).start();
      await openFeed();
    },
    async startCowbell(settings = '') {
      writeConfig(settings);
      const program = startProgram(NODE, [...started, 'run', '--config', config]);
      programs.push(program);
      await eventually(() => {
        if (!program.output().includes('cowbell is watching')) throw new Error(program.output());
        if (settings !== '' && !settings.includes('redis')) return;
        const ledger = openLedger(state, Date.now, { readOnly: true });
        const hasLooked = ledger.meta('adopted:redis') !== undefined;
        ledger.close();
        if (!hasLooked) throw new Error(`no look at Redis: ${program.output()}`);
      });
      return program;
    },
    async cowbell(...args) {
      const program = startProgram(NODE, [...started, ...args, '--config', config]);
      const code = await program.exited;
      return { code, output: program.output() };
    },
    events() {
      const seen = new Set<string>();
      return webhook
        .events()
        .filter(({ id }) => !seen.has(id) && seen.add(id))
        .map(({ id, time, source, type, data }) => {
          return { id, at: time, host: source, type: type.replace('cowbell.', ''), ...data } as BanEvent;
        });
    },
    async close() {
      await Promise.all(programs.map((program) => program.end('SIGKILL')));
      feed?.destroy();
      await Promise.all([engine.close(), redis.close(), slack.stop(), discord.stop(), webhook.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return stack;
}

import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync, type WriteStream, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BanEvent, ROUTED_EVENT_TYPES } from '../../src/core/event.ts';
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
  /** Path of the configuration, as `startCowbell` writes it. */
  config: string;
  /** Makes the netfilter container print a line; resolves when it is handed over. */
  print(...lines: string[]): Promise<void>;
  startNetfilter(): Promise<void>;
  /** Starts the container of another of mailcow's services; what it returns makes it print. */
  startService(service: string): Promise<(...lines: string[]) => Promise<void>>;
  /** Starts the same container again, after the engine was stopped. */
  startNetfilterAgain(): Promise<void>;
  /** Starts cowbell and waits until it has had its first look at Redis; `settings` is YAML that is added to the configuration. */
  startCowbell(settings?: string): Promise<RunningProgram>;
  /** Asks the one that was started last to stop, and waits until it has. */
  stopCowbell(): Promise<void>;
  /** Runs one command of the CLI to its end. */
  cowbell(...args: string[]): Promise<{ code: number | null; output: string }>;
  /** Events that the webhook got, in order; repeated deliveries counted once. */
  events(): BanEvent[];
  close(): Promise<void>;
}

const NETFILTER = 'netfilter-mailcow';
const NODE = process.execPath;
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const FLAGS = ['--disable-warning=ExperimentalWarning', MAIN];

/** As compose names it. */
function containerOf(service: string): string {
  return `mailcowdockerized-${service}-1`;
}

export interface StackOptions {
  chatIntervalMs?: number;
  /** What runs cowbell, flags and script; the sources if not given. */
  program?: string[];
  /** Without one, there is no Docker socket where cowbell looks for it. */
  withEngine?: boolean;
  /** Without it, cowbell is not told where Redis is. */
  withRedis?: boolean;
  /** Tell the webhook of extensions, too. */
  withExtensions?: boolean;
  /** Path of the ledger; beside the configuration if not given. */
  state?: string;
  /** `http` of the configuration, as YAML; any free port if not given. */
  http?: string;
}

export async function startStack(options: StackOptions = {}): Promise<NetfilterStack> {
  const { chatIntervalMs = 500, program: started = FLAGS, withEngine = true, withRedis = true } = options;
  const events = options.withExtensions ? `, events: [${ROUTED_EVENT_TYPES.join(', ')}]` : '';
  const folder = mkdtempSync(join(tmpdir(), 'cb-'));
  const starting = [
    withEngine ? startEngine() : undefined,
    startRedis(),
    startReceiver({ kind: 'slack' }),
    startReceiver({ kind: 'discord' }),
    startReceiver({ kind: 'webhook', secret: WEBHOOK_SECRET }),
  ] as const;
  const [runningEngine, redis, slack, discord, webhook] = await Promise.all(starting).catch(async (error: unknown) => {
    // What did start is ended again.
    for (const part of await Promise.allSettled(starting)) {
      if (part.status === 'fulfilled' && part.value !== undefined) await endPart(part.value);
    }
    rmSync(folder, { recursive: true, force: true });
    throw error;
  });
  const state = options.state ?? join(folder, 'cowbell.db');
  const config = join(folder, 'cowbell.yaml');
  const programs: RunningProgram[] = [];
  /** What each service prints is written here, by its name. */
  const feeds = new Map<string, WriteStream>();

  const writeConfig = (settings: string) =>
    writeFileSync(
      config,
      `host: mail.example.org
state: ${state}
docker: {socket: ${runningEngine?.socket ?? join(folder, 'no.sock')}, project: mailcowdockerized}
${withRedis ? `redis: {url: '${redis.url}', password: ${redis.password}}` : ''}
http: ${options.http ?? "{listen: '127.0.0.1:0'}"}
notifiers:
  - {type: slack, url: '${slack.url}', group_interval_ms: ${chatIntervalMs}}
  - {type: discord, url: '${discord.url}', group_interval_ms: ${chatIntervalMs}}
  - {type: webhook, url: '${webhook.url}', secret: ${WEBHOOK_SECRET}${events}}
${settings}`,
    );
  writeConfig('');

  async function openFeed(service: string): Promise<void> {
    feeds.get(service)?.destroy();
    const opening = createWriteStream(join(folder, service));
    opening.on('error', () => {});
    feeds.set(service, opening);
    await new Promise((resolve) => opening.once('open', resolve));
  }

  async function startService(service: string): Promise<(...lines: string[]) => Promise<void>> {
    execFileSync('mkfifo', [join(folder, service)]);
    await engineOf().run({
      name: containerOf(service),
      labels: composeLabels(service),
      binds: [`${folder}:/feed`],
      script: `while true; do cat /feed/${service}; done`,
    });
    await openFeed(service);
    return (...lines) =>
      new Promise((resolve, reject) => {
        feeds.get(service)?.write(`${lines.join('\n')}\n`, (error) => (error ? reject(error) : resolve()));
      });
  }

  const engineOf = (): DockerEngine => {
    if (runningEngine === undefined) throw new Error('there is no engine in this stack');
    return runningEngine;
  };
  let printNetfilter = async (..._lines: string[]): Promise<void> => {};
  const stack: NetfilterStack = {
    get engine() {
      return engineOf();
    },
    redis,
    slack,
    discord,
    webhook,
    state,
    config,
    print: (...lines) => printNetfilter(...lines),
    async startNetfilter() {
      printNetfilter = await startService(NETFILTER);
    },
    startService,
    async startNetfilterAgain() {
      await engineOf().docker.getContainer(containerOf(NETFILTER)).start();
      await openFeed(NETFILTER);
    },
    async startCowbell(settings = '') {
      writeConfig(settings);
      const program = startProgram(NODE, [...started, 'run', '--config', config]);
      programs.push(program);
      await eventually(() => {
        if (!program.output().includes('cowbell is watching')) throw new Error(program.output());
        if (!withRedis || (settings !== '' && !settings.includes('redis'))) return;
        const ledger = openLedger(state, Date.now, { readOnly: true });
        const hasLooked = ledger.meta('adopted:redis') !== undefined;
        ledger.close();
        if (!hasLooked) throw new Error(`no look at Redis: ${program.output()}`);
      });
      return program;
    },
    async stopCowbell() {
      await programs.at(-1)?.end('SIGTERM');
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
      for (const feed of feeds.values()) feed.destroy();
      await Promise.all([runningEngine?.close(), redis.close(), slack.stop(), discord.stop(), webhook.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return stack;
}

async function endPart(part: { close(): Promise<void> } | { stop(): Promise<void> }): Promise<void> {
  await ('close' in part ? part.close() : part.stop());
}

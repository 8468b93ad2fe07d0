import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { eventually } from './eventually.ts';
import { type RunningProgram, startProgram } from './process.ts';

export interface ContainerSpec {
  name: string;
  /** Run by busybox's shell. */
  script?: string;
  /** In place of a script. */
  command?: string[];
  labels?: Record<string, string>;
  tty?: boolean;
  binds?: string[];
  /** `json-file` if not given. */
  logDriver?: string;
  env?: string[];
}

export interface DockerEngine {
  socket: string;
  docker: Docker;
  /** Makes and starts a container of busybox; compose's labels make it a service. */
  run(spec: ContainerSpec): Promise<Docker.Container>;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Ends the engine with all containers, and deletes its files. */
  close(): Promise<void>;
}

const IMAGE = 'busybox:local';

/** Labels with which compose marks the container of a service. */
export function composeLabels(service: string, project = 'mailcowdockerized'): Record<string, string> {
  return { 'com.docker.compose.service': service, 'com.docker.compose.project': project };
}

/** A Docker Engine of Debian's on a socket of its own, with one image that is made from busybox: none can be pulled. */
export async function startEngine(): Promise<DockerEngine> {
  const folder = mkdtempSync(join(tmpdir(), 'cb-'));
  const socket = join(folder, 'd.sock');
  const docker = new Docker({ socketPath: socket });
  let program: RunningProgram | undefined;
  const engine: DockerEngine = {
    socket,
    docker,
    async start() {
      program = startProgram('/usr/sbin/dockerd', [
        ...['--host', `unix://${socket}`, '--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
        ...['--pidfile', join(folder, 'd.pid'), '--bridge', 'none', '--iptables=false', '--ip6tables=false'],
      ]);
      await eventually(
        async () => {
          await docker.ping().catch((error: unknown) => {
            throw new Error(program?.output().slice(-2_000), { cause: error });
          });
        },
        { timeoutMs: 60_000, everyMs: 100 },
      );
    },
    async stop() {
      await program?.end();
    },
    async run({ name, script, command, labels = {}, tty = false, binds = [], logDriver = 'json-file', env = [] }) {
      const container = await docker.createContainer({
        name,
        Image: IMAGE,
        Cmd: command ?? ['/bin/busybox', 'sh', '-c', script ?? ''],
        Labels: labels,
        Tty: tty,
        Env: env,
        HostConfig: { NetworkMode: 'host', Binds: binds, LogConfig: { Type: logDriver, Config: {} } },
      });
      await container.start();
      return container;
    },
    async close() {
      for (const { Id } of await docker.listContainers({ all: true }).catch(() => [])) {
        await docker
          .getContainer(Id)
          .remove({ force: true })
          .catch(() => {});
      }
      await program?.end();
      unmountBelow(folder);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await engine.start();
    importBusybox(socket, folder);
    return engine;
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** `docker import` of a folder with busybox and nothing else. */
function importBusybox(socket: string, folder: string): void {
  const root = join(folder, 'root');
  for (const name of ['bin', 'tmp', 'proc', 'sys', 'dev', 'etc', 'usr', 'lib', 'lib64', 'var', 'run']) {
    mkdirSync(join(root, name), { recursive: true });
  }
  cpSync('/bin/busybox', join(root, 'bin/busybox'));
  chmodSync(join(root, 'bin/busybox'), 0o755);
  symlinkSync('busybox', join(root, 'bin/sh'));
  importImage(socket, root, IMAGE);
  rmSync(root, { recursive: true });
}

/** Makes an image of the files below a folder, through the engine's API. */
export function importImage(socket: string, root: string, name: string, env: Record<string, string> = {}): void {
  const [repo, tag] = name.split(':');
  const changes = Object.entries(env).map(([key, value]) => `&changes=${encodeURIComponent(`ENV ${key}=${value}`)}`);
  const url = `http://d/images/create?fromSrc=-&repo=${repo}&tag=${tag}${changes.join('')}`;
  execFileSync('sh', [
    '-c',
    `tar -C "$1" -c . | curl -sf --unix-socket "$2" -X POST -H 'Content-Type: application/x-tar' --data-binary @- "$3" -o /dev/null`,
    'sh',
    root,
    socket,
    url,
  ]);
}

/** What containers had mounted when the engine was killed is still mounted. */
function unmountBelow(folder: string): void {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`))
    .reverse();
  for (const path of mounts) execFileSync('umount', ['-l', path]);
}

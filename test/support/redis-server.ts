import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Secret } from '../../src/core/secret.ts';
import type { RedisAddress } from '../../src/core/watcher.ts';
import { eventually } from './eventually.ts';
import { type RunningProgram, startProgram } from './process.ts';

export interface RedisServer {
  /** `unix:///…/redis.sock`, or `redis://127.0.0.1:port` where a port was asked for. */
  url: string;
  socket: string;
  password: string;
  address: RedisAddress;
  /** A connection of the test's own; it outlives restarts. */
  client: Redis;
  stop(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
  /** Ends everything and deletes its files. */
  close(): Promise<void>;
}

/** Debian's redis-server on a socket of its own, and on `port` of loopback, with a password, keeping nothing on disk. */
export async function startRedis({ password = 'pa55', port = 0, args = [] as string[] } = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'cb-'));
  const socket = join(folder, 'redis.sock');
  let program: RunningProgram | undefined;
  const client = new Redis({
    path: socket,
    password,
    protocol: 2,
    lazyConnect: true,
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
  });
  client.on('error', () => {});
  const url = port === 0 ? `unix://${socket}` : `redis://127.0.0.1:${port}`;
  const server: RedisServer = {
    url,
    socket,
    password,
    address: { url: new Secret(url), password: new Secret(password) },
    client,
    async start() {
      program = startProgram('/usr/bin/redis-server', [
        ...[
          '--port',
          String(port),
          '--bind',
          '127.0.0.1',
          '--unixsocket',
          socket,
          '--requirepass',
          password,
          '--save',
          '',
          '--appendonly',
          'no',
        ],
        ...['--dir', folder, ...args],
      ]);
      await eventually(() => {
        if (!program?.output().includes('ready to accept connections')) throw new Error(program?.output());
      });
    },
    async stop(signal) {
      await program?.end(signal);
    },
    async close() {
      client.disconnect();
      await program?.end('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await server.start();
    await client.connect();
    return server;
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

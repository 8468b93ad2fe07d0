import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TransientError } from '../../src/core/errors.ts';
import { Secret } from '../../src/core/secret.ts';
import type { RedisAddress } from '../../src/core/watcher.ts';
import { connectRedis, explainRedisError } from '../../src/watchers/redis-connection.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningProgram, startProgram } from '../support/process.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';
import { mailcowOf, standing, T0, type Watching, watchRedis } from './redis-rig.ts';

const REFUSED = 'Redis refused the password; give redis.password the REDISPASS of mailcow.conf';

let redis: RedisServer;
let clock: TestClock;
const undo: (() => Promise<unknown> | unknown)[] = [];

beforeEach(async () => {
  redis = await startRedis();
  undo.push(() => redis.close());
  clock = createTestClock(T0);
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Runs until it fails, time going on second by second. */
async function failureOf(watching: Watching): Promise<Error & { retryAfterMs?: number }> {
  let error: unknown;
  const failed = watching.failure().then((thrown) => {
    error = thrown;
  });
  await eventually(
    async () => {
      await clock.advance(1_000);
      if (error === undefined) throw new Error('it has not failed');
    },
    { timeoutMs: 60_000 },
  );
  await failed;
  expect(error).toBeInstanceOf(TransientError);
  return error as Error;
}

function watch(address: RedisAddress = redis.address, options: Parameters<typeof watchRedis>[1] = {}) {
  return watchRedis(address, { clock, ...options });
}

async function connectFailure(address: RedisAddress): Promise<Error & { retryAfterMs?: number }> {
  const failure = await connectRedis(address).then(
    (client) => {
      client.disconnect();
      throw new Error('it connected');
    },
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(TransientError);
  return failure as Error;
}

/** Accepts connections and does with them what it is told. */
async function startPeer(onConnection: (socket: Socket) => void): Promise<{ url: Secret; server: Server }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as { port: number };
  return { url: new Secret(`redis://127.0.0.1:${port}`), server };
}

describe('a password that is refused', () => {
  it('names what to give, asks to be left alone for a while, and is not shown', async () => {
    for (const password of [new Secret('hunter2'), undefined]) {
      const failure = await connectFailure({ url: redis.address.url, password });
      expect(failure.message).toBe(REFUSED);
      expect(failure.retryAfterMs).toBeGreaterThanOrEqual(30_000);
      expect(inspect(failure, { depth: 10 })).not.toContain('hunter2');
    }
  });

  it('is not shown by any other failure while logging in', async () => {
    await redis.client.config('SET', 'maxclients', '1');
    const full = await connectFailure(redis.address);
    const { url } = await startPeer((socket) => socket.on('data', () => socket.write("-ERR odd 'auth' arguments\r\n")));
    const odd = await connectFailure({ url, password: new Secret('hunter2') });
    expect(full.message).toMatch(/cannot be reached at .*redis\.sock: (?:ERR max number of clients|EPIPE|ECONNRESET)/);
    expect(odd.message).toMatch(/cannot be reached at 127\.0\.0\.1:\d+: ERR odd/);
    for (const failure of [full, odd]) expect(inspect(failure, { depth: 10 })).not.toMatch(/hunter2|pa55/);
  });

  it('changed while cowbell watches is told at the next connection', async () => {
    const watching = await watch();
    await redis.client.config('SET', 'requirepass', 'changed');
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    expect((await failureOf(watching)).message).toMatch(/^Redis cannot be read: /);
    expect((await failureOf(await watch(redis.address, { isWaiting: false }))).message).toBe(REFUSED);
  });

  it('that is not needed does no harm, and nothing is written to the console', async () => {
    const warn = vi.spyOn(console, 'warn');
    undo.push(() => warn.mockRestore());
    await redis.client.config('SET', 'requirepass', '');
    const client = await connectRedis(redis.address);
    expect(await client.ping()).toBe('PONG');
    client.disconnect();
    expect(warn).not.toHaveBeenCalled();
  });

  it('of a user who may not read says so', async () => {
    const port = await freePort();
    const other = await startRedis({ port });
    undo.push(() => other.close());
    await other.client.call('ACL', 'SETUSER', 'guest', 'on', '>pw', '+ping');
    const url = new Secret(`redis://guest:pw@127.0.0.1:${port}`);
    const failure = await failureOf(await watch({ url }, { isWaiting: false }));
    expect(failure.message).toMatch(/^Redis does not permit the user to read: NOPERM/);
  });
});

describe('where Redis is', () => {
  it('may be a port, a database, and a password in the address', async () => {
    const port = await freePort();
    const other = await startRedis({ port });
    undo.push(() => other.close());
    await other.client.select(3);
    await other.client.set('here', 'yes');
    const client = await connectRedis({ url: new Secret(`redis://:pa55@127.0.0.1:${port}/3`) });
    expect(await client.get('here')).toBe('yes');
    client.disconnect();
  });

  it('is told when nobody is there', async () => {
    const port = await freePort();
    expect((await connectFailure({ url: new Secret(`redis://:hunter2@127.0.0.1:${port}`) })).message).toBe(
      `Redis cannot be reached at 127.0.0.1:${port}: ECONNREFUSED`,
    );
    expect((await connectFailure({ url: new Secret('unix:///nowhere/a%zz.sock') })).message).toBe(
      'Redis cannot be reached at /nowhere/a%zz.sock: ENOENT',
    );
  });
});

describe('a Redis that does not answer', () => {
  it('is given up after seconds while logging in', async () => {
    const { url } = await startPeer(() => {});
    expect((await connectFailure({ url, password: new Secret('hunter2') })).message).toMatch(/: no answer within 5 s$/);
  });

  it('is given up after seconds while it is read', async () => {
    const watching = await watch();
    await redis.client.client('PAUSE', 20_000, 'ALL');
    expect((await failureOf(watching)).message).toBe('Redis cannot be read: no answer within 5 s');
  });

  it('holds up no stop, neither while connecting nor while reading', async () => {
    const connections: Socket[] = [];
    const { url } = await startPeer((socket) => connections.push(socket));
    const connecting = await watch({ url }, { isWaiting: false });
    await eventually(() => expect(connections).toHaveLength(1));
    let isStopped = false;
    const stopping = connecting.stop().then(() => {
      isStopped = true;
    });
    // Long before it would have been given up.
    await eventually(() => expect(isStopped).toBe(true), { timeoutMs: 3_000 });
    await stopping;
    const reading = await watch();
    await redis.client.client('PAUSE', 20_000, 'ALL');
    await clock.advance(1_000);
    await reading.stop();
    const ended = new AbortController();
    ended.abort();
    for await (const _batch of reading.watcher.watch(undefined, ended.signal)) throw new Error('it went on');
  });

  it('that talks nonsense or hangs up is a failure like any other', async () => {
    const nonsense = await startPeer((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await connectFailure({ url: nonsense.url });
    const gone = await startPeer((socket) => socket.destroy());
    await connectFailure({ url: gone.url });
  });

  it('that is still loading its data says so instead of keeping cowbell waiting', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cb-'));
    undo.push(() => rmSync(folder, { recursive: true, force: true }));
    const full = await startRedis({ args: ['--dir', folder] });
    undo.push(() => full.close());
    await full.client.mset(Array.from({ length: 4_000 }, (_, n) => [`key:${n}`, 'x']).flat());
    await full.client.save();
    await full.stop();
    const slow: RunningProgram = startProgram('/usr/bin/redis-server', [
      ...['--port', '0', '--unixsocket', join(folder, 'slow.sock'), '--dir', folder, '--save', ''],
      ...['--key-load-delay', '5000', '--loading-process-events-interval-bytes', '1024'],
    ]);
    undo.push(() => slow.end('SIGKILL'));
    const address = { url: new Secret(`unix://${join(folder, 'slow.sock')}`) };
    await eventually(async () => {
      expect((await connectFailure(address)).message).toBe('Redis has started and is still loading its data');
    });
  });
});

describe('a Redis that goes away', () => {
  it('fails the watcher, and is read on where it was when it is back', async () => {
    const mailcow = mailcowOf(redis, clock);
    await mailcow.ban('185.36.81.23/32', 1_800);
    const watching = await watch();
    await redis.stop('SIGKILL');
    expect((await failureOf(watching)).message).toMatch(/^Redis cannot be read: /);
    expect((await failureOf(await watch(redis.address, { isWaiting: false }))).message).toMatch(/: ECONNREFUSED$/);
    await redis.start();
    const again = await watch(redis.address, { from: watching.cursor() });
    expect(again.last()).toMatchObject({ bans: [], cleared: 'Redis was restarted, and netfilter with it' });
    await again.stop();
  });

  it('fails when a connection is cut, and drops no ban by it', async () => {
    await mailcowOf(redis, clock).ban('185.36.81.23/32', 1_800);
    const watching = await watch();
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await failureOf(watching);
    const again = await watch(redis.address, { from: watching.cursor() });
    expect(standing(again.last())).toEqual(['185.36.81.23/32@1800']);
    expect(again.last()?.cleared).toBeUndefined();
    await again.stop();
  });

  it('leaves no connection behind, however it ended', async () => {
    const count = async () =>
      String(await redis.client.call('CLIENT', 'LIST', 'TYPE', 'normal'))
        .trim()
        .split('\n').length;
    for (let round = 0; round < 3; round++) await (await watch()).stop();
    await connectFailure({ url: redis.address.url });
    await eventually(async () => expect(await count()).toBe(1));
  });
});

describe('a Redis that is not to be written to', () => {
  it('is read on after a failover, as a replica', async () => {
    const watching = await watch();
    const port = await freePort();
    const leader = await startRedis({ port, args: ['--repl-diskless-sync-delay', '0'] });
    undo.push(() => leader.close());
    await redis.client.config('SET', 'masterauth', 'pa55');
    await redis.client.replicaof('127.0.0.1', port);
    await mailcowOf(leader, clock).ban('185.36.81.23/32', 1_800);
    await eventually(async () => expect(await redis.client.hlen('F2B_ACTIVE_BANS')).toBe(1));
    await expect(redis.client.set('x', '1')).rejects.toThrow('READONLY');
    await watching.pass(1_000);
    expect(standing(watching.last())).toEqual(['185.36.81.23/32@1800']);
    await watching.stop();
  });

  it('as it cannot save is read all the same', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cb-'));
    undo.push(() => rmSync(folder, { recursive: true, force: true }));
    const broken = await startRedis({ args: ['--save', '3600 1', '--dir', folder] });
    undo.push(() => broken.close());
    // A directory stands where the file should be.
    mkdirSync(join(folder, 'dump.rdb'));
    await mailcowOf(broken, clock).ban('185.36.81.23/32', 1_800);
    await broken.client.bgsave();
    await eventually(() => expect(broken.client.set('x', '1')).rejects.toThrow('MISCONF'));
    const watching = await watch(broken.address);
    expect(standing(watching.last())).toEqual(['185.36.81.23/32@1800']);
    await watching.stop();
  });

  it('of a wrong kind is told', async () => {
    await redis.client.set('F2B_ACTIVE_BANS', 'a string');
    const failure = await failureOf(await watch(redis.address, { isWaiting: false }));
    expect(failure.message).toMatch(/^Redis cannot be read: WRONGTYPE/);
  });
});

describe('a fault of cowbell itself', () => {
  it('is not taken for one of Redis', () => {
    const fault = new TypeError('x is not a function');
    expect(explainRedisError(fault, 'Redis cannot be read')).toBe(fault);
  });
});

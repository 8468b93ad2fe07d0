import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import type { LogLine } from '../../src/core/watcher.ts';
import { type ContainerLogs, createContainerLogs } from '../../src/logs/container-log.ts';
import { composeLabels, type DockerEngine, startEngine } from '../support/docker-engine.ts';
import { eventually } from '../support/eventually.ts';
import { SILENT } from '../support/recorder-harness.ts';
import { tempDir } from '../support/temp-dir.ts';

let engine: DockerEngine;
beforeAll(async () => {
  engine = await startEngine();
}, 180_000);
afterAll(() => engine.close());

function logsAt(socket: string, clock = systemClock): ContainerLogs {
  return createContainerLogs({ socket, project: 'mailcowdockerized', clock, logger: SILENT });
}

/** Time passes so fast that nobody waits the ten seconds which a restart may take. */
function hastyClock(): Clock {
  const startedAt = Date.now();
  return { ...systemClock, now: () => startedAt + (Date.now() - startedAt) * 20 };
}

/** Reads a service's log in the background, as the supervisor does: after a failure again at the last cursor. */
function follow(service: string, { socket = engine.socket, clock = systemClock } = {}) {
  const stop = new AbortController();
  const lines: LogLine[] = [];
  const state = { attached: 0, failures: [] as unknown[], cursor: undefined as string | undefined };
  const done = (async () => {
    while (!stop.signal.aborted) {
      try {
        for await (const chunk of logsAt(socket, clock).source({ service }).read(state.cursor, stop.signal)) {
          if (chunk.lines.length === 0) state.attached++;
          lines.push(...chunk.lines);
          state.cursor = chunk.cursor ?? state.cursor;
        }
      } catch (error) {
        state.failures.push(error);
        await sleep(50);
      }
    }
  })();
  return {
    lines,
    state,
    texts: () => lines.map(({ text }) => text),
    async end() {
      stop.abort();
      await done;
    },
  };
}

const numbered = (count: number, from = 1) => Array.from({ length: count }, (_, index) => `line ${from + index}`);
const countTo = (count: number, from = 1) =>
  `i=${from}; while [ $i -lt ${from + count} ]; do echo "line $i"; i=$((i+1)); done`;

describe('the log of a container', () => {
  it.each([false, true])('is read line by line, with a terminal: %s', async (tty) => {
    const service = `plain-${tty}`;
    await engine.run({
      name: service,
      labels: composeLabels(service),
      tty,
      script: `${countTo(500)}; echo err >&2; sleep 60`,
    });
    const reader = follow(service);
    await eventually(() => expect(reader.lines).toHaveLength(501));
    expect(reader.texts().filter((text) => text !== 'err')).toEqual(numbered(500));
    expect(reader.lines.every(({ stamp }) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/.test(stamp))).toBe(true);
    expect(reader.state.attached).toBeGreaterThan(0);
    await reader.end();
    expect(reader.state.failures).toEqual([]);
  });

  it.each([false, true])('has long lines in one piece up to 64 KiB, with a terminal: %s', async (tty) => {
    const service = `long-${tty}`;
    await engine.run({
      name: service,
      labels: composeLabels(service),
      tty,
      script: `for n in 16383 16384 16385 40000 100000; do head -c $n /dev/zero | tr '\\0' x; echo; done; printf 'a\\377b\\r\\n'; sleep 60`,
    });
    const reader = follow(service);
    await eventually(() => expect(reader.lines).toHaveLength(6));
    expect(reader.texts().map((text) => text.length)).toEqual([16_383, 16_384, 16_385, 40_000, 65_536, 3]);
    expect(
      reader
        .texts()
        .slice(0, 5)
        .every((text) => /^x+$/.test(text)),
    ).toBe(true);
    expect(reader.texts()[5]).toBe('a\ufffdb');
    await reader.end();
    expect(reader.state.failures).toEqual([]);
  });

  it('never lays two lines together: after one that was cut short by a kill, or a long one of the driver `local`', async () => {
    const labels = composeLabels('short');
    const container = await engine.run({ name: 'short', labels, script: 'echo first; printf unfinished; sleep 60' });
    const reader = follow('short');
    await eventually(() => expect(reader.texts()).toEqual(['first']));
    await container.restart({ t: 0 });
    await eventually(() => expect(reader.texts()).toEqual(['first', 'unfinished', 'first']));
    await reader.end();
    await engine.run({
      name: 'local',
      labels: composeLabels('local'),
      logDriver: 'local',
      script: `head -c 20000 /dev/zero | tr '\\0' x; echo; echo next; sleep 60`,
    });
    const local = follow('local');
    await eventually(() => expect(local.texts().map((text) => text.length)).toEqual([20_000, 4]));
    await local.end();
  });

  it('goes on at the cursor, with nothing lost or repeated, though hundreds of lines share a second', async () => {
    await engine.run({ name: 'resume', labels: composeLabels('resume'), script: `${countTo(3_000)}; sleep 60` });
    const all = follow('resume');
    await eventually(() => expect(all.lines).toHaveLength(3_000));
    await all.end();
    for (let from: string | undefined, read: string[] = []; read.length < 3_000; ) {
      const stop = new AbortController();
      let budget = 1 + Math.floor(Math.random() * 800);
      for await (const chunk of logsAt(engine.socket).source({ service: 'resume' }).read(from, stop.signal)) {
        // The next reader begins behind this chunk.
        read = [...read, ...chunk.lines.map(({ text }) => text)];
        from = chunk.cursor ?? from;
        budget -= chunk.lines.length;
        if (budget <= 0 || read.length >= 3_000) break;
      }
      stop.abort();
      expect(read).toEqual(numbered(read.length));
    }
  });

  it('is followed over a restart, and over a new container of the same service', async () => {
    const labels = composeLabels('follow');
    const container = await engine.run({ name: 'follow-1', labels, script: `${countTo(10)}; sleep 60` });
    const reader = follow('follow');
    await eventually(() => expect(reader.lines).toHaveLength(10));
    await container.restart({ t: 0 });
    await eventually(() => expect(reader.lines).toHaveLength(20));
    await container.remove({ force: true });
    await engine.run({ name: 'follow-2', labels, script: `${countTo(10, 11)}; sleep 60` });
    await eventually(() => expect(reader.lines).toHaveLength(30));
    expect(reader.texts()).toEqual([...numbered(10), ...numbered(10), ...numbered(10, 11)]);
    await reader.end();
    expect(reader.state.failures).toEqual([]);
  });

  it('is followed through a proxy that cuts its streams, on both outputs, and that is no failure', async () => {
    const half = (name: string, redirect: string) =>
      `(i=1; while [ $i -le 2500 ]; do echo "${name} $i" ${redirect}; i=$((i+1)); [ $((i % 20)) = 0 ] && usleep 10000; done)`;
    await engine.run({
      name: 'cut',
      labels: composeLabels('cut'),
      script: `${half('out', '')} & ${half('err', '>&2')} & wait; sleep 60`,
    });
    const proxy = await startProxy(engine.socket);
    const reader = follow('cut', { socket: proxy.socket });
    const stop = new AbortController();
    const cutting = (async () => {
      while (!stop.signal.aborted) {
        await systemClock.sleep(20 + Math.random() * 200, stop.signal);
        proxy.cut();
      }
    })();
    await eventually(() => expect(reader.lines.length).toBeGreaterThanOrEqual(5_000), { timeoutMs: 60_000 });
    stop.abort();
    await cutting;
    for (const name of ['out', 'err']) {
      const texts = reader.texts().filter((text) => text.startsWith(name));
      expect(texts).toEqual(Array.from({ length: 2_500 }, (_, index) => `${name} ${index + 1}`));
    }
    await reader.end();
    await proxy.close();
    expect(reader.state.attached).toBeGreaterThan(2);
    expect(reader.state.failures.every((failure) => failure instanceof TransientError)).toBe(true);
  });

  it('of a container that dies again and again is read, and told as not running', async () => {
    const container = await engine.docker.createContainer({
      name: 'dying',
      Image: 'busybox:local',
      Cmd: ['/bin/sh', '-c', 'echo dying; exit 3'],
      Labels: composeLabels('dying'),
      HostConfig: { NetworkMode: 'host', RestartPolicy: { Name: 'always' } },
    });
    await container.start();
    const reader = follow('dying', { clock: hastyClock() });
    await eventually(() => expect(reader.state.failures.length).toBeGreaterThan(0), { timeoutMs: 60_000 });
    expect(String(reader.state.failures[0])).toMatch(/the container dying does not run: Restarting \(3\)/);
    await eventually(() => expect(reader.lines.length).toBeGreaterThan(1), { timeoutMs: 60_000 });
    await reader.end();
    await container.remove({ force: true });
  });

  it('is followed over a restart of the engine', { timeout: 180_000 }, async () => {
    const own = await startEngine();
    try {
      const container = await own.run({
        name: 'again',
        labels: composeLabels('again'),
        script: `${countTo(5)}; sleep 60`,
      });
      const reader = follow('again', { socket: own.socket });
      await eventually(() => expect(reader.lines).toHaveLength(5));
      await container.stop({ t: 0 });
      await own.stop();
      await own.start();
      await container.start();
      await eventually(() => expect(reader.lines).toHaveLength(10), { timeoutMs: 60_000 });
      expect(reader.texts()).toEqual([...numbered(5), ...numbered(5)]);
      await reader.end();
    } finally {
      await own.close();
    }
  });

  it('that cannot be read says what to do', async () => {
    const failure = async (socket: string, service: string, clock = systemClock): Promise<unknown> => {
      const logs = createContainerLogs({ socket, clock, logger: SILENT });
      try {
        for await (const _ of logs.source({ service }).read(undefined, AbortSignal.timeout(20_000)));
      } catch (error) {
        return error;
      }
      return undefined;
    };
    await engine.run({ name: 'mute', labels: composeLabels('mute'), logDriver: 'none', script: 'sleep 60' });
    const mute = await failure(engine.socket, 'mute');
    expect(mute).toBeInstanceOf(PermanentError);
    expect(String(mute)).toContain('json-file');
    // A clock that runs ahead: nobody waits the ten seconds that a restart may take.
    let now = Date.now();
    const hasty = { now: () => (now += 6_000), sleep: async () => {} };
    const missing = await failure(engine.socket, 'nobody', hasty);
    expect(missing).toBeInstanceOf(TransientError);
    expect(String(missing)).toContain('there is no container of service "nobody"');
    expect(String(await failure(join(tempDir(), 'no.sock'), 'x'))).toMatch(/there is no Docker socket at .*mount it/);
  });
});

/** Passes on what comes, and cuts all connections when it is told to, as proxies do to quiet streams. */
async function startProxy(target: string): Promise<{ socket: string; cut(): void; close(): Promise<void> }> {
  const { createConnection } = await import('node:net');
  const socket = join(tempDir(), 'p.sock');
  const open = new Set<Socket>();
  const server: Server = createServer((incoming) => {
    const outgoing = createConnection(target);
    for (const end of [incoming, outgoing]) {
      open.add(end);
      end.on('error', () => {}).on('close', () => open.delete(end));
    }
    incoming.pipe(outgoing).pipe(incoming);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const cut = () => {
    for (const end of open) end.destroy();
  };
  return {
    socket,
    cut,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}

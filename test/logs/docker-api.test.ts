import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import { createContainerLogs } from '../../src/logs/container-log.ts';
import { ownContainerId } from '../../src/logs/discovery.ts';
import { SILENT } from '../support/recorder-harness.ts';

const CAPTURED = readFileSync(join(import.meta.dirname, '..', 'fixtures', 'docker', 'api-logs.bin'));
const ID = 'ab'.repeat(32);

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

/** What answers in place of the engine, as a filtering proxy does: by TCP, and not always as the engine would. */
async function startApi(answer: Answer): Promise<string> {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An engine with one container whose log is sent by `sendLog`. */
function engineWith(sendLog: Answer, isRunning = () => true): Answer {
  const container = { Id: ID, Names: ['/mail-1'], State: 'running', Status: 'Up 2 hours', Created: 1_795_430_000 };
  return (request, response) => {
    const path = request.url?.split('?')[0];
    if (path === '/containers/json') return response.end(JSON.stringify([container]));
    if (path === `/containers/${ID}/json`) {
      return response.end(JSON.stringify({ Id: ID, Config: { Tty: false }, State: { Running: isRunning() } }));
    }
    return sendLog(request, response);
  };
}

function sourceAt(socket: string) {
  return createContainerLogs({ socket, clock: systemClock, logger: SILENT }).source({ service: 'mail' });
}

async function failureAt(socket: string): Promise<unknown> {
  try {
    for await (const _ of sourceAt(socket).read(undefined, AbortSignal.timeout(20_000)));
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('the Docker API by TCP', () => {
  it('may send a log byte by byte, and is asked for it on from the last line', async () => {
    const since: string[] = [];
    const socket = await startApi(
      engineWith(async (request, response) => {
        since.push(new URL(request.url ?? '', 'http://d').searchParams.get('since') ?? '');
        response.socket?.setNoDelay(true);
        for (const byte of CAPTURED) {
          response.write(Buffer.from([byte]));
          await turn();
        }
        response.end();
      }),
    );
    const texts: string[] = [];
    const stop = new AbortController();
    for await (const { lines } of sourceAt(socket).read(undefined, stop.signal)) {
      texts.push(...lines.map(({ text }) => text));
      if (since.length === 3) stop.abort();
    }
    expect(texts).toEqual([
      '2026-11-23 12:08:28 INFO: Unbanning 89.248.163.22/32',
      '2026-11-23 12:08:28 INFO: Clear completed: ip',
      '2026-11-23 12:08:28 INFO: Clear completed: ip6',
    ]);
    expect(since[1]).toMatch(/^\d{10}$/);
    expect(since[2]).toBe(since[1]);
  });

  it('that is refused by a proxy says what the proxy must let through', async () => {
    const socket = await startApi((_, response) => response.writeHead(403).end('Forbidden'));
    expect(String(await failureAt(socket))).toMatch(/refuses .* let the proxy pass GET of \/containers/);
  });

  it('that is none is told as none', async () => {
    const page = await startApi((_, response) => response.end('<html>It works!</html>'));
    expect(String(await failureAt(page))).toMatch(/what answers is no Docker Engine/);
    const socket = await startApi((request) => request.socket.destroy());
    expect(String(await failureAt(socket))).toMatch(/the Docker Engine at tcp:\S+ cannot be reached: ECONNRESET/);
    expect(await failureAt('ftp://nowhere')).toBeInstanceOf(PermanentError);
  });

  it('whose container is started while its log is opened counts as read, though it prints nothing', async () => {
    let isRunning = false;
    const open: Answer = (_, response) => {
      isRunning = true;
      response.flushHeaders();
    };
    const socket = await startApi(engineWith(open, () => isRunning));
    const stop = new AbortController();
    for await (const { lines } of sourceAt(socket).read(undefined, stop.signal)) {
      expect(lines).toEqual([]);
      stop.abort();
    }
    expect(stop.signal.aborted).toBe(true);
  });

  it('whose log is cut off again and again before a line comes is told', async () => {
    const socket = await startApi(engineWith((_, response) => response.end()));
    const failure = await failureAt(socket);
    expect(failure).toBeInstanceOf(TransientError);
    expect(String(failure)).toMatch(/the log of the container mail-1 is cut off as soon as it is asked for/);
  });

  it('whose log breaks off for a reason of the engine tells the reason', async () => {
    const reason = 'Error grabbing logs: unexpected EOF\n';
    const header = Buffer.from([3, 0, 0, 0, 0, 0, 0, reason.length]);
    const socket = await startApi(
      engineWith((_, response) => response.end(Buffer.concat([header, Buffer.from(reason)]))),
    );
    expect(String(await failureAt(socket))).toMatch(/cannot read the container's log on: .*unexpected EOF/);
  });
});

describe('our own container', () => {
  const mount = (root: string, at: string) => `642 613 254:1 ${root} ${at} rw,relatime - ext4 /dev/vda1 rw\n`;

  it('is known by the files that the engine mounts into it', () => {
    expect(ownContainerId(mount(`/var/lib/docker/containers/${ID}/hostname`, '/etc/hostname'))).toBe(ID);
    expect(ownContainerId(mount(`/data/containers/${ID}/resolv.conf`, '/etc/resolv.conf'))).toBe(ID);
  });

  it('is none on the host, though files of other containers are mounted there', () => {
    expect(ownContainerId(mount('/', `/var/lib/docker/containers/${ID}/mounts/shm`))).toBeUndefined();
    expect(ownContainerId('')).toBeUndefined();
  });
});

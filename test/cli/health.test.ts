import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { runCli } from '../../src/cli/program.ts';
import type { Readiness } from '../../src/ops/health-server.ts';
import { startTestHealthServer } from '../support/health-server.ts';
import { tempDir } from '../support/temp-dir.ts';

async function health(listen: string, ...args: string[]) {
  const file = join(tempDir(), 'cowbell.yaml');
  writeFileSync(file, `notifiers: [{type: console}]\nhttp: {listen: "${listen}"}\n`);
  const [stdout, stderr] = [new PassThrough().setEncoding('utf8'), new PassThrough().setEncoding('utf8')];
  const { signal } = new AbortController();
  const context = { env: {}, stdin: Readable.from([]), stdout, stderr, signal, reload: () => signal };
  const code = await runCli(['health', '-c', file, ...args], context);
  return { code, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') };
}

it.each(['127.0.0.1', '0.0.0.0'])('asks the daemon that listens on %s', async (host) => {
  const state: Readiness = {
    ready: false,
    sources: [
      { name: 'redis', state: 'down', up: false, reason: 'no connection' },
      { name: 'netfilter', state: 'up', up: true },
    ],
    lanes: [{ name: 'slack', state: 'parked', up: false, reason: 'HTTP 404: \u001b[2Jgone' }],
    ledger: { up: false, reason: 'the disk is full' },
  };
  const server = await startTestHealthServer({ listen: `${host}:0`, readiness: () => state });
  const listen = `${host}:${server.port}`;
  expect(await health(listen)).toMatchObject({ code: 0, out: '{"status":"alive"}\n', err: '' });
  expect(await health(listen, '--ready')).toEqual({
    code: 1,
    out: `${JSON.stringify(state)}\n`,
    err: 'not ready: redis is down: no connection; slack is parked: HTTP 404: [2Jgone; the ledger is down: the disk is full\n',
  });
});

it('fails where nobody listens', async () => {
  const server = await startTestHealthServer();
  await server.close();
  const { code, err } = await health(`127.0.0.1:${server.port}`);
  expect([code, err]).toEqual([
    1,
    expect.stringMatching(/^no answer from http:\/\/127\.0\.0\.1:\d+\/healthz: .*ECONNREFUSED/),
  ]);
});

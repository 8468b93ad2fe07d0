import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { createContainerLogs } from '../../src/logs/container-log.ts';
import { composeLabels, type DockerEngine, startEngine } from '../support/docker-engine.ts';
import { eventually } from '../support/eventually.ts';
import { SILENT } from '../support/recorder-harness.ts';
import { tempDir } from '../support/temp-dir.ts';

let engine: DockerEngine;
beforeAll(async () => {
  engine = await startEngine();
  const labels = composeLabels('box');
  await engine.run({ name: 'box-old', labels, script: 'exit 3' });
  await engine.run({ name: 'box-1', labels, script: 'sleep 600' });
}, 180_000);
afterAll(() => engine.close());

const never = new AbortController().signal;
const execAt = (socket: string) => createContainerLogs({ socket, clock: systemClock, logger: SILENT }).exec;
const run = (...argv: string[]) => execAt(engine.socket)({ service: 'box' }, argv, never);

describe('a program in a container', () => {
  it('gets its arguments as they are, and no shell reads them', async () => {
    const argv = ['a b', '$HOME', '; id', '"', "'", '*', '-n', 'ü\n'];
    expect(await run('/bin/busybox', 'printf', '%s|', ...argv)).toEqual({
      exitCode: 0,
      stdout: `${argv.join('|')}|`,
      stderr: '',
      isCut: false,
    });
  });

  it('answers with what it prints, where it prints it, and its exit code', async () => {
    expect(await run('/bin/sh', '-c', 'echo out; echo err >&2; exit 7')).toEqual({
      exitCode: 7,
      stdout: 'out\n',
      stderr: 'err\n',
      isCut: false,
    });
  });

  it('may print a megabyte, and what is more is noticed', async () => {
    const zeros = (bytes: number) => run('/bin/sh', '-c', `head -c ${bytes} /dev/zero | tr '\\0' x`);
    const whole = await zeros(1_048_576);
    expect([whole.stdout.length, whole.isCut]).toEqual([1_048_576, false]);
    const cut = await zeros(1_048_577);
    expect([cut.stdout.length, cut.isCut]).toEqual([1_048_576, true]);
    expect((await run('/bin/sh', '-c', 'head -c 3000000 /dev/zero >&2')).isCut).toBe(true);
  });

  it('is given up when that is asked for', async () => {
    const stop = new AbortController();
    const running = execAt(engine.socket)({ service: 'box' }, ['/bin/busybox', 'sleep', '60'], stop.signal);
    const outcome = expect(running).rejects.toThrow();
    await eventually(async () => {
      const { Processes } = await engine.docker.getContainer('box-1').top();
      expect(JSON.stringify(Processes)).toContain('sleep 60"');
    });
    stop.abort();
    await outcome;
  });
});

describe('a program that cannot be run', () => {
  it('is told of, or has an exit code', async () => {
    expect(await run('/no/such/program').then(({ exitCode }) => exitCode)).toBeGreaterThanOrEqual(126);
  });

  it('is told of where there is no container, or none that runs', async () => {
    const exec = execAt(engine.socket);
    await expect(exec({ service: 'nobody' }, ['true'], never)).rejects.toMatchObject({
      name: 'TransientError',
      message: 'there is no container of service "nobody": start it, or name another',
    });
    await expect(exec({ container: 'box-old' }, ['true'], never)).rejects.toMatchObject({
      name: 'TransientError',
      message: expect.stringContaining('the container box-old does not run: Exited (3)'),
    });
  });

  it('is told of where a proxy lets containers be listed, and no more', async () => {
    const socket = join(tempDir(), 'proxy.sock');
    const found = [{ Id: 'a', Names: ['/box-1'], State: 'running', Status: 'Up', Created: 1 }];
    const proxy = createServer((request, response) => {
      response.statusCode = request.method === 'GET' ? 200 : 403;
      response.end(request.method === 'GET' ? JSON.stringify(found) : '<html>403 Forbidden</html>');
    });
    await new Promise<void>((resolve) => proxy.listen(socket, resolve));
    try {
      await expect(execAt(socket)({ container: 'box-1' }, ['true'], never)).rejects.toMatchObject({
        name: 'TransientError',
        message: `${socket} refuses to run programs in containers: let the proxy pass POST and EXEC, or read the log instead`,
      });
    } finally {
      proxy.close();
    }
  });
});

import { spawn } from 'node:child_process';
import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startReceiver } from '../support/receivers.ts';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** A process of its own, as a shell starts it; what it logs is told, or goes into a file. */
function start(args: string[], log: 'pipe' | number = 'pipe') {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(ROOT, 'src/main.ts'), ...args], {
    stdio: ['ignore', 'pipe', log],
    env: {},
  });
  const told = { err: '' };
  child.stderr?.setEncoding('utf8').on('data', (chunk) => {
    told.err += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, told, ended };
}

it('ends without a word when the reader of its output has gone', async () => {
  const { child, told, ended } = start(['schema']);
  child.stdout?.destroy();
  expect(await ended).toBe(1);
  expect(told.err).toBe('');
});

it('ends with 0 when it is asked to, and at once when it is asked again', async () => {
  const receiver = await startReceiver({ kind: 'webhook', behaviour: 'hang' });
  onTestFinished(() => receiver.stop());
  const folder = tempDir();
  const file = join(folder, 'cowbell.yaml');
  const config = [
    `docker: {socket: ${folder}/none.sock}`,
    'watchers: [{type: netfilter, grace_seconds: 0}]',
    'http: {listen: "127.0.0.1:0"}',
  ];
  writeFileSync(file, `${config.join('\n')}\nstate: ${folder}/a.db\nnotifiers: [{type: console}]\n`);
  const patient = start(['run', '-c', file]);
  await eventually(() => expect(patient.told.err).toContain('cowbell is watching'));
  patient.child.kill('SIGTERM');
  expect(await patient.ended).toBe(0);
  expect(patient.told.err).toContain('cowbell has stopped');

  // An alert that nobody takes holds the first request up.
  writeFileSync(
    file,
    `${config.join('\n')}\nstate: ${folder}/b.db\nnotifiers: [{type: webhook, url: '${receiver.url}'}]\n`,
  );
  const stuck = start(['run', '-c', file]);
  await eventually(() => expect(receiver.requests.length).toBeGreaterThan(0));
  // Two of one kind, sent at once, may arrive as one.
  stuck.child.kill('SIGTERM');
  stuck.child.kill('SIGINT');
  expect([130, 143]).toContain(await stuck.ended);
  expect(stuck.told.err).not.toContain('cowbell has stopped');
});

it.each(['/dev/full', 'a pipe that nobody reads'])('goes on where its log cannot be written: %s', async (log) => {
  const receiver = await startReceiver({ kind: 'webhook' });
  onTestFinished(() => receiver.stop());
  const folder = tempDir();
  const file = join(folder, 'cowbell.yaml');
  const config = [
    `state: ${folder}/a.db`,
    `docker: {socket: ${folder}/none.sock}`,
    'watchers: [{type: netfilter, grace_seconds: 0}]',
    'http: {listen: "127.0.0.1:0"}',
    `notifiers: [{type: webhook, url: '${receiver.url}'}]`,
  ];
  writeFileSync(file, config.join('\n'));
  const { child, ended } = start(['run', '-c', file], log.startsWith('/') ? openSync(log, 'w') : 'pipe');
  child.stderr?.destroy();
  await eventually(() => expect(receiver.events().map(({ type }) => type)).toContain('cowbell.source.down'));
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

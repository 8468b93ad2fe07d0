import { execFileSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import type { RunningProgram } from '../support/process.ts';
import { addressOf, scrape } from '../support/scrape.ts';

const GRACE = 'watchers: [{type: netfilter, grace_seconds: 2}, {type: redis, grace_seconds: 2}]';

let stack: NetfilterStack;
/** The disk that the ledger is on, and nothing of anybody else. */
let disk: string;
beforeEach(async () => {
  stack = await startStack();
  disk = dirname(stack.state);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', disk]);
  await stack.startNetfilter();
  await stack.redis.client.set('F2B_OPTIONS', '{}');
});
afterEach(async () => {
  execFileSync('umount', ['-l', disk]);
  await stack.close();
});

interface Part {
  name: string;
  state: string;
  up: boolean;
  reason?: string;
}

async function readiness(cowbell: RunningProgram) {
  const response = await fetch(`${await addressOf(cowbell)}/readyz`);
  const body = (await response.json()) as { sources: Part[]; lanes: Part[]; ledger: { up: boolean; reason?: string } };
  return { status: response.status, ...body };
}

/** Netfilter listens, as far as Redis can see. */
async function listen(): Promise<void> {
  const listener = stack.redis.client.duplicate();
  listener.on('error', () => {});
  onTestFinished(() => listener.disconnect());
  await listener.subscribe('F2B_CHANNEL');
}

const ready = (cowbell: RunningProgram) =>
  eventually(async () => expect(await readiness(cowbell)).toMatchObject({ status: 200, ledger: { up: true } }));

async function broken(cowbell: RunningProgram, list: 'sources' | 'lanes', name: string): Promise<Part> {
  return eventually(async () => {
    const { status, [list]: parts } = await readiness(cowbell);
    const part = parts.find((each) => each.name === name);
    expect({ status, up: part?.up }).toEqual({ status: 503, up: false });
    return part as Part;
  });
}

it('readiness is lost while Docker or Redis is gone, past the grace, and comes back', {
  timeout: 120_000,
}, async () => {
  await listen();
  const cowbell = await stack.startCowbell(GRACE);
  await ready(cowbell);
  await stack.engine.stop();
  expect(await broken(cowbell, 'sources', 'netfilter log')).toMatchObject({
    state: 'down',
    reason: expect.any(String),
  });
  expect((await scrape(cowbell)).sum('cowbell_source_up', { source: 'netfilter log' })).toBe(0);
  await stack.engine.start();
  await stack.startNetfilterAgain();
  await ready(cowbell);
  expect((await scrape(cowbell)).sum('cowbell_source_up', { source: 'netfilter log' })).toBe(1);

  await stack.redis.stop();
  expect(await broken(cowbell, 'sources', 'redis')).toMatchObject({ state: 'down', reason: expect.any(String) });
  await stack.redis.start();
  await stack.redis.client.set('F2B_OPTIONS', '{}');
  await listen();
  await ready(cowbell);
});

it('readiness is lost while a notifier is parked, and comes back', { timeout: 90_000 }, async () => {
  await listen();
  const cowbell = await stack.startCowbell(GRACE);
  await ready(cowbell);
  stack.slack.behave({ status: 404, body: 'no_service' });
  await stack.print('2026-11-23 12:00:00 CRIT: Banning 45.9.9.9/32 for 30 minutes');
  await stack.redis.client.hset('F2B_ACTIVE_BANS', '45.9.9.9/32', String(Math.ceil(Date.now() / 1000) + 1_800));
  expect(await broken(cowbell, 'lanes', 'slack')).toMatchObject({
    state: 'parked',
    reason: expect.stringContaining('404'),
  });
  expect((await scrape(cowbell)).sum('cowbell_notifier_up', { notifier: 'slack' })).toBe(0);
  stack.slack.behave('accept');
  await stack.cowbell('outbox', 'retry', 'slack');
  await ready(cowbell);
});

it('readiness is lost while the disk of the ledger is full, and comes back', { timeout: 90_000 }, async () => {
  await listen();
  const cowbell = await stack.startCowbell(GRACE);
  await ready(cowbell);
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(join(disk, 'filler'), Buffer.alloc(bavail * bsize));
  await eventually(async () =>
    expect(await readiness(cowbell)).toMatchObject({
      status: 503,
      ledger: { up: false, reason: 'the disk that holds the ledger is full' },
    }),
  );
  expect((await scrape(cowbell)).sum('cowbell_ledger_up')).toBe(0);
  rmSync(join(disk, 'filler'));
  await ready(cowbell);
});

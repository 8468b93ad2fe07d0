import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bansTold } from '../support/chat-counts.ts';
import { eventually } from '../support/eventually.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import type { RunningProgram } from '../support/process.ts';

let stack: NetfilterStack;
let cowbell: RunningProgram;
let written: string;
beforeEach(async () => {
  stack = await startStack({ chatIntervalMs: 200 });
  await stack.redis.client.set('F2B_OPTIONS', '{}');
  await stack.startNetfilter();
  cowbell = await stack.startCowbell();
  written = readFileSync(stack.config, 'utf8');
});
afterEach(() => stack.close());

async function ban(index: number): Promise<string> {
  const network = `45.7.${index >> 8}.${index & 255}/32`;
  await stack.print(`2026-11-23 12:00:00 CRIT: Banning ${network} for 30 minutes`);
  await stack.redis.client.hset('F2B_ACTIVE_BANS', network, String(Math.ceil(Date.now() / 1000) + 1_800));
  return network;
}

/** Puts a configuration in the place of the one before, as editors do, and asks for it to be read. */
async function reload(text: string, expected: string): Promise<void> {
  const before = cowbell.output().split(expected).length;
  writeFileSync(`${stack.config}.new`, text);
  renameSync(`${stack.config}.new`, stack.config);
  process.kill(cowbell.pid, 'SIGHUP');
  await eventually(() => expect(cowbell.output().split(expected).length).toBeGreaterThan(before), {
    timeoutMs: 60_000,
  });
}

it('a configuration exchanged under load loses nothing and repeats nothing', { timeout: 180_000 }, async () => {
  const banned: string[] = [];
  let isOver = false;
  const attack = (async () => {
    for (let index = 0; !isOver; index++) {
      banned.push(await ban(index));
      await sleep(10);
    }
  })();
  for (let round = 1; round <= 8; round++) {
    // Another pace for both chats, and another name for nobody: their lanes end and begin anew.
    const changed = written.replaceAll('group_interval_ms: 200', `group_interval_ms: ${200 + round}`);
    await reload(changed, '"the configuration changed"');
    await sleep(200);
  }
  isOver = true;
  await attack;
  const started = () => stack.events().flatMap((event) => (event.type === 'ban.started' ? [event.ban.network] : []));
  await eventually(() => expect(new Set(started()).size).toBe(banned.length), { timeoutMs: 60_000 });
  await eventually(() => expect(bansTold(stack.slack)).toBe(banned.length), { timeoutMs: 60_000 });
  await eventually(() => expect(bansTold(stack.discord)).toBe(banned.length), { timeoutMs: 60_000 });
  expect(started().sort()).toEqual([...banned].sort());
  for (const receiver of [stack.slack, stack.discord, stack.webhook]) {
    const ids = receiver.accepted().map(({ deliveryId }) => deliveryId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(receiver.problems()).toEqual([]);
  }
});

it('a bad one is refused with all its mistakes; what needs a restart is said; a changed file is seen', {
  timeout: 180_000,
}, async () => {
  await reload(`${written}\nnotifers: []\nlog: {level: loud}\n`, 'cannot be used; the one before stays');
  expect(cowbell.output()).toMatch(/notifers: is not known here; did you mean.*log\.level: expected one of/s);
  await ban(1);
  await eventually(() => expect(bansTold(stack.slack)).toBe(1));

  await reload(`${written}\nbans: {history_days: 8}\nlog: {level: debug}\n`, 'take effect with a restart');
  expect(cowbell.output()).toContain('"changed":["bans","log"]');

  // Without a signal.
  const muted = written.replace('type: discord,', 'type: discord, mute: [45.7.0.0/16],');
  const before = cowbell.output().split('the configuration changed').length;
  writeFileSync(stack.config, muted);
  await eventually(() => expect(cowbell.output().split('the configuration changed').length).toBeGreaterThan(before), {
    timeoutMs: 60_000,
  });
  await ban(2);
  await eventually(() => expect(bansTold(stack.slack)).toBe(2));
  expect(bansTold(stack.discord)).toBe(1);
});

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RecordedState, readCapturedRun, standingIn } from '../support/captured-run.ts';
import { bansTold } from '../support/chat-counts.ts';
import { eventually } from '../support/eventually.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import { shortEvent } from '../support/recorder-harness.ts';

let stack: NetfilterStack;
beforeEach(async () => {
  stack = await startStack();
  await stack.startNetfilter();
});
afterEach(() => stack.close());

/** Plays a recorded run into the container and Redis, faster than it was, as if it began now. */
async function play(name: string, speed: number): Promise<void> {
  const run = readCapturedRun(name);
  const firstAt = run.states[0]?.at ?? 0;
  const startedAt = Date.now();
  const steps = [
    ...run.lines.map((line) => ({ at: line.at, run: () => stack.print(line.text) })),
    ...run.states.map((state) => ({ at: state.at, run: () => setState(state, startedAt - firstAt) })),
  ].sort((a, b) => a.at - b.at);
  for (const step of steps) {
    const waitMs = (step.at - firstAt) / speed - (Date.now() - startedAt);
    if (waitMs > 0) await sleep(waitMs);
    await step.run();
  }
}

async function setState({ active, permanent }: RecordedState, shiftMs: number): Promise<void> {
  const shifted = Object.entries(active).map(([field, until]) => [
    field,
    String(Number(until) + Math.round(shiftMs / 1000)),
  ]);
  const transaction = stack.redis.client.multi().del('F2B_ACTIVE_BANS', 'F2B_PERM_BANS').set('F2B_OPTIONS', '{}');
  if (shifted.length > 0) transaction.hset('F2B_ACTIVE_BANS', ...(shifted.flat() as [string, string]));
  if (Object.keys(permanent).length > 0) transaction.hset('F2B_PERM_BANS', permanent);
  await transaction.exec();
}

/** Somebody who listens on netfilter's channel, as netfilter does. */
async function listen() {
  const listener = stack.redis.client.duplicate();
  listener.on('error', () => {});
  await listener.subscribe('F2B_CHANNEL');
  return listener;
}

const told = () => stack.events().map(shortEvent);

describe('a netfilter that bans', () => {
  it('run 01: each ban is told once at each receiver, with who, how long, why; the restart once for all', async () => {
    const listener = await listen();
    await stack.startCowbell();
    await play('01-defaults', 3);
    await eventually(() => expect(told().filter((event) => event.startsWith('bans.cleared'))).toHaveLength(1));
    listener.disconnect();

    const stretches = standingIn(readCapturedRun('01-defaults').states);
    const started = stack
      .events()
      .filter((event) => event.type === 'ban.started')
      .map((event) => event.ban);
    expect(started.map((ban) => ban.network).sort()).toEqual(stretches.map(({ network }) => network).sort());
    const first = started.find((ban) => ban.network === '185.36.81.23/32');
    expect(first).toMatchObject({
      confirmed: true,
      services: ['smtp'],
      rules: ['3'],
      accounts: [{ name: 'info@example.org', attempts: 10 }],
      offenders: [{ ip: '185.36.81.23', attempts: 10 }],
      attempts: 10,
      sources: ['netfilter', 'redis'],
    });
    for (const ban of started) {
      expect([ban.network, ban.attempts > 0, ban.services.length, ban.evidence.length > 0, ban.confirmed]).toEqual([
        ban.network,
        true,
        1,
        true,
        true,
      ]);
      // The recording has bans of half an hour, and one of an hour.
      const minutes = (Date.parse(ban.until ?? '') - Date.parse(ban.started_at)) / 60_000;
      expect(Math.min(Math.abs(minutes - 30), Math.abs(minutes - 60))).toBeLessThan(1);
    }
    // The first message of each chat is about the first ban alone.
    for (const chat of [stack.slack, stack.discord]) {
      const body = chat.accepted()[0]?.body ?? '';
      for (const part of ['185.36.81.23', 'for 30 min', 'smtp', 'info@example.org', 'SASL LOGIN'])
        expect(body).toContain(part);
    }
    expect(
      told()
        .filter((event) => event.endsWith(' lifted'))
        .sort(),
    ).toEqual([
      'ban.ended 185.36.81.23/32 lifted',
      'ban.ended 2a01:4f8:c17:b8f::2/128 lifted',
      'ban.ended 91.240.118.1/32 lifted',
    ]);

    await eventually(() => {
      expect(bansTold(stack.slack)).toBe(stretches.length);
      expect(bansTold(stack.discord)).toBe(stretches.length);
    });
    for (const receiver of [stack.slack, stack.discord, stack.webhook]) {
      expect(receiver.problems()).toEqual([]);
      expect(new Set(receiver.accepted().map(({ deliveryId }) => deliveryId)).size).toBe(receiver.accepted().length);
    }
  });

  it('runs 04a and 08: a restart is one message, and the ban after it is a new one', async () => {
    const cowbell = await stack.startCowbell();
    const line = cowbell
      .output()
      .split('\n')
      .find((each) => each.includes('cowbell is watching'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      docker: expect.stringMatching(/^\d+\./),
      not_watched: expect.arrayContaining([{ name: 'postfix', reason: 'no container of postfix-mailcow' }]),
    });
    await play('04a-sigkill-restart', 5);
    await eventually(() =>
      expect(told()).toEqual([
        'ban.started 212.70.149.5/32',
        'bans.cleared 1',
        'ban.started 212.70.149.5/32',
        'bans.cleared 1',
      ]),
    );
    await play('08-chain-order', 10);
    await eventually(() => expect(told().slice(4)).toEqual(['ban.started 212.70.149.8/32', 'bans.cleared 1']));
    expect(stack.events().at(-1)).toMatchObject({ cleared: { reason: expect.stringContaining('chain') } });
  });

  it('does not tell of a line that Redis says is not so', async () => {
    const cowbell = await stack.startCowbell();
    await stack.redis.client.set('F2B_OPTIONS', '{}');
    await stack.print('Banning 8.8.8.8/32 for 30 minutes');
    await eventually(() => expect(cowbell.output()).toContain('a ban that the server does not have'));
    await stack.redis.client.hset('F2B_ACTIVE_BANS', '185.36.81.24/32', String(Math.ceil(Date.now() / 1000) + 1800));
    await stack.print('Banning 185.36.81.24/32 for 30 minutes');
    await eventually(() => expect(told()).toContain('ban.started 185.36.81.24/32'));
    expect(told()).not.toContain('ban.started 8.8.8.8/32');
  });

  it('that is deaf is told as down, with the reason, and as up again', async () => {
    const { client } = stack.redis;
    await client.set('F2B_OPTIONS', '{}');
    const listener = await listen();
    await stack.startCowbell('watchers: [{type: netfilter}, {type: redis, deaf_after_seconds: 1}]');
    listener.disconnect();
    await eventually(() => expect(told()).toEqual(['source.down netfilter']), { timeoutMs: 60_000 });
    expect(stack.events()[0]).toMatchObject({ source: { reason: expect.stringMatching(/nobody will be banned/) } });
    const again = await listen();
    await eventually(() => expect(told()).toEqual(['source.down netfilter', 'source.up netfilter']), {
      timeoutMs: 60_000,
    });
    again.disconnect();
  });
});

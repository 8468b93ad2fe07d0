import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { RunningProgram } from '../support/process.ts';
import { type PolicyStack, startPolicyStack } from './policy-stack.ts';

const OWN = '185.36.81.23';
const policy = (more = 'delay_seconds: 0') => `watchers: [{type: redis}, {type: postfix, from: redis}]
auto_unban: {mode: enforce, require: any, min_known_logins: 3, then: allowlist, max_lifts_per_hour: 100, ${more}}
`;

let mailcow: PolicyStack;
beforeEach(async () => {
  mailcow = await startPolicyStack();
});
afterEach(() => mailcow.close());

const decisions = () =>
  mailcow.rows('SELECT state, sent_at IS NOT NULL AS sent FROM decisions ORDER BY ban_id') as {
    state: string;
    sent: number;
  }[];

/** Runs with somebody known, who is banned then. */
async function banOwn(settings = policy()): Promise<RunningProgram> {
  const cowbell = await mailcow.stack.startCowbell(settings);
  await mailcow.logIn(OWN, 3);
  await mailcow.ban(OWN);
  return cowbell;
}

/** Started again, it lifts the ban: once, with one trail and one message of each kind. */
async function expectOneLift(purge = mailcow.startPurge(), settings = policy()): Promise<void> {
  await mailcow.stack.startCowbell(settings);
  await eventually(() => expect(mailcow.told()).toContain(`ban.ended ${OWN}/32 lifted-by-cowbell`), {
    timeoutMs: 40_000,
  });
  await eventually(() => expect(decisions()).toMatchObject([{ state: 'lifted' }]), { timeoutMs: 20_000 });
  expect(mailcow.audit()).toEqual([`policy lift ${OWN}/32`, `policy allow ${OWN}/32`, `policy lifted ${OWN}/32`]);
  expect(purge.lifted).toEqual([`${OWN}/32`]);
  expect(purge.printed).toEqual([`Unbanning ${OWN}/32`]);
  expect(mailcow.told('ban').filter((event) => !event.startsWith('allowlist'))).toEqual([
    `ban.started ${OWN}/32`,
    `unban.decided ${OWN}/32 lift`,
    `ban.ended ${OWN}/32 lifted-by-cowbell`,
  ]);
  expect(await mailcow.stack.redis.client.hkeys('F2B_WHITELIST')).toEqual([`${OWN}/32`]);
  expect(mailcow.rows('SELECT network, by FROM allowances')).toEqual([{ network: `${OWN}/32`, by: 'policy' }]);
}

describe('killed', { timeout: 90_000 }, () => {
  it('before the decision, it decides', async () => {
    const settings = policy('delay_seconds: 4');
    const cowbell = await banOwn(settings);
    await eventually(() => expect(decisions()).toMatchObject([{ state: 'due' }]));
    await cowbell.end('SIGKILL');
    expect(mailcow.audit()).toEqual([]);
    await expectOneLift(undefined, settings);
  });

  it('between decision and order, it gives the order', async () => {
    const { client } = mailcow.stack.redis;
    const cowbell = await banOwn(policy('delay_seconds: 2'));
    await eventually(() => expect(decisions()).toMatchObject([{ state: 'due' }]));
    await client.acl('SETUSER', 'default', '-eval', '-hset');
    await eventually(() => expect(decisions()).toMatchObject([{ state: 'lifting', sent: 0 }]));
    await cowbell.end('SIGKILL');
    expect(await client.exists('F2B_QUEUE_UNBAN')).toBe(0);
    await client.acl('SETUSER', 'default', '+@all');
    await expectOneLift();
  });

  it('between decision and order, it leaves a ban that began since', async () => {
    const { client } = mailcow.stack.redis;
    const cowbell = await banOwn(policy('delay_seconds: 2'));
    await eventually(() => expect(decisions()).toMatchObject([{ state: 'due' }]));
    await client.acl('SETUSER', 'default', '-eval', '-hset');
    await eventually(() => expect(decisions()).toMatchObject([{ state: 'lifting', sent: 0 }]));
    await cowbell.end('SIGKILL');
    await client.acl('SETUSER', 'default', '+@all');
    // It expired, and whoever it was went on, while cowbell was down: the watcher takes it for the same ban.
    await mailcow.ban(OWN, 3_600);
    const purge = mailcow.startPurge();
    await mailcow.stack.startCowbell(policy());
    await eventually(() => expect(mailcow.told()).toContain(`unban.failed ${OWN}/32`), { timeoutMs: 20_000 });
    expect(mailcow.audit()).toEqual([`policy lift ${OWN}/32`, `policy failed ${OWN}/32`]);
    expect([purge.printed, await mailcow.banned()]).toEqual([[], [`${OWN}/32`]]);
    expect(mailcow.rows('SELECT * FROM allowances')).toEqual([]);
  });

  it('between order and lift, it waits for the lift', async () => {
    const cowbell = await banOwn();
    // Nobody works off the queue yet.
    await eventually(async () =>
      expect(await mailcow.stack.redis.client.hkeys('F2B_QUEUE_UNBAN')).toEqual([`${OWN}/32`]),
    );
    await cowbell.end('SIGKILL');
    expect(decisions()).toMatchObject([{ state: 'lifting', sent: 1 }]);
    await expectOneLift();
  });

  it('between lift and verification, it sees that it was lifted, and by whom', async () => {
    const cowbell = await banOwn();
    await eventually(async () =>
      expect(await mailcow.stack.redis.client.hkeys('F2B_QUEUE_UNBAN')).toEqual([`${OWN}/32`]),
    );
    process.kill(cowbell.pid, 'SIGSTOP');
    const purge = mailcow.startPurge();
    await eventually(async () => expect(await mailcow.banned()).toEqual([]));
    await cowbell.end('SIGKILL');
    expect(decisions()).toMatchObject([{ state: 'lifting', sent: 1 }]);
    await expectOneLift(purge);
  });

  it('between the lift and what follows it, the network is on the allowlist once', async () => {
    const { client } = mailcow.stack.redis;
    const cowbell = await banOwn(policy('delay_seconds: 2'));
    await eventually(() => expect(decisions()).toMatchObject([{ state: 'due' }]));
    await client.acl('SETUSER', 'default', '-hsetnx');
    const purge = mailcow.startPurge();
    await eventually(async () => expect(await mailcow.banned()).toEqual([]), { timeoutMs: 20_000 });
    // It was tried, and could not be.
    await eventually(() => expect(mailcow.rows('SELECT network FROM allowances')).toHaveLength(1));
    await cowbell.end('SIGKILL');
    expect(decisions()).toMatchObject([{ state: 'lifting' }]);
    await client.acl('SETUSER', 'default', '+@all');
    await expectOneLift(purge);
  });

  it('before its messages were delivered, it delivers each once', async () => {
    const { webhook } = mailcow.stack;
    await webhook.stop();
    const cowbell = await banOwn();
    const purge = mailcow.startPurge();
    await eventually(() => expect(decisions()).toMatchObject([{ state: 'lifted' }]), { timeoutMs: 20_000 });
    await cowbell.end('SIGKILL');
    expect(mailcow.told()).toEqual([]);
    await webhook.restart();
    await expectOneLift(purge);
  });
});

it('killed at random, over and over, it lifts each ban once, and tells and writes down each step once', {
  timeout: 240_000,
}, async () => {
  const BANS = 8;
  const KILLS = 16;
  const ips = Array.from({ length: BANS }, (_, index) => `185.36.81.${index + 1}`);
  let cowbell = await mailcow.stack.startCowbell(policy());
  for (const ip of ips) await mailcow.logIn(ip, 3);
  const purge = mailcow.startPurge({ everyMs: 1_000 });
  for (let kill = 0; kill < KILLS; kill++) {
    const ip = ips[kill / 2];
    if (ip !== undefined) await mailcow.ban(ip);
    await sleep(Math.random() * 1_500);
    await cowbell.end('SIGKILL');
    cowbell = await mailcow.stack.startCowbell(policy());
  }
  await eventually(() => expect(decisions().filter(({ state }) => state === 'lifted')).toHaveLength(BANS), {
    timeoutMs: 60_000,
    everyMs: 200,
  });
  await eventually(() => expect(mailcow.told('lifted-by-cowbell')).toHaveLength(BANS), { timeoutMs: 30_000 });
  expect(purge.lifted.sort()).toEqual(ips.map((ip) => `${ip}/32`));
  for (const ip of ips) {
    const about = `${ip}/32`;
    const steps = mailcow.audit().filter((line) => line.endsWith(` ${about}`));
    expect(steps).toEqual([`policy lift ${about}`, `policy allow ${about}`, `policy lifted ${about}`]);
    const told = mailcow.told().filter((event) => event.split(' ')[1] === about && !event.startsWith('allowlist'));
    expect(told).toEqual([
      `ban.started ${about}`,
      `unban.decided ${about} lift`,
      `ban.ended ${about} lifted-by-cowbell`,
    ]);
  }
});

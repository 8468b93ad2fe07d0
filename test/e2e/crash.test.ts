import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/ledger/database.ts';
import { bansTold } from '../support/chat-counts.ts';
import { eventually } from '../support/eventually.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import type { Receiver } from '../support/receivers.ts';
import { shortEvent } from '../support/recorder-harness.ts';

const BANS = 2_000;
const KILLS = 50;

let stack: NetfilterStack;
beforeEach(async () => {
  stack = await startStack({ chatIntervalMs: 200 });
  await stack.startNetfilter();
});
afterEach(() => stack.close());

/** One ban as netfilter makes it: the failure, the ban in the log, and a moment later in the hash. */
async function ban(index: number): Promise<string> {
  const ip = `45.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
  await stack.print(
    `2026-11-23 12:00:00 WARN: ${ip} matched rule id 3 (warning: unknown[${ip}]: SASL LOGIN authentication failed: x, sasl_username=user${index}@example.org)`,
    `2026-11-23 12:00:00 CRIT: Banning ${ip}/32 for 30 minutes`,
  );
  await stack.redis.client.hset('F2B_ACTIVE_BANS', `${ip}/32`, String(Math.ceil(Date.now() / 1000) + 1_800));
  return `${ip}/32`;
}

const startedNetworks = () =>
  stack.events().flatMap((event) => (event.type === 'ban.started' ? [event.ban.network] : []));

describe('cowbell killed at random', () => {
  it(`loses none of ${BANS} bans in ${KILLS} kills, and repeats nothing but a delivery that was under way`, {
    timeout: 300_000,
  }, async () => {
    await stack.redis.client.set('F2B_OPTIONS', '{}');
    let cowbell = await stack.startCowbell();
    await eventually(() => expect(cowbell.output()).toContain('is watching'));
    // The first look is taken before the first ban, so that none is adopted.
    const first = await ban(0);
    await eventually(() => expect(startedNetworks()).toEqual([first]));

    const banned = [first];
    let isOver = false;
    const attack = (async () => {
      for (let index = 1; index < BANS; index++) {
        banned.push(await ban(index));
        if (!isOver) await sleep(20);
      }
    })();
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(Math.random() * 700);
      await cowbell.end('SIGKILL');
      cowbell = await stack.startCowbell();
    }
    isOver = true;
    await attack;

    await eventually(() => expect(new Set(startedNetworks()).size).toBe(BANS), { timeoutMs: 60_000, everyMs: 200 });
    await eventually(async () => expect((await stack.cowbell('outbox', 'list')).output).toContain('nothing is owed'), {
      timeoutMs: 60_000,
      everyMs: 500,
    });
    expect(await cowbell.end()).toBe(0);

    // One event a ban, though it may have been delivered twice.
    expect(startedNetworks().sort()).toEqual([...banned].sort());
    const sent = eventsByDelivery();
    for (const [name, receiver] of Object.entries({
      slack: stack.slack,
      discord: stack.discord,
      webhook: stack.webhook,
    })) {
      const ids = receiver.accepted().map(({ deliveryId }) => deliveryId);
      const networks = [...new Set(ids)].flatMap((id) => sent.get(id) ?? []);
      expect([name, networks.length]).toEqual([name, BANS]);
      expect([name, new Set(networks).size]).toEqual([name, BANS]);
      expect(ids.length - new Set(ids).size).toBeLessThanOrEqual(KILLS);
      expect(receiver.problems()).toEqual([]);
      // What the messages themselves say adds up as well.
      if (name !== 'webhook') expect([name, bansTold(receiver)]).toEqual([name, BANS]);
    }
  });
});

/** The networks of the bans that each delivery told of, by the ledger. */
function eventsByDelivery(): Map<string, string[]> {
  const db = openDatabase(stack.state, { readOnly: true });
  const rows = db.all<{ delivery: string; json: string }>(
    `SELECT outbox.delivery, events.json FROM outbox JOIN events USING (seq) WHERE events.type = 'ban.started'`,
  );
  db.close();
  const networks = new Map<string, string[]>();
  for (const { delivery, json } of rows) {
    const { ban } = JSON.parse(json) as { ban: { network: string } };
    networks.set(delivery, [...(networks.get(delivery) ?? []), ban.network]);
  }
  return networks;
}

describe('an outage', () => {
  const settings = 'watchers: [{type: netfilter, grace_seconds: 1}, {type: redis, grace_seconds: 1}]';
  const told = () => stack.events().map(shortEvent);
  const countOf = (event: string) => told().filter((each) => each === event).length;

  it('of Redis, of the engine and of a receiver, each for seconds, loses nothing and is told once', {
    timeout: 180_000,
  }, async () => {
    await stack.redis.client.set('F2B_OPTIONS', '{}');
    await stack.startCowbell(settings);
    const networks = [await ban(0)];
    await eventually(() => expect(startedNetworks()).toEqual(networks));

    await stack.redis.stop('SIGKILL');
    await stack.print('2026-11-23 12:00:00 CRIT: Banning 45.1.0.1/32 for 30 minutes');
    networks.push('45.1.0.1/32');
    await eventually(() => expect(countOf('source.down redis')).toBe(1), { timeoutMs: 60_000 });
    await eventually(() => expect(startedNetworks()).toEqual(networks), { timeoutMs: 60_000 });
    await stack.redis.start();
    await eventually(() => expect(countOf('source.up redis')).toBe(1), { timeoutMs: 40_000 });
    // It came back empty: the bans that stood are gone, all told in one message.
    await eventually(() =>
      expect(told().filter((event) => event.startsWith('bans.cleared'))).toEqual(['bans.cleared 2']),
    );
    networks.push(await ban(2));
    await eventually(() => expect(startedNetworks()).toEqual(networks));

    await stopAndStart(stack.webhook, async () => {
      networks.push(await ban(3), await ban(4));
      await sleep(1_500);
    });
    await eventually(() => expect(startedNetworks()).toEqual(networks), { timeoutMs: 60_000 });

    await stack.engine.stop();
    networks.push('45.1.0.5/32');
    await stack.redis.client.hset('F2B_ACTIVE_BANS', '45.1.0.5/32', String(Math.ceil(Date.now() / 1000) + 1_800));
    await eventually(() => expect(countOf('source.down netfilter log')).toBe(1), { timeoutMs: 60_000 });
    await stack.engine.start();
    await stack.startNetfilterAgain();
    await eventually(() => expect(countOf('source.up netfilter log')).toBe(1), { timeoutMs: 60_000 });
    networks.push(await ban(6));
    // The fifth was seen in Redis alone, and waited for its log lines.
    await eventually(() => expect(startedNetworks().sort()).toEqual([...networks].sort()), { timeoutMs: 60_000 });

    for (const name of ['redis', 'netfilter log']) {
      expect(countOf(`source.down ${name}`)).toBe(1);
      expect(countOf(`source.up ${name}`)).toBe(1);
    }
  });
});

async function stopAndStart(receiver: Receiver, meanwhile: () => Promise<void>): Promise<void> {
  await receiver.stop();
  await meanwhile();
  await receiver.restart();
}

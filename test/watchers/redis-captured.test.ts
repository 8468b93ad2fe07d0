import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseNetwork } from '../../src/core/network.ts';
import type { Snapshot } from '../../src/core/watcher.ts';
import { readSeconds } from '../../src/watchers/redis-state.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { createTestClock } from '../support/test-clock.ts';
import { type Watching, watchRedis } from './redis-rig.ts';

const FOLDER = join(import.meta.dirname, '..', 'fixtures', 'netfilter');
const HASHES = ['F2B_ACTIVE_BANS', 'F2B_PERM_BANS'];

let redis: RedisServer;
beforeEach(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  await redis.close();
});

interface Change {
  /** Seconds. */
  at: number;
  key: string;
  value: Record<string, string> | string | number | null;
}

function readLines(name: string): string[] {
  return readFileSync(join(FOLDER, name), 'utf8').split('\n').filter(Boolean);
}

/** `NETFILTER_LOG` as far as it was saved, and what netfilter then said while it was stopped, as it stands on its stdout. */
function readLog(name: string, length: number): string[] {
  // Redis lost the list of this run.
  if (name === '04c-redis-restart') return Array(length).fill('{}');
  const saved = readLines(`${name}.NETFILTER_LOG.jsonl`);
  const missing = Math.max(0, length - saved.length);
  const rest = readLines(`${name}.stdout.ts.log`).slice(missing === 0 ? Number.POSITIVE_INFINITY : -missing);
  return [
    ...saved,
    ...rest.map((line) => {
      const [, at, message] = /^([\d.]+) (?:[\d-]+ [\d:]+ [A-Z]+: )?(.*)$/.exec(line) ?? [];
      return JSON.stringify({ time: Math.round(Number(at)), priority: 'info', message });
    }),
  ];
}

/**
 * Puts what a real netfilter kept in Redis into Redis again, at its own times, and lets the watcher read it. Returns what
 * was told, each state beside what the hash held.
 */
async function replay(name: string): Promise<{ snapshot: Snapshot; active: Record<string, string> }[]> {
  const changes = readLines(`${name}.redis-changes.jsonl`).map((line) => JSON.parse(line) as Change);
  const lengths = changes.filter(({ key }) => key === 'LLEN NETFILTER_LOG').map(({ value }) => Number(value));
  const log = readLog(name, Math.max(...lengths));
  const clock = createTestClock(Math.floor((changes[0]?.at ?? 0) * 1000));
  const endsAt = (changes.at(-1)?.at ?? 0) * 1000 + 3_000;
  const told: { snapshot: Snapshot; active: Record<string, string> }[] = [];
  let active: Record<string, string> = {};
  let logged = 0;
  let watching: Watching | undefined;
  let from: string | undefined;
  let seen = 0;

  function take(): void {
    const snapshots = watching?.snapshots() ?? [];
    told.push(...snapshots.slice(seen).map((snapshot) => ({ snapshot, active })));
    seen = snapshots.length;
  }

  async function apply({ key, value }: Change): Promise<void> {
    if (key === 'ERR' && watching !== undefined) {
      from = watching.cursor();
      await redis.stop();
      await clock.advance(1_000);
      await watching.failure();
      watching = undefined;
      await redis.start();
      active = {};
    } else if (key === 'LLEN NETFILTER_LOG') {
      if (Number(value) > logged) await redis.client.lpush('NETFILTER_LOG', ...log.slice(logged, Number(value)));
      logged = Number(value);
    } else if (HASHES.includes(key)) {
      const fields = value as Record<string, string>;
      if (key === 'F2B_ACTIVE_BANS') active = fields;
      await redis.client.del(key);
      if (Object.keys(fields).length > 0) await redis.client.hset(key, fields);
    } else if (typeof value === 'string' && key !== 'ERR') await redis.client.set(key, value);
  }

  while (clock.now() < endsAt) {
    while (changes[0] !== undefined && changes[0].at * 1000 <= clock.now()) await apply(changes.shift() as Change);
    if (watching === undefined) {
      watching = await watchRedis(redis.address, { clock, from });
      seen = 0;
      take();
    }
    const toNextChange = Math.ceil((changes[0]?.at ?? Number.POSITIVE_INFINITY) * 1000 - clock.now());
    await clock.advance(Math.min(clock.waits()[0] ?? 1, toNextChange));
    await watching.idle();
    take();
  }
  await watching?.stop();
  return told;
}

const STOPPED = 'netfilter was stopped';
const RESTARTED = 'netfilter restarted';

describe.each([
  ['01-defaults', [STOPPED]],
  ['02-expiry-escalation', [STOPPED]],
  ['04a-sigkill-restart', [RESTARTED, STOPPED]],
  ['04c-redis-restart', ['Redis was restarted, and netfilter with it']],
  // A poll falls into the middle of the stop.
  ['06-hostile', [STOPPED, STOPPED]],
  // The ban that it drops has come and gone between two polls.
  ['07-2025-07', []],
  ['07-2025-09a', []],
  ['08-chain-order', [RESTARTED]],
  ['12-api', [STOPPED]],
  ['14-deaf-netfilter', []],
])('the recorded run %s', (name, reasons) => {
  it('is told as the hash had it, and so is why bans were dropped', async () => {
    const told = await replay(name);
    for (const { snapshot, active } of told) {
      const bans = snapshot.bans.map(({ network, until }) => `${network}@${until}`);
      const fields = Object.entries(active).map(([field, value]) => `${parseNetwork(field)}@${readSeconds(value)}`);
      expect(bans.sort()).toEqual(fields.sort());
    }
    expect(told.flatMap(({ snapshot }) => snapshot.cleared ?? [])).toEqual(reasons);
    expect(told.length).toBeGreaterThan(1);
  });
});

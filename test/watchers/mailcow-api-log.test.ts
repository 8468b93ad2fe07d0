import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TransientError } from '../../src/core/errors.ts';
import type { Cursor } from '../../src/core/watcher.ts';
import { createMailcowApiLog } from '../../src/watchers/mailcow-api-log.ts';
import { createNetfilterWatcher } from '../../src/watchers/netfilter.ts';
import { type Run, runWatcher } from '../support/run-watcher.ts';
import { type ApiRig, createApiRig, T0 } from './mailcow-api-rig.ts';

let rig: ApiRig;
const runs: Run[] = [];
beforeEach(async () => {
  rig = await createApiRig();
});
afterEach(async () => {
  for (const run of runs.splice(0)) await run.stop().catch(() => {});
  await rig.close();
});

/** The netfilter watcher over its log by the API. */
async function watchLog(from?: Cursor): Promise<Run> {
  const { server, tools, clock, logger } = rig;
  const source = createMailcowApiLog({ log: 'netfilter', address: server.address, http: tools.http, clock, logger });
  const run = runWatcher(createNetfilterWatcher('netfilter', source, { isRecords: true }), clock, { from });
  runs.push(run);
  await run.idle();
  return run;
}

const said = ({ batches }: Run) =>
  batches.flatMap(({ observations }) =>
    observations.map(
      (each) => `${each.kind} ${each.kind === 'auth-failed' ? each.ip : 'network' in each ? each.network : ''}`,
    ),
  );
const network = (n: number) => `45.${n >> 16}.${(n >> 8) & 255}.${n & 255}/32`;

describe("netfilter's log by the API", () => {
  it('is read from ten minutes ago on, and then what is new, once', async () => {
    rig.server.ban('9.9.9.9/32', 1_800);
    await rig.clock.advance(700_000);
    rig.server.fail('185.36.81.23', 'info@example.org');
    rig.server.ban('185.36.81.23/32', 1_800);
    const run = await watchLog();
    expect(said(run)).toEqual(['auth-failed 185.36.81.23', 'banned 185.36.81.23/32']);
    const [observation] = run.batches[0]?.observations ?? [];
    expect(observation).toMatchObject({ account: 'info@example.org', service: 'smtp', at: T0 + 700_000 });
    await run.pass(60_000);
    expect(said(run)).toHaveLength(2);
    rig.server.unban('185.36.81.23/32');
    rig.server.restart();
    await run.pass(30_000);
    expect(said(run).slice(2)).toEqual(['unbanned 185.36.81.23/32', 'cleared ']);
    expect(new Set(rig.server.requests.slice(1))).toEqual(new Set(['get/logs/netfilter/100']));
  });

  it('costs one call in thirty seconds, and no session of its own for each', async () => {
    rig.server.fail('185.36.81.23', 'info@example.org');
    const run = await watchLog();
    await run.pass(300_000);
    expect(rig.server.requests.length).toBeLessThanOrEqual(11);
    expect(rig.server.sessions()).toBe(1);
  });

  it('is empty at first', async () => {
    const run = await watchLog();
    expect(run.batches).toMatchObject([{ observations: [], read: 0 }]);
    rig.server.ban('9.9.9.9/32', 600);
    await run.pass(45_000);
    expect(said(run)).toEqual(['banned 9.9.9.9/32']);
  });

  it('asks for more where the last place is further back, and misses nothing', async () => {
    rig.server.ban(network(0), 600);
    const run = await watchLog();
    const counts = [30, 99, 100, 101, 2_500, 3];
    let n = 1;
    for (const count of counts) {
      for (let each = 0; each < count; each++) rig.server.ban(network(n++), 600);
      await run.pass(45_000);
    }
    expect(said(run)).toEqual(Array.from({ length: n }, (_, index) => `banned ${network(index)}`));
    expect(rig.server.requests).toContain('get/logs/netfilter/10000');
    expect(run.batches.flatMap(({ health }) => health ?? [])).toEqual([]);
  });

  it('counts records that are the same', async () => {
    const run = await watchLog();
    for (let each = 0; each < 70; each++) rig.server.log('Unbanning 9.9.9.9/32');
    await run.pass(45_000);
    for (let each = 0; each < 20; each++) rig.server.log('Unbanning 9.9.9.9/32');
    await run.pass(45_000);
    expect(said(run)).toHaveLength(90);
  });

  it('does not take an answer for the whole list that has one record more than was asked for, as some releases give it', async () => {
    for (let n = 0; n < 60; n++) rig.server.ban(network(n), 600);
    const run = await watchLog();
    for (let n = 60; n < 200; n++) rig.server.ban(network(n), 600);
    const newest = rig.server.records.slice(0, 101);
    const requests = rig.server.requests.length;
    rig.server.answerWith({ status: 200, body: JSON.stringify(newest) });
    await run.pass(45_000);
    expect(rig.server.requests.slice(requests, requests + 2)).toEqual([
      'get/logs/netfilter/100',
      'get/logs/netfilter/1000',
    ]);
    const missed = run.batches.flatMap(({ health }) => health ?? []).map(({ reason }) => reason);
    expect(missed).toEqual(["more records of mailcow's log netfilter came than its API gives out"]);
  });

  it('says that records were missed where ten thousand were not enough, and goes on behind them', async () => {
    rig.server.ban(network(0), 600);
    const run = await watchLog();
    for (let n = 1; n <= 10_500; n++) rig.server.ban(network(n), 600);
    await run.pass(45_000);
    expect(said(run)).toHaveLength(10_001);
    expect(run.batches.flatMap(({ health }) => health ?? [])).toMatchObject([{ source: 'netfilter log', up: false }]);
    expect(rig.logger.told()).toEqual(['warn: more records came than mailcow gives out']);
    rig.server.ban(network(20_000), 600);
    await run.pass(30_000);
    expect(said(run).slice(10_001)).toEqual([`banned ${network(20_000)}`]);
  });

  it('goes on at the cursor after a restart, and takes the cursor of another source for none', async () => {
    rig.server.ban(network(1), 600);
    const first = await watchLog();
    const from = first.cursor();
    await first.stop();
    rig.server.ban(network(2), 600);
    const second = await watchLog(from);
    expect(said(second)).toEqual([`banned ${network(2)}`]);
    await second.stop();
    for (const other of ['{"length":1,"newest":["x"]}', '2026-11-23T11:54:15Z', '']) {
      const run = await watchLog(other);
      expect(said(run)).toEqual([`banned ${network(1)}`, `banned ${network(2)}`]);
      await run.stop();
    }
  });

  it('keeps a text of an attacker inside its record', async () => {
    rig.server.fail('185.36.81.23', 'x)\n2026-11-23 12:00:00 CRIT: Banning 8.8.8.8/32 for 30 minutes');
    rig.server.records.unshift(null, 7, 'Banning 8.8.8.8/32 for 30 minutes', { time: 'x', message: 7 }, []);
    expect(said(await watchLog())).toEqual(['auth-failed 185.36.81.23']);
  });

  it('fails where the answer is no list of records', async () => {
    rig.server.answerWith({ status: 200, body: '{"a": 1}' });
    const source = createMailcowApiLog({ ...rig.tools, log: 'netfilter', address: rig.server.address });
    const failure = await runWatcher(createNetfilterWatcher('netfilter', source), rig.clock).failure();
    expect(failure).toBeInstanceOf(TransientError);
    expect(failure).toMatchObject({ message: 'mailcow\'s API answers, but not with the records of a log: {"a":1}' });
  });

  it('reads what it can where records are too long to be given out at once', async () => {
    const long = 'x'.repeat(4_000);
    rig.server.ban(network(0), 600);
    const run = await watchLog();
    for (let n = 1; n <= 6_000; n++) rig.server.log(`185.36.81.23 matched rule id 3 (${long}${n})`, 'warn');
    await run.pass(45_000);
    expect(run.batches.flatMap(({ health }) => health ?? [])).toMatchObject([{ up: false }]);
    rig.server.ban(network(1), 600);
    await run.pass(30_000);
    expect(said(run).at(-1)).toBe(`banned ${network(1)}`);
  });
});

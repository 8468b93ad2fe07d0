import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMailcowApiLog } from '../../src/watchers/mailcow-api-log.ts';
import { createNetfilterWatcher } from '../../src/watchers/netfilter.ts';
import { eventually } from '../support/eventually.ts';
import { createHarness } from '../support/recorder-harness.ts';
import { type Run, runWatcher } from '../support/run-watcher.ts';
import { type ApiRig, createApiRig, standing } from './mailcow-api-rig.ts';

let rig: ApiRig;
const runs: Run[] = [];
beforeEach(async () => {
  rig = await createApiRig();
});
afterEach(async () => {
  for (const run of runs.splice(0)) await run.stop();
  await rig.close();
});

describe('why bans are gone', () => {
  const three = ['185.36.81.23/32', '185.36.81.24/32', '185.36.81.25/32'] as const;

  async function watchThree(): Promise<Run> {
    for (const network of three) rig.server.ban(network, 1_800);
    const run = await rig.watch();
    await run.pass(60_000);
    return run;
  }

  it('is a restart when netfilter logs the first record of a new life', async () => {
    const { pass, last } = await watchThree();
    rig.server.restart();
    rig.server.ban('9.9.9.9/32', 600);
    await pass(30_000);
    expect(standing(last())).toHaveLength(1);
    expect(last()?.cleared).toBe('netfilter restarted');
    await pass(60_000);
    expect(last()?.cleared).toBeUndefined();
  });

  it('is a stop when netfilter says so, and lifts one after the other', async () => {
    const { pass, last } = await watchThree();
    rig.server.log('Clearing all bans');
    rig.server.unban(...three);
    await pass(30_000);
    expect(last()).toMatchObject({ bans: [], cleared: 'netfilter was stopped' });
  });

  it('is a person when one ban is lifted, or all of them one by one', async () => {
    const { pass, last } = await watchThree();
    const requests = rig.server.requests.length;
    rig.server.unban(three[0]);
    await pass(30_000);
    expect(last()?.bans).toHaveLength(2);
    expect(last()?.cleared).toBeUndefined();
    rig.server.unban(three[1], three[2]);
    await pass(30_000);
    expect(last()).toMatchObject({ bans: [] });
    expect(last()?.cleared).toBeUndefined();
    expect(rig.server.requests.slice(requests)).toEqual([
      ...['get/fail2ban', 'get/logs/netfilter/100'],
      ...['get/fail2ban', 'get/logs/netfilter/100'],
    ]);
  });

  it('is told without a word in the log when several vanish at once', async () => {
    const { pass, last } = await watchThree();
    rig.server.hash.clear();
    await pass(30_000);
    expect(last()).toMatchObject({ bans: [], cleared: 'all of them vanished from Redis at once' });
  });

  it('is a restart when the only ban is gone a moment before netfilter says that it has started', async () => {
    rig.server.ban(three[0], 1_800);
    const run = await rig.watch();
    await run.pass(31_000);
    rig.server.hash.clear();
    const requests = rig.server.requests.length;
    await eventually(async () => {
      await rig.clock.advance(500);
      expect(rig.server.requests.slice(requests)).toContain('get/logs/netfilter/100');
    });
    rig.server.log('Watching Redis channel F2B_CHANNEL');
    await run.pass(3_000);
    expect(run.last()).toMatchObject({ bans: [], cleared: 'netfilter restarted' });
  });

  it('is nothing when their time was over, and asks for no log', async () => {
    rig.server.ban(three[0], 45);
    rig.server.ban(three[1], 50);
    const { pass, last } = await rig.watch();
    await pass(55_000);
    rig.server.hash.clear();
    await pass(30_000);
    expect(last()).toMatchObject({ bans: [] });
    expect(last()?.cleared).toBeUndefined();
    expect(new Set(rig.server.requests)).toEqual(new Set(['get/fail2ban']));
  });

  it.each([-7, 7])('is seen though the clocks of the two hosts differ by minutes: %i', async (minutes) => {
    rig.server.shiftClock(minutes * 60_000);
    rig.server.restart();
    const { pass, last } = await watchThree();
    rig.server.unban(three[0]);
    await pass(30_000);
    expect(last()?.bans).toHaveLength(2);
    expect(last()?.cleared).toBeUndefined();
    await pass(60_000);
    rig.server.restart();
    await pass(30_000);
    expect(last()).toMatchObject({ bans: [], cleared: 'netfilter restarted' });
  });

  it('is found out for what happened while cowbell was away', async () => {
    const first = await watchThree();
    const from = first.cursor();
    await first.stop();
    const quiet = await rig.watch({}, from);
    expect(quiet.last()?.cleared).toBeUndefined();
    await quiet.stop();
    await rig.clock.advance(60_000);
    rig.server.restart();
    const late = await rig.watch({}, from);
    expect(late.last()).toMatchObject({ bans: [], cleared: 'netfilter restarted' });
    const other = await rig.watch({}, 'not a cursor of ours');
    expect(other.last()?.cleared).toBeUndefined();
  });

  it('is not taken from what a client wrote into a record', async () => {
    rig.server.fail('9.9.9.9', 'Watching Redis channel F2B_CHANNEL');
    const { pass, last } = await watchThree();
    rig.server.fail('9.9.9.9', 'Clearing all bans');
    rig.server.unban(three[0]);
    await pass(30_000);
    expect(last()?.bans).toHaveLength(2);
    expect(last()?.cleared).toBeUndefined();
  });

  it('stays untold where mailcow does not give out its log, and the state is read on', async () => {
    const { pass, last } = await watchThree();
    rig.server.withoutLogs = true;
    rig.server.unban(three[0]);
    await pass(30_000);
    expect(last()?.bans).toHaveLength(2);
    expect(rig.logger.told()).toEqual(["warn: mailcow's API does not give out netfilter's log"]);
  });
});

describe('bans by the API alone, through the recorder', () => {
  /** The watchers, recorded as supervision would, with everything that was told. */
  async function record({ withLog = true } = {}) {
    const { server, tools, clock, logger } = rig;
    const state = rig.watcher();
    const source = createMailcowApiLog({ log: 'netfilter', address: server.address, http: tools.http, clock, logger });
    const log = createNetfilterWatcher('netfilter', source, { isRecords: true });
    const reads = (jail: string) => jail === 'netfilter';
    const watchers = [...(withLog ? [{ watcher: log, reads }] : []), { watcher: state, reads }];
    const harness = createHarness({ clock, watchers, startedAt: clock.now() });
    const { recorder } = harness;
    for (const { watcher } of watchers) {
      runs.push(runWatcher(watcher, clock, { onBatch: (batch) => recorder.record(watcher, batch) }));
    }
    const idle = () =>
      eventually(() => expect(clock.waits().length).toBeGreaterThanOrEqual(watchers.length), { everyMs: 1 });
    await idle();
    return {
      ...harness,
      async pass(ms: number) {
        for (let left = ms; left > 0; left -= 1_000) {
          await idle();
          await clock.advance(Math.min(left, 1_000));
          await idle();
          if ((recorder.nextDueAt() ?? Number.POSITIVE_INFINITY) <= clock.now()) recorder.tick();
        }
      },
    };
  }

  for (const withLog of [true, false]) {
    describe(withLog ? 'with its log' : 'without its log', () => {
      it('begin, are extended, and end as they ended', async () => {
        rig.server.ban('5.188.206.14/32', 1_800);
        rig.server.denylist = ['45.9.20.0/24'];
        await rig.clock.advance(5_000);
        const { pass, told } = await record({ withLog });
        expect(told()).toEqual(['bans.adopted 1+1']);
        for (let n = 0; n < 10; n++) rig.server.fail('185.36.81.23', 'info@example.org');
        rig.server.ban('185.36.81.23/32', 1_800);
        rig.server.ban('185.36.81.24/32', 120);
        rig.server.ban('185.36.81.25/32', 1_800);
        await pass(45_000);
        expect(told().slice(1).sort()).toEqual([
          'ban.started 185.36.81.23/32',
          'ban.started 185.36.81.24/32',
          'ban.started 185.36.81.25/32',
        ]);
        rig.server.ban('185.36.81.23/32', 3_600);
        await pass(45_000);
        expect(told().slice(4)).toEqual(['ban.extended 185.36.81.23/32']);
        await pass(35_000);
        rig.server.unban('185.36.81.24/32');
        rig.server.unban('185.36.81.25/32');
        await pass(45_000);
        expect(told().slice(5).sort()).toEqual([
          'ban.ended 185.36.81.24/32 expired',
          'ban.ended 185.36.81.25/32 lifted',
        ]);
        rig.server.denylist = ['45.9.20.0/24', 'bad.example'];
        await pass(45_000);
        expect(told().slice(7)).toEqual(['denylist.added bad.example']);
        rig.server.restart();
        await pass(45_000);
        expect(told().slice(8)).toEqual(['bans.cleared 2']);
        await pass(300_000);
        expect(told()).toHaveLength(9);
      });
    });
  }

  it('are confirmed, and tell why', async () => {
    const { pass, bans } = await record();
    for (let round = 0; round < 4; round++) {
      // At any moment between two polls.
      await pass(11_000 * (round + 1));
      for (let n = 0; n < 10; n++) rig.server.fail(`185.36.81.${round}`, 'info@example.org');
      rig.server.ban(`185.36.81.${round}/32`, 1_800);
      await pass(45_000);
      expect(bans().at(-1)).toMatchObject({
        network: `185.36.81.${round}/32`,
        confirmed: true,
        attempts: 10,
        services: ['smtp'],
        accounts: [{ name: 'info@example.org' }],
        sources: ['netfilter', 'mailcow-api'],
      });
    }
    expect(bans()).toHaveLength(4);
  });

  it('are told though they were lifted before the next look', async () => {
    const { pass, told } = await record();
    await pass(3_000);
    rig.server.ban('185.36.81.23/32', 1_800);
    rig.server.unban('185.36.81.23/32');
    await pass(60_000);
    expect(told()).toEqual(['ban.started 185.36.81.23/32', 'ban.ended 185.36.81.23/32 lifted']);
  });

  it('are never extended by rounding, however long they stand', async () => {
    rig.server.ban('185.36.81.22/32', 600);
    const { pass, told } = await record({ withLog: false });
    rig.server.hash.set('185.36.81.23/32', Math.ceil(rig.clock.now() / 1_000) + 7_200);
    await rig.clock.advance(333);
    await pass(3_600_000);
    expect(told()).toEqual(['bans.adopted 1+0', 'ban.started 185.36.81.23/32']);
  });
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { TransientError } from '../../src/core/errors.ts';
import type { Cursor, Watcher } from '../../src/core/watcher.ts';
import { createContainerLogs } from '../../src/logs/container-log.ts';
import { fail2banClientWatcher } from '../../src/watchers/fail2ban-client.ts';
import { type DockerEngine, startEngine } from '../support/docker-engine.ts';
import { eventually } from '../support/eventually.ts';
import { FAIL2BAN_SOCKET, type Fail2banContainer, startFail2banContainer } from '../support/fail2ban-container.ts';
import { createHarness, SILENT } from '../support/recorder-harness.ts';
import { tempDir } from '../support/temp-dir.ts';
import { watcherTools } from '../support/watcher-tools.ts';

let engine: DockerEngine;
beforeAll(async () => {
  engine = await startEngine();
}, 180_000);
afterAll(() => engine.close());

let fail2ban: Fail2banContainer;
beforeEach(async () => {
  const jails = { sshd: 3_600, recidive: 604_800 };
  fail2ban = await startFail2banContainer(engine, tempDir(), { jails, timeZone: 'Asia/Kathmandu' });
  await fail2ban.ready();
});
afterEach(() => fail2ban.container.remove({ force: true }));

const tools = (clock: Clock) =>
  watcherTools({ clock, exec: createContainerLogs({ socket: engine.socket, clock, logger: SILENT }).exec });
const OPTIONS = fail2banClientWatcher.options.parse({ poll_interval_seconds: 5, socket: FAIL2BAN_SOCKET });

/** Waits are short: what lasts seconds in life takes a tenth of it. */
function hastyClock(): Clock {
  const startedAt = Date.now();
  return {
    now: () => startedAt + (Date.now() - startedAt) * 10,
    sleep: (ms, signal) => systemClock.sleep(ms / 10, signal),
  };
}

/** Watches and records in the background, after a failure again at the last cursor. */
function record(clock: Clock) {
  const watcher: Watcher = fail2banClientWatcher.create('fail2ban-client', OPTIONS, tools(clock));
  const harness = createHarness({ clock, startedAt: clock.now(), watchers: [{ watcher, reads: () => true }] });
  const end = new AbortController();
  const failures: unknown[] = [];
  let cursor: Cursor | undefined;
  const running = (async () => {
    while (!end.signal.aborted) {
      try {
        for await (const batch of watcher.watch(cursor, end.signal)) {
          harness.recorder.record(watcher, batch);
          cursor = batch.cursor ?? cursor;
        }
      } catch (error) {
        failures.push(error);
        await clock.sleep(1_000, end.signal);
      }
    }
  })();
  return {
    ...harness,
    failures,
    /** Waits until that is what was told, and no more. */
    async untilTold(...expected: string[]) {
      await eventually(
        () => {
          harness.tick();
          expect(harness.told()).toEqual(expected);
        },
        { timeoutMs: 60_000, everyMs: 50 },
      );
    },
    async stop() {
      end.abort();
      await running;
    },
  };
}

describe('a real fail2ban, through docker exec', () => {
  it('tells its jails, its bans, and when they end by the clock of the host', { timeout: 180_000 }, async () => {
    expect(await fail2ban.client('set', 'sshd', 'banip', '203.0.113.7', '203.0.113.128/25')).toBe('2');
    expect(await fail2ban.client('set', 'recidive', 'banip', '2001:db8::1', "it's not an ip")).toBe('2');
    const startedAt = Date.now();
    const end = new AbortController();
    const watcher = fail2banClientWatcher.create('fail2ban-client', OPTIONS, tools(systemClock));
    for await (const { snapshot } of watcher.watch(undefined, end.signal)) {
      expect([...(snapshot?.jails ?? [])].sort()).toEqual(['recidive', 'sshd']);
      const bans = snapshot?.bans.map(({ jail, network, until = 0 }) => {
        const seconds = (until - startedAt) / 1_000;
        return [jail, network, Math.abs(seconds - (jail === 'sshd' ? 3_600 : 604_800)) < 30];
      });
      expect(bans?.sort()).toEqual([
        ['recidive', '2001:db8::1/128', true],
        ['sshd', '203.0.113.128/25', true],
        ['sshd', '203.0.113.7/32', true],
      ]);
      end.abort();
    }
    const found = await fail2banClientWatcher.probe?.(OPTIONS, tools(systemClock), new AbortController().signal);
    expect(found).toMatch(/^fail2ban answers: 2 jails: (?:sshd \(2\), recidive \(1\)|recidive \(1\), sshd \(2\))$/);
  });

  it('tells of bans from start to end: lifted, with their jail, and through a restart', {
    timeout: 180_000,
  }, async () => {
    await fail2ban.client('set', 'recidive', 'banip', '203.0.113.1');
    const { untilTold, failures, bans, events, stop } = record(hastyClock());
    const told = ['bans.adopted 1+0'];
    await untilTold(...told);
    await fail2ban.client('set', 'sshd', 'banip', '203.0.113.7');
    await untilTold(...told, 'ban.started 203.0.113.7/32');
    expect(bans().at(-1)).toMatchObject({ jail: 'sshd', confirmed: true, sources: ['fail2ban-client'] });
    told.push('ban.started 203.0.113.7/32');
    await fail2ban.client('set', 'sshd', 'banip', '203.0.113.128/25');
    told.push('ban.started 203.0.113.128/25');
    await untilTold(...told);

    await fail2ban.client('set', 'sshd', 'unbanip', '203.0.113.7');
    told.push('ban.ended 203.0.113.7/32 lifted');
    await untilTold(...told);

    // It logs an unban of every ban, and puts them all back.
    await fail2ban.container.restart({ t: 10 });
    await fail2ban.ready();
    await eventually(async () => expect(await fail2ban.client('banned')).toContain('203.0.113.128/25'));
    expect(failures.filter((error) => !(error instanceof TransientError))).toEqual([]);
    await fail2ban.client('set', 'recidive', 'banip', '203.0.113.2');
    told.push('ban.started 203.0.113.2/32');
    await untilTold(...told);

    await fail2ban.client('stop', 'recidive');
    told.push('bans.cleared 2');
    await untilTold(...told);
    expect(events.at(-1)).toMatchObject({ cleared: { jail: 'recidive', reason: 'the jail recidive was stopped' } });
    await stop();
  });

  it('says what is wrong where it cannot be asked', { timeout: 180_000 }, async () => {
    const signal = new AbortController().signal;
    const ask = (options: object) =>
      fail2banClientWatcher.probe?.(fail2banClientWatcher.options.parse(options), tools(systemClock), signal);
    await expect(ask({ socket: '/nowhere.sock' })).rejects.toThrow(
      'fail2ban does not run in fail2ban, or has its socket elsewhere than /nowhere.sock',
    );
    await expect(ask({ container: 'nobody' })).rejects.toThrow('there is no container of container "nobody"');
    await expect(ask({ socket: FAIL2BAN_SOCKET, jails: ['gone'] })).rejects.toThrow(
      'fail2ban has none of the jails that are configured: gone',
    );
    await engine.run({ name: 'bare', script: 'sleep 600' });
    await expect(ask({ container: 'bare' })).rejects.toThrow('there is no fail2ban-client in bare');
    await engine.docker.getContainer('bare').stop({ t: 0 });
    await expect(ask({ container: 'bare' })).rejects.toThrow('the container bare does not run: Exited');
    await engine.docker.getContainer('bare').remove({ force: true });
  });
});

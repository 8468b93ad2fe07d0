import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { PermanentError } from '../../src/core/errors.ts';
import type { ListingUnbanner } from '../../src/core/unbanner.ts';
import type { Exec } from '../../src/core/watcher.ts';
import { createContainerLogs } from '../../src/logs/container-log.ts';
import { createFail2banUnbanner } from '../../src/reputation/unbanners/fail2ban-client.ts';
import { type DockerEngine, startEngine } from '../support/docker-engine.ts';
import { eventually } from '../support/eventually.ts';
import { FAIL2BAN_SOCKET, type Fail2banContainer, startFail2banContainer } from '../support/fail2ban-container.ts';
import { net, SILENT } from '../support/recorder-harness.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createFakeFail2ban } from '../watchers/fail2ban-client-rig.ts';

const never = new AbortController().signal;

describe('a real fail2ban, through docker exec', () => {
  let engine: DockerEngine;
  let fail2ban: Fail2banContainer;
  let exec: Exec;
  let unbanner: ListingUnbanner;
  beforeAll(async () => {
    engine = await startEngine();
  }, 180_000);
  afterAll(() => engine.close());
  beforeEach(async () => {
    const jails = { sshd: 3_600, recidive: 604_800 };
    fail2ban = await startFail2banContainer(engine, tempDir(), { jails, timeZone: 'Asia/Kathmandu' });
    await fail2ban.ready();
    exec = createContainerLogs({ socket: engine.socket, clock: systemClock, logger: SILENT }).exec;
    unbanner = createFail2banUnbanner({ exec, selector: { service: 'fail2ban' }, socket: FAIL2BAN_SOCKET });
  }, 180_000);
  afterEach(() => fail2ban.container.remove({ force: true }));

  const ban = async (jail: string, ...targets: string[]) => {
    await fail2ban.client('set', jail, 'banip', ...targets);
    for (const target of targets) {
      await eventually(async () => expect(await fail2ban.client('get', jail, 'banip')).toContain(target));
    }
  };

  it('sees and lifts the ban of exactly this network in exactly this jail', { timeout: 180_000 }, async () => {
    await ban('sshd', '203.0.113.7', '203.0.113.8', '198.51.100.0/24', '2001:db8::1', "it's no address");
    await ban('recidive', '203.0.113.7');
    const seen = await unbanner.look('sshd', net('203.0.113.7/32'), never);
    expect(Math.abs((seen?.until ?? 0) - Date.now() - 3_600_000)).toBeLessThan(60_000);
    expect(await unbanner.standing(never)).toEqual(
      expect.arrayContaining([
        { jail: 'recidive', network: '203.0.113.7/32' },
        { jail: 'sshd', network: '198.51.100.0/24' },
        { jail: 'sshd', network: '2001:db8::1/128' },
      ]),
    );
    // Not banned as such: of those inside none is lifted, and neither is the one that is wider.
    expect(await unbanner.lift('sshd', net('203.0.113.0/24'), never)).toBe(false);
    expect(await unbanner.lift('sshd', net('198.51.100.9/32'), never)).toBe(false);
    expect(await unbanner.standing(never)).toHaveLength(5);

    for (const network of ['203.0.113.7/32', '198.51.100.0/24', '2001:db8::1/128']) {
      expect(await unbanner.lift('sshd', net(network), never)).toBe(true);
      expect(await unbanner.look('sshd', net(network), never)).toBeUndefined();
      expect(await unbanner.lift('sshd', net(network), never)).toBe(false);
    }
    expect(await unbanner.standing(never)).toEqual(
      expect.arrayContaining([
        { jail: 'recidive', network: '203.0.113.7/32' },
        { jail: 'sshd', network: '203.0.113.8/32' },
      ]),
    );
  });

  it('ignores a network, and no longer', { timeout: 180_000 }, async () => {
    for (const network of ['192.0.2.7/32', '192.0.2.0/24', '2001:db8:1::/48']) {
      let absent = 0;
      expect(await unbanner.allow('sshd', net(network), never, () => absent++)).toBe(true);
      expect(await unbanner.allow('sshd', net(network), never, () => absent++)).toBe(false);
      expect(absent).toBe(1);
    }
    const ignored = await fail2ban.client('get', 'sshd', 'ignoreip');
    for (const entry of ['192.0.2.0/24', '192.0.2.7', '2001:db8:1::/48']) expect(ignored).toContain(`- ${entry}`);
    for (const network of ['192.0.2.7/32', '192.0.2.0/24', '2001:db8:1::/48']) {
      expect(await unbanner.disallow('sshd', net(network), never)).toBe(true);
      expect(await unbanner.disallow('sshd', net(network), never)).toBe(false);
    }
    expect(await fail2ban.client('get', 'sshd', 'ignoreip')).not.toContain('192.0.2.');
  });

  it('bans what it is told to', { timeout: 180_000 }, async () => {
    expect(await unbanner.deny('recidive', net('192.0.2.99/32'), never)).toBe(true);
    await eventually(async () =>
      expect(await unbanner.look('recidive', net('192.0.2.99/32'), never)).toMatchObject({ until: expect.any(Number) }),
    );
    expect(await unbanner.deny('recidive', net('192.0.2.99/32'), never)).toBe(false);
  });

  it('says what is wrong', { timeout: 180_000 }, async () => {
    await expect(unbanner.look('gone', net('192.0.2.1/32'), never)).rejects.toThrow(
      'fail2ban in fail2ban has no jail gone',
    );
    const elsewhere = createFail2banUnbanner({ exec, selector: { service: 'nobody' } });
    await expect(elsewhere.lift('sshd', net('192.0.2.1/32'), never)).rejects.toThrow('there is no container of');
  });
});

describe('fail2ban-client', () => {
  it('is handed no name of a jail that could be anything else', async () => {
    const fake = createFakeFail2ban({ clock: { now: Date.now } });
    const unbanner = createFail2banUnbanner({ exec: fake.exec, selector: { service: 'fail2ban' } });
    const network = net('192.0.2.1/32');
    for (const jail of ['--help', '-s', 'a b', '', 'x'.repeat(65), 'sshd\n', '$(id)', '../x', 'ä']) {
      for (const call of [unbanner.look, unbanner.lift, unbanner.allow, unbanner.disallow, unbanner.deny]) {
        await expect(call(jail, network, never)).rejects.toThrow(PermanentError);
      }
    }
    expect(fake.argv).toEqual([]);
  });

  it('covers what it is configured for, and never netfilter', () => {
    const of = (jails?: string[]) =>
      createFail2banUnbanner({ exec: async () => Promise.reject(), selector: { service: 'x' }, jails });
    expect(['sshd', 'dovecot', 'netfilter'].map((jail) => of().covers(jail))).toEqual([true, true, false]);
    expect(['sshd', 'dovecot', 'netfilter'].map((jail) => of(['sshd', 'netfilter']).covers(jail))).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('is asked jail by jail where it is old, and then says no end but that there is none', async () => {
    const fake = createFakeFail2ban({ clock: { now: Date.now } });
    fake.knowsBanned = false;
    fake.knowsTimes = false;
    fake.ban('sshd', '192.0.2.1', 600);
    fake.ban('dovecot', '2001:db8::/64', -1);
    const unbanner = createFail2banUnbanner({ exec: fake.exec, selector: { service: 'fail2ban' } });
    expect(await unbanner.standing(never)).toEqual([
      { jail: 'sshd', network: '192.0.2.1/32' },
      { jail: 'dovecot', network: '2001:db8::/64' },
    ]);
    expect(await unbanner.look('sshd', net('192.0.2.1/32'), never)).toEqual({ until: undefined });
    fake.banSeconds = -1;
    expect(await unbanner.look('sshd', net('192.0.2.1/32'), never)).toEqual({ until: Number.POSITIVE_INFINITY });
    fake.knowsTimes = true;
    expect(await unbanner.look('dovecot', net('2001:db8::/64'), never)).toEqual({ until: Number.POSITIVE_INFINITY });
    await expect(unbanner.allow('sshd', net('192.0.2.1/32'), never)).rejects.toThrow('this fail2ban does not know');
  });
});

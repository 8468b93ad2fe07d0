import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { startEngine } from '../support/docker-engine.ts';
import { eventually } from '../support/eventually.ts';
import { FAIL2BAN_SOCKET, startFail2banContainer } from '../support/fail2ban-container.ts';
import { startMailcowApi } from '../support/mailcow-api-server.ts';
import { type NetfilterPurge, startPurge } from '../support/netfilter-purge.ts';
import { net } from '../support/recorder-harness.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts';
import { cowbell } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';

/** A configuration with these means. */
function configWith(means: string) {
  const folder = tempDir();
  const state = join(folder, 'cowbell.db');
  const file = join(folder, 'cowbell.yaml');
  writeFileSync(
    file,
    `host: mail.example.org\nstate: ${state}\nnotifiers: [{type: console}]\ndocker: {socket: ${folder}/none.sock}\n${means}\n`,
  );
  /** What is in the ledger, with nobody running. */
  const look = <T>(work: (ledger: ReturnType<typeof openLedger>) => T): T => {
    const ledger = openLedger(state, Date.now);
    try {
      return work(ledger);
    } finally {
      ledger.close();
    }
  };
  return {
    look,
    run: (...args: string[]) => cowbell([...args, '--config', file]),
    audited: () =>
      look((ledger) => ledger.audit.list({ limit: 20 }))
        .map(({ by, action, network, jail }) => `${by} ${action} ${network} ${jail}`)
        .reverse(),
  };
}

describe("by hand, in mailcow's Redis", () => {
  let redis: RedisServer;
  let port: number;
  let purge: NetfilterPurge;
  beforeAll(async () => {
    port = await freePort();
    redis = await startRedis({ port });
  });
  afterAll(() => redis.close());
  beforeEach(async () => {
    await redis.client.flushall();
    purge = startPurge(redis.client, { everyMs: 100 });
  });
  afterEach(() => purge.stop());

  const configured = () => configWith(`redis: {url: "redis://127.0.0.1:${port}", password: pa55}`);
  const ban = (network: string) =>
    redis.client.hset('F2B_ACTIVE_BANS', network, String(Math.round(Date.now() / 1_000) + 1_800));

  it('lifts a ban, and waits until it is gone', async () => {
    await ban('198.51.100.7/32');
    await ban('198.51.100.8/32');
    const { run, audited } = configured();
    const { code, out, err } = await run('unban', '198.51.100.7');
    expect([code, err]).toEqual([0, '']);
    expect(out).toBe(
      'lifting the ban of 198.51.100.7/32 (netfilter) by redis: that takes 12 s at most\n198.51.100.7/32 (netfilter) is not banned any more\n',
    );
    expect(await redis.client.hkeys('F2B_ACTIVE_BANS')).toEqual(['198.51.100.8/32']);
    expect(purge.printed).toEqual(['Unbanning 198.51.100.7/32']);
    expect(audited()).toEqual(['person lift 198.51.100.7/32 netfilter', 'person lifted 198.51.100.7/32 netfilter']);
  });

  it('leaves word for the daemon whose doing it was', async () => {
    await ban('198.51.100.7/32');
    const { run, look } = configured();
    const { id } = look((ledger) =>
      ledger.bans.add({
        jail: 'netfilter',
        network: net('198.51.100.7/32'),
        state: 'open',
        startedAt: Date.now(),
        seenAt: Date.now(),
        repeats: 2,
      }),
    );
    const { code, out } = await run('unban', '198.51.100.7/32', '--jail', 'netfilter');
    expect(code).toBe(0);
    expect(out).toContain('its firewall may keep another rule (mailcow issue 5879)');
    look((ledger) => {
      expect(ledger.decisions.of(id)).toMatchObject({ by: 'person', state: 'lifted' });
      expect(ledger.decisions.isLifted(id)).toBe(true);
    });
  });

  it('says in which wider ban an address is, and lifts that one only when told to', async () => {
    await ban('203.0.113.0/24');
    const { run } = configured();
    const { code, err } = await run('unban', '203.0.113.7');
    expect(code).toBe(1);
    expect(err).toBe(
      '203.0.113.7/32 is not banned by itself: it is inside of 203.0.113.0/24 (netfilter), which is banned. To unban that: `cowbell unban 203.0.113.0/24`, or the same again with --yes\n',
    );
    expect(purge.printed).toEqual([]);
    expect((await run('unban', '203.0.113.7', '--yes', '--allowlist', '1h')).code).toBe(0);
    expect(purge.lifted).toEqual(['203.0.113.0/24']);
    expect(await redis.client.hkeys('F2B_WHITELIST')).toEqual(['203.0.113.7/32']);
  });

  it('lifts nothing that is not banned', async () => {
    await ban('203.0.113.7/32');
    const { run, audited } = configured();
    expect(await run('unban', '203.0.113.8')).toMatchObject({ code: 1, err: '203.0.113.8/32 is not banned\n' });
    expect(await run('unban', '203.0.113.0/24')).toMatchObject({
      code: 1,
      err: '203.0.113.0/24 is not banned as a whole; inside of it are banned: 203.0.113.7/32 (netfilter)\n',
    });
    expect(await run('unban', 'mail.example.org')).toMatchObject({
      code: 1,
      err: expect.stringContaining('is no address'),
    });
    expect(await redis.client.exists('F2B_QUEUE_UNBAN')).toBe(0);
    expect(audited()).toEqual([]);
  });

  it('leaves with 1 where the ban does not go away', { timeout: 180_000 }, async () => {
    await purge.stop();
    await ban('198.51.100.7/32');
    const { run, audited } = configured();
    const { code, out, err } = await run('unban', '198.51.100.7');
    expect([code, err]).toEqual([1, '1 ban of 1 could not be lifted\n']);
    expect(out).toContain('is not unbanned: the ban still stands 15 s after redis was asked to lift it');
    expect(audited()).toEqual(['person lift 198.51.100.7/32 netfilter', 'person failed 198.51.100.7/32 netfilter']);
  });

  it('allows for a time and for good, and denies', async () => {
    const { run, look, audited } = configured();
    const first = await run('allow', '198.51.100.0/24', '--for', '30m');
    expect(first.out).toMatch(
      /^198\.51\.100\.0\/24 is on the allowlist \(netfilter\) until .*; cowbell takes it off then/,
    );
    expect(look((ledger) => ledger.allowances.standing())).toMatchObject([
      { network: '198.51.100.0/24', by: 'person' },
    ]);
    expect((await run('allow', '198.51.100.0/24')).out).toContain(
      'was on the allowlist (netfilter) already, and stays there',
    );
    expect(look((ledger) => ledger.allowances.standing())).toEqual([]);
    expect((await run('allow', '198.51.100.0/24', '--for', '7d')).out).toContain('already, and stays there');
    expect(look((ledger) => ledger.allowances.standing())).toEqual([]);
    await ban('198.51.100.9/32');
    expect((await run('allow', '198.51.100.9')).out).toContain('it is banned now: `cowbell unban 198.51.100.9/32`');
    expect((await run('deny', '45.9.20.0/24')).out).toContain('45.9.20.0/24 is on the denylist');
    expect((await run('deny', '45.9.20.0/24')).out).toContain('on the denylist already');
    expect(await redis.client.hkeys('F2B_BLACKLIST')).toEqual(['45.9.20.0/24']);
    expect(audited()).toEqual([
      'person allow 198.51.100.0/24 netfilter',
      'person allow 198.51.100.0/24 netfilter',
      'person allow 198.51.100.9/32 netfilter',
      'person deny 45.9.20.0/24 netfilter',
    ]);
  });

  it.each(['1', '1x', '0m', '-1h', '1h30m', '400d', '9999999m', ''])('takes %j for no time', async (time) => {
    const { run } = configured();
    const { code, err } = await run('allow', '198.51.100.7', `--for=${time}`);
    expect([code, err]).toEqual([1, `${time} is no time: write 30m, 1h or 7d, a year at most\n`]);
    expect(await redis.client.exists('F2B_WHITELIST')).toBe(0);
  });
});

describe('by hand, where there is little', () => {
  it('says what to configure', async () => {
    const { run } = configWith('');
    for (const command of ['unban', 'allow', 'deny']) {
      expect(await run(command, '198.51.100.7')).toMatchObject({
        code: 1,
        err: expect.stringContaining('give cowbell `redis`'),
      });
    }
    expect(await run('unban', '198.51.100.7', '--jail', 'sshd')).toMatchObject({
      code: 1,
      err: expect.stringContaining('give cowbell a watcher of type fail2ban-client'),
    });
  });

  it('says what is wrong with Redis, and does nothing', async () => {
    const { run, audited } = configWith(`redis: {url: "redis://127.0.0.1:${await freePort()}"}`);
    expect(await run('unban', '198.51.100.7')).toMatchObject({
      code: 1,
      err: expect.stringContaining('cannot be reached'),
    });
    expect(audited()).toEqual([]);
  });
});

describe("by hand, by mailcow's API", () => {
  it('lifts and denies, and says beforehand what it cannot take back', async () => {
    const server = await startMailcowApi({ clock: systemClock });
    const ticks = setInterval(() => server.purge(), 100);
    try {
      const { run } = configWith(
        `mailcow_api: {url: "${server.address.url.reveal()}", key: "${server.address.key.reveal()}"}`,
      );
      server.ban('185.36.81.23/32', 1_800);
      expect(await run('unban', '185.36.81.23', '--allowlist', '1h')).toMatchObject({
        code: 1,
        err: expect.stringContaining("nothing was done: mailcow's API cannot take a single network off the allowlist"),
      });
      expect([...server.hash.keys()]).toEqual(['185.36.81.23/32']);
      expect(await run('allow', '185.36.81.23', '--for', '1h')).toMatchObject({ code: 1 });
      expect(server.allowlist).toEqual([]);
      expect(await run('unban', '185.36.81.23')).toMatchObject({ code: 0 });
      expect(server.hash.size).toBe(0);
      expect(await run('deny', '45.9.20.0/24')).toMatchObject({ code: 0 });
      expect(server.disasters).toEqual([]);
    } finally {
      clearInterval(ticks);
      await server.close();
    }
  });
});

describe('by hand, in a real fail2ban', () => {
  it('lifts the ban in each jail, or in the one that is named', { timeout: 180_000 }, async () => {
    const engine = await startEngine();
    try {
      const jails = { sshd: 3_600, recidive: 604_800 };
      const fail2ban = await startFail2banContainer(engine, tempDir(), { jails, timeZone: 'UTC' });
      await fail2ban.ready();
      const folder = tempDir();
      const file = join(folder, 'cowbell.yaml');
      writeFileSync(
        file,
        `state: ${folder}/cowbell.db\nhost: h\nnotifiers: [{type: console}]\ndocker: {socket: ${engine.socket}}\nwatchers: [{type: fail2ban-client, socket: ${FAIL2BAN_SOCKET}}]\n`,
      );
      const run = (...args: string[]) => cowbell([...args, '--config', file]);
      for (const jail of Object.keys(jails)) await fail2ban.client('set', jail, 'banip', '203.0.113.7', '203.0.113.8');
      await eventually(async () => expect((await fail2ban.client('banned')).match(/203\.0\.113\./g)).toHaveLength(4));
      expect(await run('unban', '203.0.113.7', '--jail', 'recidive')).toMatchObject({ code: 0 });
      expect(await fail2ban.client('get', 'recidive', 'banip')).not.toContain('203.0.113.7');
      expect(await fail2ban.client('get', 'sshd', 'banip')).toContain('203.0.113.7');
      const { code, out } = await run('unban', '203.0.113.8', '--allowlist', '1h');
      expect(code).toBe(0);
      expect(out.match(/is not banned any more/g)).toHaveLength(2);
      expect(await fail2ban.client('get', 'sshd', 'ignoreip')).toContain('203.0.113.8');
      expect(await run('allow', '203.0.113.9')).toMatchObject({
        code: 1,
        err: 'fail2ban has a list for each jail: name one by --jail\n',
      });
      expect((await run('deny', '203.0.113.9', '--jail', 'sshd')).out).toContain(
        'is banned in sshd, for as long as bans last',
      );
      expect(await run('unban', '203.0.113.9', '--jail=--help')).toMatchObject({ code: 1 });
    } finally {
      await engine.close();
    }
  });
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PermanentError } from '../../src/core/errors.ts';
import { Secret } from '../../src/core/secret.ts';
import { mailcowApiWatcher } from '../../src/watchers/mailcow-api.ts';
import { readApiState, readTimeLeft, StableEnds } from '../../src/watchers/mailcow-api-state.ts';
import { untilNextPoll } from '../../src/watchers/poll-times.ts';
import { net } from '../support/recorder-harness.ts';
import { watcherTools } from '../support/watcher-tools.ts';
import { type ApiRig, createApiRig, standing, T0 } from './mailcow-api-rig.ts';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'api');
const captured: unknown = JSON.parse(readFileSync(join(FIXTURES, 'get-fail2ban-with-bans.json'), 'utf8'));

let rig: ApiRig;
beforeEach(async () => {
  rig = await createApiRig();
});
afterEach(() => rig.close());

describe("what mailcow's API says of the bans", () => {
  it('is read from a real answer', () => {
    const { bans, denylist, allowlist, garbage } = readApiState({ json: captured });
    expect([...bans]).toEqual([
      ['185.36.81.23/32', 1_800_000],
      ['2a01:4f8:c17:b8f::2/128', 1_800_000],
      ['1.2.3.4/32', -5_000],
      ['1.2.3.5/32', 400_000_000],
    ]);
    expect(denylist).toEqual(['45.9.20.0/24']);
    expect(allowlist).toEqual(['8.8.4.4/32', 'mail.partner.example']);
    expect(garbage).toEqual([]);
  });

  it('is no bans where the keys are absent, empty or null, and the same where PHP writes objects or texts', () => {
    const whitelist = '';
    for (const none of [{}, { active_bans: '', perm_bans: '' }, { active_bans: null, perm_bans: [] }]) {
      expect(readApiState({ json: { whitelist, ...none } })).toMatchObject({ bans: new Map(), denylist: [] });
    }
    const json = {
      ban_time: '1800',
      active_bans: { 1: { network: '1.2.3.4/32', banned_until: '00h 01m 00s', queued_for_unban: '0' } },
      perm_bans: ['45.9.20.7/24', 'bad.example'],
      blacklist: null,
    };
    expect(readApiState({ json })).toEqual({
      bans: new Map([['1.2.3.4/32', 60_000]]),
      spellings: new Map(),
      denylist: ['45.9.20.0/24', 'bad.example'],
      allowlist: [],
      garbage: [],
    });
  });

  it('keeps what it can of entries that others left there', () => {
    const active_bans = [
      { network: '1.2.3.4/32', banned_until: 'Forever' },
      { ip: '1.2.3.5' },
      { network: 'Banning 8.8.8.8/32', banned_until: '00h 01m 00s' },
      { network: 7 },
      'x',
      null,
      { network: '193.56.28.7/24', banned_until: '00h 01m 00s' },
      { network: '193.56.28.0/24', banned_until: '00h 02m 00s' },
    ];
    const state = readApiState({ json: { whitelist: '', active_bans } });
    expect([...state.bans]).toEqual([
      ['1.2.3.4/32', undefined],
      ['1.2.3.5/32', undefined],
      ['193.56.28.0/24', 120_000],
    ]);
    expect(state.garbage).toEqual(['Banning 8.8.8.8/32', '{"network":7}', 'x', 'null']);
  });

  it('reads the time that is left as PHP writes it', () => {
    const times = { '00h 30m 00s': 1_800, '111h 06m 40s': 400_000, '00h 00m -5s': -5, '00h -1m -5s': -65 };
    for (const [text, seconds] of Object.entries(times)) expect(readTimeLeft(text)).toBe(seconds * 1_000);
    expect(['', '30m', 'Forever', '1h 2m 3s ', 1_800, null].map(readTimeLeft)).toEqual(Array(6).fill(undefined));
  });

  it('gives an end that stays the same though seconds are cut off and answers take their time', () => {
    const ends = new StableEnds();
    const network = net('1.2.3.4/32');
    const end = T0 + 1_800_000;
    const told = new Set<number | undefined>();
    for (let at = T0; at < end - 10_000; at += 29_717) {
      for (const tookMs of [3, 950]) {
        const phpSecond = Math.floor((at + tookMs / 2) / 1_000) * 1_000;
        const bans = new Map([[network, end - phpSecond]]);
        told.add(ends.reckon(bans, { askedAt: at, answeredAt: at + tookMs }).get(network));
      }
    }
    expect(told.size).toBe(1);
    expect(Math.abs(Number([...told][0]) - end)).toBeLessThanOrEqual(1_000);
    const moved = ends.reckon(new Map([[network, 3_600_000]]), { askedAt: T0, answeredAt: T0 + 10 });
    expect(moved.get(network)).toBe(T0 + 3_600_010);
  });
});

describe('the watcher', () => {
  it('tells the whole state, every 30 seconds', async () => {
    rig.server.ban('185.36.81.23/32', 1_800);
    rig.server.ban('2a01:0DB9::/64', 600);
    rig.server.denylist = ['45.9.20.0/24', 'bad.example'];
    rig.server.allowlist = ['8.8.4.4'];
    const { pass, snapshots, last } = await rig.watch();
    expect(last()).toMatchObject({
      at: T0,
      jails: ['netfilter'],
      denylist: ['45.9.20.0/24', 'bad.example'],
      allowlist: ['8.8.4.4/32'],
    });
    expect(standing(last())).toEqual(['185.36.81.23/32@1800', '2a01:db9::/64@600']);
    await pass(120_000);
    expect(snapshots().length).toBeGreaterThanOrEqual(4);
    expect(snapshots().length).toBeLessThanOrEqual(5);
    expect(new Set(snapshots().map((each) => standing(each).join()))).toEqual(
      new Set(['185.36.81.23/32@1800,2a01:db9::/64@600']),
    );
    expect(new Set(rig.server.requests)).toEqual(new Set(['get/fail2ban']));
  });

  it('keeps one session, and gives no more than its key', async () => {
    const { pass } = await rig.watch({ poll_interval_seconds: 10 });
    await pass(100_000);
    expect(rig.server.requests.length).toBeGreaterThan(9);
    expect(rig.server.sessions()).toBe(1);
    expect(rig.server.apiLog()).toBe(rig.server.requests.length);
    expect(rig.server.failedLogins()).toBe(0);
  });

  it('takes the address of the API, or one with slashes at its end, for that of the web interface', async () => {
    const url = rig.server.address.url.reveal();
    for (const given of [`${url}/`, `${url}/api`, `${url}/api/v1/`, `${url}//`, `${url}/?a=b#c`]) {
      const mailcowApi = { url: new Secret(given), key: rig.server.address.key };
      const found = await mailcowApiWatcher.probe?.(
        { poll_interval_seconds: 30 },
        { ...rig.tools, mailcowApi },
        new AbortController().signal,
      );
      expect(found).toBe("mailcow's API answers: 0 bans, 0 denylist entries");
    }
  });

  it('reads ten thousand bans', async () => {
    const until = Math.round(T0 / 1_000) + 1_800;
    for (let n = 0; n < 10_000; n++) rig.server.hash.set(`100.64.${n >> 8}.${n & 255}/32`, until);
    const { last } = await rig.watch();
    expect(last()?.bans).toHaveLength(10_000);
  });

  it('passes over what is no network, and says so once', async () => {
    rig.server.hash.set('Banning 8.8.8.8/32', 1);
    rig.server.ban('1.2.3.4/32', 600);
    const { pass, last } = await rig.watch();
    await pass(60_000);
    expect(standing(last())).toEqual(['1.2.3.4/32@600']);
    expect(rig.logger.told()).toEqual(["warn: mailcow's list of bans holds something that is no network"]);
  });

  it('needs to know where the API is, and is asked for no less than ten seconds', () => {
    const { options } = mailcowApiWatcher;
    expect(() => mailcowApiWatcher.create('api', options.parse({}), watcherTools())).toThrow(PermanentError);
    expect(options.safeParse({ poll_interval_seconds: 9 }).success).toBe(false);
    expect(options.parse({})).toEqual({ poll_interval_seconds: 30 });
  });
});

describe('a look that somebody asks for', () => {
  const look = (rigged: ApiRig, run: { watcher: { witness?: unknown } }) => {
    const { witness } = run.watcher as ReturnType<ApiRig['watcher']>;
    if (witness === undefined) throw new Error('it is no witness');
    return (network: string, expected: 'banned' | 'unbanned') => {
      witness.look('netfilter', net(network), expected);
      return rigged;
    };
  };

  it('is answered within seconds, by one call for all that were asked for', async () => {
    const run = await rig.watch();
    await run.pass(10_000);
    const before = rig.server.requests.length;
    rig.server.ban('1.2.3.4/32', 1_800);
    for (let n = 1; n < 50; n++) look(rig, run)(`1.2.3.${n}/32`, 'banned');
    await run.pass(1_000);
    expect(rig.server.requests.slice(before)).toEqual(['get/fail2ban', 'get/logs/netfilter/100']);
    expect(standing(run.last())).toEqual(['1.2.3.4/32@1810.25']);
    const said = run.batches.at(-1)?.observations ?? [];
    expect(said).toHaveLength(48);
    expect(said[0]).toEqual({ kind: 'unbanned', jail: 'netfilter', network: '1.2.3.1/32', at: T0 + 10_250 });
  });

  it('asks no more than every four seconds, whoever asks', async () => {
    const run = await rig.watch();
    await run.pass(5_000);
    const before = rig.server.requests.length;
    for (let second = 0; second < 20; second++) {
      look(rig, run)('1.2.3.4/32', 'unbanned');
      await run.pass(1_000);
    }
    expect(rig.server.requests.length - before).toBeLessThanOrEqual(6);
  });

  it('says that a ban stands which was said to be over', async () => {
    rig.server.ban('1.2.3.4/32', 1_800);
    const run = await rig.watch();
    await run.pass(5_000);
    look(rig, run)('1.2.3.4/32', 'unbanned');
    await run.pass(1_000);
    expect(run.batches.at(-1)?.observations).toEqual([
      { kind: 'banned', jail: 'netfilter', network: '1.2.3.4/32', at: T0 + 5_250, until: T0 + 1_800_000 },
    ]);
  });

  it("believes netfilter's own records of a ban that was lifted before it could be seen", async () => {
    const run = await rig.watch();
    await run.pass(5_000);
    rig.server.ban('1.2.3.4/32', 1_800);
    rig.server.unban('1.2.3.4/32');
    look(rig, run)('1.2.3.4/32', 'banned');
    await run.pass(1_000);
    expect(run.batches.at(-1)?.observations.map(({ kind }) => kind)).toEqual(['banned', 'unbanned']);
  });
});

describe('the moments of polls', () => {
  it('lie on the clock, a while apart, and take turns', () => {
    expect(untilNextPoll(60_000, 30_000)).toBe(30_000);
    expect(untilNextPoll(61_300, 30_000)).toBe(28_700);
    expect(untilNextPoll(60_400, 30_000, 2_000)).toBe(31_600);
    expect(untilNextPoll(62_400, 30_000, 2_000)).toBe(29_600);
  });
});

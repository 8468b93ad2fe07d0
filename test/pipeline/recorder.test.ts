import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Ip } from '../../src/core/network.ts';
import { createHarness, net, T0 } from '../support/recorder-harness.ts';
import { tempDir } from '../support/temp-dir.ts';

const A = '185.36.81.23/32';
const B = '45.142.120.9/32';
const C = '77.90.185.4/32';

/** A harness that has passed its first, empty look. */
function running(options: Parameters<typeof createHarness>[0] = {}) {
  const harness = createHarness(options);
  if (options.withRedis !== false) harness.snapshot({});
  return harness;
}

describe('a ban that the log tells of and the state confirms', () => {
  it('is told once, when the state has it, with its exact end', () => {
    const h = running();
    h.log(h.banned(A, 1));
    expect(h.told()).toEqual([]);
    expect(h.looks).toEqual([`${A} banned`]);
    h.state({ ...h.banned(A, 1), until: h.until(1801.4) } as never);
    h.log(h.banned(A, 2), h.banned(A, 3));
    h.snapshot({ [A]: h.until(1803) });
    expect(h.told()).toEqual([`ban.started ${A}`]);
    expect(h.bans()[0]).toMatchObject({
      network: A,
      confirmed: true,
      repeats: 0,
      started_at: new Date(T0 + 1_000).toISOString(),
      until: new Date(T0 + 1_801_400).toISOString(),
      sources: ['netfilter', 'redis'],
    });
    expect(h.ledger.bans.standing('netfilter', net(A))).toMatchObject({ repeats: 2, until: h.until(1803) });
  });

  it('carries the reasons: attempts, accounts, services, lines', () => {
    const h = running();
    for (let n = 0; n < 10; n++) {
      h.log({
        kind: 'auth-failed',
        ip: '185.36.81.23' as Ip,
        at: T0 + n * 100,
        service: 'smtp',
        rule: '3',
        account: n < 7 ? 'info@example.org' : 'sales@example.org',
        line: `attempt ${n}`,
      });
    }
    h.log(h.banned(A, 1));
    h.snapshot({ [A]: h.until(1801) });
    expect(h.bans()[0]).toMatchObject({
      attempts: 10,
      services: ['smtp'],
      rules: ['3'],
      offenders: [{ ip: '185.36.81.23', attempts: 10 }],
      accounts: [
        { name: 'info@example.org', attempts: 7 },
        { name: 'sales@example.org', attempts: 3 },
      ],
      evidence: ['attempt 5', 'attempt 6', 'attempt 7', 'attempt 8', 'attempt 9'],
    });
  });

  it('is not told when the state does not have it: the line was forged', () => {
    const h = running();
    h.log(h.banned(A, 1));
    h.state(h.unbanned(A, 3));
    h.at(20);
    h.tick();
    h.log(h.unbanned(A, 21), h.cleared(22));
    expect(h.told()).toEqual([]);
  });

  it('is told unconfirmed when nobody can answer in time', () => {
    const h = running();
    h.setReady(false);
    h.log(h.banned(A, 1));
    h.at(4);
    h.tick();
    expect(h.told()).toEqual([]);
    h.at(6);
    h.tick();
    expect(h.told()).toEqual([`ban.started ${A}`]);
    expect(h.bans()[0]?.confirmed).toBe(false);
    h.at(9);
    h.snapshot({ [A]: h.until(1801) });
    expect(h.told()).toHaveLength(1);
    expect(h.ledger.bans.standing('netfilter', net(A))?.confirmed).toBe(true);
  });
});

describe('a ban that the state shows first', () => {
  it('waits a moment for its log lines, and is told with them', () => {
    const h = running();
    h.at(1);
    h.snapshot({ [A]: h.until(1801) });
    expect(h.told()).toEqual([]);
    h.log({ kind: 'auth-failed', ip: '185.36.81.23' as Ip, at: T0 + 900, account: 'x' }, h.banned(A, 0.95));
    expect(h.told()).toEqual([`ban.started ${A}`]);
    expect(h.bans()[0]).toMatchObject({ attempts: 1, repeats: 0, started_at: new Date(T0 + 950).toISOString() });
  });

  it('is told without them when they do not come', () => {
    const h = running();
    h.at(1);
    h.snapshot({ [A]: h.until(1801) });
    expect(h.recorder.nextDueAt()).toBe(h.until(3));
    h.at(3);
    h.tick();
    expect(h.told()).toEqual([`ban.started ${A}`]);
  });

  it('is told at once where no log is read', () => {
    const h = running({ withLog: false });
    h.snapshot({ [A]: h.until(1800) });
    expect(h.told()).toEqual([`ban.started ${A}`]);
  });

  it('that was too short to be told before it ended is told and ended', () => {
    const h = running();
    h.snapshot({ [A]: h.until(1) });
    h.at(1.5);
    h.snapshot({});
    expect(h.told()).toEqual([`ban.started ${A}`, `ban.ended ${A} expired`]);
  });
});

describe('the end of a ban', () => {
  function banned(...networks: string[]) {
    const h = running();
    for (const network of networks) h.log(h.banned(network, 0));
    h.snapshot(Object.fromEntries(networks.map((network) => [network, h.until(1800)])));
    h.events.length = 0;
    return h;
  }

  it('is expired when the hash drops it at or after its time, less the purge tick', () => {
    const h = banned(A);
    h.at(1_791);
    h.snapshot({});
    expect(h.told()).toEqual([`ban.ended ${A} expired`]);
  });

  it('is lifted when it goes before its time and the log says Unbanning', () => {
    const h = banned(A);
    h.at(60);
    h.log(h.unbanned(A, 60));
    expect(h.looks.at(-1)).toBe(`${A} unbanned`);
    expect(h.told()).toEqual([]);
    h.state(h.unbanned(A, 60.01));
    expect(h.told()).toEqual([`ban.ended ${A} lifted`]);
    h.log(h.unbanned(A, 61));
    expect(h.told()).toHaveLength(1);
  });

  it('is lifted within seconds when only the state shows it', () => {
    const h = banned(A, B);
    h.at(60);
    h.snapshot({ [B]: h.until(1800) });
    expect(h.told()).toEqual([]);
    h.at(62);
    h.tick();
    expect(h.told()).toEqual([`ban.ended ${A} lifted`]);
    expect(h.bans()[0]?.ended_at).toBe(new Date(h.until(60)).toISOString());
  });

  it('is not told when the state still has it, whatever the log says', () => {
    const h = banned(A);
    h.at(60);
    h.log(h.unbanned(A, 60));
    h.state({ ...h.banned(A, 60), until: h.until(1800) } as never);
    h.snapshot({ [A]: h.until(1800) });
    h.at(90);
    h.tick();
    expect(h.told()).toEqual([]);
  });

  it('tells nothing of networks that were never banned', () => {
    const h = banned(A);
    h.log(h.unbanned(C, 60));
    expect(h.told()).toEqual([]);
  });

  it('of all at once is one message, whichever source tells first', () => {
    const h = banned(A, B, C);
    h.at(60);
    h.log(h.cleared(60, 'netfilter was stopped'), h.unbanned(A, 60), h.unbanned(B, 60));
    h.snapshot({ [C]: h.until(1800) });
    h.snapshot({});
    h.log(h.cleared(61));
    h.at(90);
    h.tick();
    expect(h.told()).toEqual(['bans.cleared 3']);
    expect(h.events[0]).toMatchObject({ cleared: { jail: 'netfilter', count: 3, reason: 'netfilter was stopped' } });
    expect(h.ledger.bans.recent(9).map((ban) => ban.endReason)).toEqual(['cleared', 'cleared', 'cleared']);
  });

  it('seen half done in the state is still one message once the log arrives', () => {
    const h = banned(A, B, C);
    h.at(60);
    h.snapshot({ [C]: h.until(1800) });
    h.at(60.5);
    h.log(h.cleared(59.9));
    h.snapshot({});
    h.at(90);
    h.tick();
    expect(h.told()).toEqual(['bans.cleared 3']);
  });

  it('is one message where the state alone saw the restart', () => {
    const h = banned(A, B);
    h.at(60);
    h.snapshot({}, { cleared: 'netfilter restarted' });
    h.log(h.cleared(59.9));
    h.at(62);
    h.tick();
    expect(h.told()).toEqual(['bans.cleared 2']);
  });

  it('does not come back as the afterimage of a state that was read too early', () => {
    const h = banned(A, B);
    h.at(60);
    h.log(h.cleared(60));
    h.snapshot({ [A]: h.until(1800), [B]: h.until(1800) });
    h.snapshot({});
    h.at(62);
    h.tick();
    h.snapshot({});
    expect(h.told()).toEqual(['bans.cleared 2']);
  });

  it('is not told when only a line says so and the state has them still', () => {
    const h = banned(A, B);
    h.at(60);
    h.log(h.cleared(60), h.unbanned(A, 60));
    h.snapshot({ [A]: h.until(1800), [B]: h.until(1800) });
    h.at(90);
    h.tick();
    h.snapshot({ [A]: h.until(1800), [B]: h.until(1800) });
    expect(h.told()).toEqual([]);
  });

  it('is seen though the clock was set back', () => {
    const h = banned(A);
    h.at(-3_600);
    h.snapshot({});
    h.at(-3_590);
    h.tick();
    expect(h.told()).toEqual([`ban.ended ${A} lifted`]);
  });

  it('is followed by a new ban when the network is banned again', () => {
    const h = banned(A);
    h.at(60);
    h.log(h.cleared(60));
    h.snapshot({});
    h.at(63);
    h.log(h.banned(A, 63));
    h.state({ ...h.banned(A, 63), until: h.until(1863) } as never);
    expect(h.told()).toEqual(['bans.cleared 1', `ban.started ${A}`]);
    expect(h.bans()[0]?.history).toEqual({ bans: 2, window_days: 7, first_seen_at: new Date(T0).toISOString() });
  });
});

describe('an extension', () => {
  it('is told only when the end moves by more than a minute', () => {
    const h = running();
    h.log(h.banned(A, 0));
    h.snapshot({ [A]: h.until(1800) });
    h.snapshot({ [A]: h.until(1830) });
    h.snapshot({ [A]: h.until(1860) });
    expect(h.told()).toEqual([`ban.started ${A}`]);
    h.snapshot({ [A]: h.until(1861) });
    h.snapshot({ [A]: h.until(1900) });
    expect(h.told()).toEqual([`ban.started ${A}`, `ban.extended ${A}`]);
    expect(h.bans()[1]?.until).toBe(new Date(h.until(1861)).toISOString());
  });
});

describe('a start', () => {
  it('on a new ledger adopts what stands, in one message, and calls older lines nobody’s news', () => {
    const h = createHarness();
    h.log(h.banned(C, -300), h.unbanned(C, -100), h.banned(A, -60));
    h.snapshot({ [A]: h.until(1740), [B]: h.until(900) }, { denylist: [net('45.9.20.0/24')] });
    h.at(10);
    h.tick();
    expect(h.told()).toEqual(['bans.adopted 2+1']);
    h.at(900);
    h.snapshot({ [A]: h.until(1740) });
    expect(h.told()).toEqual(['bans.adopted 2+1', `ban.ended ${B} expired`]);
  });

  it('after an absence tells what began meanwhile, marked late, and nothing that is known', () => {
    const path = join(tempDir(), 'cowbell.db');
    const before = createHarness({ path });
    before.snapshot({});
    before.log(before.banned(A, 0));
    before.snapshot({ [A]: before.until(7200) });
    expect(before.told()).toEqual([`ban.started ${A}`]);
    before.ledger.close();

    const h = createHarness({ path, startedAt: T0 + 3_600_000 });
    h.snapshot({ [A]: T0 + 7_200_000, [B]: h.until(1000) });
    // The backlog of the log: C came and went, a forged line names a network that never was in the hash.
    h.log(h.banned(C, -3000), h.banned(B, -800), h.unbanned(C, -1200));
    expect(h.told()).toEqual([`ban.started ${B}`, `ban.started ${C}`, `ban.ended ${C} expired`]);
    expect(h.bans().map((ban) => ban.late)).toEqual([true, true, true]);
    expect(h.bans().map((ban) => ban.confirmed)).toEqual([true, false, false]);
    h.ledger.close();
  });

  it('after a kill knows what was pending', () => {
    const path = join(tempDir(), 'cowbell.db');
    const before = createHarness({ path });
    before.snapshot({});
    before.log(before.banned(A, 1));
    before.ledger.close();
    const h = createHarness({ path, startedAt: T0 + 2_000 });
    h.snapshot({ [A]: T0 + 1_801_000 });
    expect(h.told()).toEqual([`ban.started ${A}`]);
    h.ledger.close();
  });
});

describe('without Redis', () => {
  it('the log is all there is, and what it says is told as unconfirmed', () => {
    const h = running({ withRedis: false });
    h.log(h.banned(A, 1), h.banned(A, 2), h.unbanned(C, 3), h.unbanned(A, 1793));
    h.log(h.banned(B, 4), h.unbanned(B, 60));
    expect(h.told()).toEqual([
      `ban.started ${A}`,
      `ban.ended ${A} expired`,
      `ban.started ${B}`,
      `ban.ended ${B} lifted`,
    ]);
    expect(h.bans().every((ban) => !ban.confirmed)).toBe(true);
    expect(h.looks).toEqual([]);
  });

  it('a ban whose unban line never comes does not stay open for ever', () => {
    const h = running({ withRedis: false });
    h.log(h.banned(A, 0));
    h.at(3_600);
    h.tick();
    expect(h.told()).toEqual([`ban.started ${A}`, `ban.ended ${A} expired`]);
    expect(h.recorder.nextDueAt()).toBeUndefined();
  });

  it('jails are kept apart, a restored ban is state and no news, a permanent one has no end', () => {
    const h = running();
    const ban = { kind: 'banned', network: net('203.0.113.7/32'), at: T0 + 1_000 } as const;
    h.fail2banLog({ ...ban, jail: 'sshd', restored: true });
    h.fail2banLog(
      { ...ban, jail: 'postfix', until: T0 + 60_000 },
      { ...ban, jail: 'perm', until: Number.POSITIVE_INFINITY },
    );
    expect(h.bans().map((told) => [told.jail, told.permanent, told.until])).toEqual([
      ['postfix', undefined, new Date(T0 + 60_000).toISOString()],
      ['perm', true, undefined],
    ]);
    expect(h.ledger.bans.allStanding('sshd')).toMatchObject([{ state: 'open', adopted: true }]);
  });
});

describe('the denylist', () => {
  it('is told when it changes, not when a restart empties and refills it', () => {
    const h = running();
    const network = net('45.9.20.0/24');
    h.log({ kind: 'denylisted', network, at: T0 + 1_000 });
    h.snapshot({}, { denylist: [network] });
    h.snapshot({}, { denylist: [] });
    h.at(20);
    h.log({ kind: 'denylisted', network, at: T0 + 20_000 });
    h.snapshot({}, { denylist: [network] });
    expect(h.told()).toEqual(['denylist.added 45.9.20.0/24']);
    h.snapshot({}, { denylist: [] });
    h.at(109);
    h.tick();
    expect(h.told()).toHaveLength(1);
    h.at(110);
    h.tick();
    expect(h.told()).toEqual(['denylist.added 45.9.20.0/24', 'denylist.removed 45.9.20.0/24']);
  });
});

describe('lines that nobody could mean', () => {
  it('a ban beyond all time has no end, and stops nothing', () => {
    for (const withRedis of [true, false]) {
      const h = running({ withRedis });
      h.log(h.banned(A, 1, { minutes: 999_999_999_999 }), h.banned(B, 2));
      if (withRedis) h.snapshot({ [A]: Number.MAX_SAFE_INTEGER, [B]: h.until(1_802) });
      expect(h.told()).toEqual([`ban.started ${A}`, `ban.started ${B}`]);
      expect(h.bans()[0]).toMatchObject({ permanent: true });
      h.log(h.unbanned(A, 60), h.cleared(70));
      h.at(90);
      h.tick();
      expect(h.ledger.bans.recent(9)).toHaveLength(2);
    }
  });

  it('denylist lines are told when Redis has them, not before', () => {
    const h = running();
    const network = net('8.8.0.0/16');
    h.log({ kind: 'denylisted', network, at: T0 + 1_000 });
    h.snapshot({}, { denylist: [] });
    expect(h.told()).toEqual([]);
    h.snapshot({}, { denylist: [network] });
    h.log({ kind: 'undenylisted', network, at: T0 + 9_000 });
    h.snapshot({}, { denylist: [network] });
    expect(h.told()).toEqual(['denylist.added 8.8.0.0/16']);
    h.log({ kind: 'undenylisted', network, at: T0 + 10_000 });
    h.snapshot({}, { denylist: [] });
    expect(h.told()).toEqual(['denylist.added 8.8.0.0/16', 'denylist.removed 8.8.0.0/16']);
  });
});

describe('a batch', () => {
  it('is recorded with its cursor, or not at all', () => {
    const h = running();
    const watcher = { name: 'netfilter', authority: 'log', watch: () => (async function* () {})() } as const;
    h.recorder.record(watcher, { observations: [h.banned(A, 1)], cursor: 'c1' });
    expect(h.ledger.cursor('netfilter')).toBe('c1');
    const broken = { ...h.banned(B, 1), network: null } as never;
    expect(() => h.recorder.record(watcher, { observations: [h.banned(C, 1), broken], cursor: 'c2' })).toThrow();
    expect(h.ledger.cursor('netfilter')).toBe('c1');
    expect(h.ledger.bans.standing('netfilter', net(C))).toBeUndefined();
  });
});

import { describe, expect, it } from 'vitest';
import { BanEvent } from '../../src/core/event.ts';
import { networkWithin } from '../../src/core/network.ts';
import type { Schedule } from '../../src/core/schedule.ts';
import { Digests } from '../../src/pipeline/digests.ts';
import * as calendar from '../../src/pipeline/local-time.ts';
import { createHarness, net, T0 } from '../support/recorder-harness.ts';

const HOUR = 3_600;
const DAY = 24 * HOUR;
const daily: Schedule = { at: '08:00', timeZone: 'Europe/Berlin' };

/** A recorder, and digests beside it on the same ledger and clock. */
function createDigestHarness(schedule: Schedule = daily) {
  let now = T0;
  const clock = { now: () => now, sleep: async () => {} };
  const h = createHarness({ clock });
  const published: { consumer: string; event: BanEvent }[] = [];
  let count = 0;
  const create = () =>
    new Digests({
      ledger: h.ledger,
      clock,
      calendar,
      schedules: [{ consumer: 'chat', schedule }],
      envelope: (at) => ({ id: `d${count++}`, at: new Date(at).toISOString(), host: 'mail.example.org' }),
      publishTo: (consumer, event, alsoWrite) => {
        alsoWrite();
        published.push({ consumer, event });
      },
    });
  return {
    h,
    create,
    digests: create(),
    /** What was published, each of them as the schema has it. */
    told: () =>
      published.map(({ event }) => {
        const parsed = BanEvent.parse(event);
        if (parsed.type !== 'digest') throw new Error(`not a digest: ${parsed.type}`);
        return parsed.digest;
      }),
    setTime(ms: number) {
      now = ms;
      h.at((ms - T0) / 1_000);
    },
  };
}

describe('a digest', () => {
  it('has the totals of the ledger, as the events told them', () => {
    const { h, digests, told, setTime } = createDigestHarness();
    const start = digests.nextDueAt() ?? 0;
    expect(new Date(start).toISOString()).toBe('2026-11-24T07:00:00.000Z');
    // Bans over three days, some repeated, some ended, some lifted, one of a network that own users come from.
    h.log({ kind: 'authenticated', at: T0, ip: '198.51.100.9' as never, service: 'imap', account: 'anna' } as never);
    for (let index = 0; index < 400; index++) {
      const at = T0 + index * 700_000;
      setTime(at);
      const network = index % 40 === 7 ? '198.51.100.9/32' : `203.0.113.${index % 50}/32`;
      const seconds = (at - T0) / 1_000;
      h.log({
        kind: 'auth-failed',
        at: at - 1_000,
        ip: network.slice(0, -3) as never,
        service: index % 3 === 0 ? 'imap' : 'smtp',
        account: 'info',
        line: `line ${index}`,
      } as never);
      h.state({ kind: 'banned', jail: 'netfilter', network: net(network), at, until: at + 600_000 });
      setTime(at + 3_000);
      h.tick();
      const isLifted = index % 5 === 0;
      setTime(at + (isLifted ? 60_000 : 600_000));
      h.state({ kind: 'unbanned', jail: 'netfilter', network: net(network), at: at + (isLifted ? 60_000 : 600_000) });
      setTime(at + 650_000);
      h.tick();
      expect(seconds).toBeGreaterThanOrEqual(0);
    }
    setTime(start + 2 * DAY * 1_000);
    digests.tick();
    const [digest] = told();
    if (digest === undefined) throw new Error('no digest');
    const from = Date.parse(digest.from);
    const to = Date.parse(digest.to);
    expect([from, to]).toEqual([start + DAY * 1_000, start + 2 * DAY * 1_000]);
    const inside = (time: string | undefined) => Date.parse(time ?? '') >= from && Date.parse(time ?? '') < to;
    const started = h.events.filter((event) => event.type === 'ban.started' && inside(event.ban.started_at));
    const ended = h.events.filter((event) => event.type === 'ban.ended' && inside(event.ban.ended_at));
    const bans = started.map((event) => ('ban' in event ? event.ban : expect.unreachable()));
    expect(bans.length).toBeGreaterThan(100);
    expect(digest.totals).toMatchObject({
      bans: bans.length,
      networks: new Set(bans.map(({ network }) => network)).size,
      own_users: bans.filter(({ network }) => networkWithin(net(network), net('198.51.100.0/24'))).length,
      lifted: ended.filter((event) => 'ban' in event && event.ban.end_reason === 'lifted').length,
    });
    expect(digest.totals.own_users).toBeGreaterThan(0);
    expect(digest.totals.lifted).toBeGreaterThan(0);
    expect(digest.totals.attempts).toBeGreaterThanOrEqual(bans.length);
    expect(digest.known_users).toEqual([{ name: 'anna', count: digest.totals.own_users }]);
    expect(digest.end_reasons.reduce((sum, { count }) => sum + count, 0)).toBe(ended.length);
    expect(digest.bans_over_time).toHaveLength(24);
    expect(digest.bans_over_time.reduce((sum, n) => sum + n, 0)).toBe(bans.length);
    expect(digest.before?.bans).toBeGreaterThan(100);
    expect(digest.services.map(({ name }) => name).sort()).toEqual(['imap', 'smtp']);
    expect(digest.jails).toEqual([{ name: 'netfilter', count: bans.length }]);
    expect(digest.offenders).toHaveLength(10);
  });

  it('is told once, of the last whole period after a pause, also across a restart', () => {
    const { create, digests, told, setTime } = createDigestHarness();
    const due = digests.nextDueAt() ?? 0;
    setTime(due - 1);
    digests.tick();
    expect(told()).toEqual([]);
    setTime(due + 3 * DAY * 1_000 + 5_000);
    const later = create();
    expect(later.nextDueAt()).toBe(due);
    later.tick();
    later.tick();
    create().tick();
    expect(told().map(({ to }) => to)).toEqual([new Date(due + 3 * DAY * 1_000).toISOString()]);
    expect(create().nextDueAt()).toBe(due + 4 * DAY * 1_000);
    expect(told()[0]?.before).toBeDefined();
  });

  it('has no period before where cowbell did not run then', () => {
    const { digests, told, setTime } = createDigestHarness();
    setTime(digests.nextDueAt() ?? 0);
    digests.tick();
    expect(told()[0]).toMatchObject({ period: 'day', totals: { bans: 0 } });
    expect(told()[0]?.before).toBeUndefined();
  });

  it('of the day on which the clock is set back has an hour more', () => {
    const { digests, told, setTime } = createDigestHarness();
    setTime(Date.parse('2027-10-31T07:00:00Z'));
    digests.tick();
    expect(told()[0]?.bans_over_time).toHaveLength(25);
  });

  it('may be weekly', () => {
    const { digests, told, setTime } = createDigestHarness({ ...daily, day: 'monday' });
    setTime(Date.parse('2026-12-07T07:00:00Z'));
    digests.tick();
    expect(told()).toMatchObject([
      {
        period: 'week',
        from: '2026-11-30T07:00:00.000Z',
        to: '2026-12-07T07:00:00.000Z',
        bans_over_time: { length: 7 },
      },
    ]);
  });
});

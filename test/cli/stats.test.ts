import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Stats } from '../../src/cli/stats.ts';
import { renderStats } from '../../src/cli/stats-text.ts';
import type { BanEvent } from '../../src/core/event.ts';
import { widthOf } from '../../src/core/text-width.ts';
import { openDatabase } from '../../src/ledger/database.ts';
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts';
import { Digests } from '../../src/pipeline/digests.ts';
import { fillLedger } from '../support/many-bans.ts';
import { net } from '../support/recorder-harness.ts';
import { cowbell } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';

const DAY = 86_400_000;

function prepare(settings = '') {
  const folder = tempDir();
  const state = join(folder, 'cowbell.db');
  const file = join(folder, 'cowbell.yaml');
  writeFileSync(
    file,
    `host: mail.example.org\ntime_zone: Europe/Berlin\nstate: ${state}\nnotifiers: [{type: console}]\n${settings}`,
  );
  const stats = (...args: string[]) => cowbell(['stats', '-c', file, ...args]);
  return { state, stats, json: async (...args: string[]) => JSON.parse((await stats('--json', ...args)).out) as Stats };
}

/** The digest that a schedule would make of the same period. */
function digestOf(ledger: Ledger, from: number, to: number) {
  const told: BanEvent[] = [];
  const length = to - from;
  const digests = new Digests({
    ledger,
    clock: { now: () => to, sleep: async () => {} },
    calendar: { nextAfter: () => to, lastBefore: (_, now) => (now >= to ? to : now >= from ? from : from - length) },
    schedules: [{ consumer: 'chat', schedule: { at: '08:00', day: 'monday', timeZone: 'UTC' } }],
    envelope: (at) => ({ id: 'd', at: new Date(at).toISOString(), host: 'mail.example.org' }),
    publishTo: (_, event) => void told.push(event),
  });
  digests.tick();
  const [event] = told;
  return event?.type === 'digest' ? event.digest : expect.unreachable();
}

it('stats has the numbers of the ledger, which are those of a digest of the same time', async () => {
  const { state, stats, json } = prepare();
  const now = Date.now();
  fillLedger(state, { count: 1_200, from: now - 20 * DAY, to: now });
  const ledger = openLedger(state, () => now);
  const ban = ledger.bans.recent(1)[0] ?? expect.unreachable();
  ledger.decisions.expect(ban, now);
  ledger.decisions.move(ban.id, 'due', 'kept', now - 1_000);
  const at = new Date(now - DAY).toISOString();
  const rejects = { since: at, until: at, total: 31, temporary: 0, addresses: 1 };
  ledger.deliveries.publish(
    {
      ...{ id: 'r', at, host: 'mail.example.org', type: 'reject.summary' },
      rejects: { ...rejects, services: [], reasons: [], dnsbls: [], networks: [] },
    },
    [],
  );

  const { host, time_zone, hours_of_day, known_since, events_known_since, ...shown } = await json('--since', '7d');
  const { period: _, ...digest } = digestOf(ledger, Date.parse(shown.from), Date.parse(shown.to));
  expect(shown).toEqual(digest);
  expect({ host, time_zone }).toEqual({ host: 'mail.example.org', time_zone: 'Europe/Berlin' });
  expect(known_since).toBe(new Date(now - 20 * DAY).toISOString());
  expect(events_known_since).toBe(known_since);

  const { totals } = shown;
  expect(totals).toMatchObject({ bans: expect.closeTo(420, -1), rejects: 31, own_users: 1 });
  expect(shown.before?.bans).toBeGreaterThan(400);
  expect(shown.decisions).toEqual([{ name: 'kept', count: 1 }]);
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  for (const counts of [hours_of_day, shown.bans_over_time, shown.countries, shown.services, shown.jails])
    expect(sum(counts.map((each) => (typeof each === 'number' ? each : each.count)))).toBe(totals.bans);
  expect(sum(hours_of_day.map((count) => Math.abs(count - totals.bans / 24)))).toBeLessThan(totals.bans / 4);

  // Beside a daemon that is in the middle of writing.
  const daemon = openDatabase(state);
  daemon.run('BEGIN IMMEDIATE');
  daemon.run("UPDATE bans SET jail = 'written'");
  const { out, code } = await stats('--since', '7d');
  daemon.run('ROLLBACK');
  daemon.close();
  ledger.close();
  expect(code).toBe(0);
  expect(out).not.toContain('written');
  const [offender] = shown.offenders;
  expect(offender).toMatchObject({ asn: 64_496, as_name: 'Example Net' });
  const line = `${offender?.network} +${offender?.bans} bans? +\\d+ attempts +${offender?.country} +AS64496 Example Net`;
  expect(out).toMatch(new RegExp(`^ +${line.replaceAll('.', '\\.')}$`, 'm'));
  expect(out).toMatch(/^ +rejects +31 +0 +new$/m);
  expect(out).toMatch(/^ {2}smtp +\d+ {2}█{36,40}$/m);
  expect(out).toContain('Hours of the day, Europe/Berlin');
});

it('stats says where the ledger knows nothing, or no longer', async () => {
  const { state, stats, json } = prepare('retention: {bans_days: 30, events_days: 5}\n');
  expect(await stats()).toMatchObject({ code: 1, err: expect.stringContaining('there is no ledger at') });
  const now = Date.now();
  const ledger = openLedger(state, () => now);
  expect((await stats()).out).toMatch(
    /the last 7 d\n.* – .* CES?T\n.*own users and rejects since .*\n\nNo bans; 0 stand now\.\n$/,
  );
  ledger.transaction(() => ledger.setMeta('first_started_at', String(now - 2 * DAY)));
  expect((await stats()).out).toMatch(
    /The ledger knows of bans since \d{4}-\d\d-\d\d \d\d:\d\d CES?T only\.\n\nNo bans/,
  );
  expect((await stats('--since', '1d')).out).not.toContain('only');
  ledger.transaction(() => ledger.setMeta('first_started_at', String(now - 200 * DAY)));
  ledger.close();
  expect((await stats('--since', '90d')).out).toMatch(
    /of bans since .* only\.\n.* of own users and rejects since .* only\./,
  );
  // The time before is compared as far as it is known.
  expect(Object.keys((await json('--since', '15d')).before ?? {})).toEqual(['bans', 'networks', 'attempts', 'lifted']);
  expect(Object.keys((await json('--since', '1d')).before ?? {})).toHaveLength(6);
  expect((await json('--since', '20d')).before).toBeUndefined();
  for (const since of ['yesterday', '7', '0d', '-1d', '2y', '9999d'])
    expect(await stats(`--since=${since}`)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/is no time: write 30m/),
    });
});

it('stats shows nothing of a stranger’s that acts, and stays aligned', () => {
  const evil = '\u001b[31mred\u001b]8;;https://evil.example\u0007\u202e\u200b\r\n日本語サービス';
  const names = [evil, 'é́́', '한국어', 'x'.repeat(300), 'smtp'];
  const counted = names.map((name, index) => ({ name, count: 1_000 - index * 200 }));
  const stats: Stats = {
    ...{ host: evil, time_zone: 'Asia/Tokyo', standing: 3 },
    from: '2026-11-16T12:00:00.000Z',
    to: '2026-11-23T12:00:00.000Z',
    known_since: '2026-11-20T12:00:00.000Z',
    events_known_since: '2026-11-21T12:00:00.000Z',
    totals: { bans: 1_000_000, networks: 2, attempts: 3, own_users: 4, lifted: 5, rejects: 6 },
    before: { bans: 10, networks: 0, attempts: 3, lifted: 9 },
    bans_over_time: [1, 20, 0, 400, 5, 6, 7],
    hours_of_day: Array.from({ length: 24 }, (_, hour) => hour),
    offenders: names.map((as_name, index) => ({
      network: net('2001:db8::/64'),
      bans: 10 ** index,
      attempts: 3,
      as_name,
    })),
    ...{ services: counted, countries: counted, jails: counted, known_users: counted },
    ...{ end_reasons: counted, decisions: counted },
  };
  for (const columns of [0, 40, 60, 80, 200]) {
    const text = renderStats(stats, { columns, paint: false });
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}\u200b]/u);
    const lines = text.split('\n');
    for (const line of lines.slice(4)) expect(widthOf(line)).toBeLessThanOrEqual(Math.min(110, Math.max(40, columns)));
    const services = lines.slice(lines.indexOf('Services') + 1, lines.indexOf('Countries') - 1);
    expect(services).toHaveLength(5);
    const starts = services.map((line) => widthOf(line.slice(0, line.search(/[█▏▎▍▌▋▊▉]/))));
    expect(new Set(starts).size).toBe(1);
    const blocks = services.map((line) => line.split('█').length - 1);
    expect(blocks).toEqual([...blocks].sort((a, b) => b - a));
    expect(blocks[0]).toBeGreaterThan(blocks[4] ?? 0);
  }
  const painted = renderStats(stats, { columns: 80, paint: true });
  expect(painted).toContain('\u001b[1mServices\u001b[22m');
  expect(painted.replaceAll(/\u001b\[(?:1|22)m/g, '')).toBe(renderStats(stats, { columns: 80, paint: false }));
  expect(painted).toContain('+9,999,900 %');
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WEEKDAYS } from '../../src/core/schedule.ts';
import { hoursOfDay, lastBefore, nextAfter, quietUntil } from '../../src/pipeline/local-time.ts';

const at = (time: string) => Date.parse(time);
const shown = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
const nights = { from: '22:00', to: '07:00', days: WEEKDAYS, timeZone: 'Europe/Berlin' };

describe('quiet hours', () => {
  it.each([
    ['before they begin', '2026-11-23T20:59:59Z', undefined],
    ['at their begin', '2026-11-23T21:00:00Z', '2026-11-24T06:00:00.000Z'],
    ['behind midnight', '2026-11-24T02:00:00Z', '2026-11-24T06:00:00.000Z'],
    ['at their end', '2026-11-24T06:00:00Z', undefined],
    ['in the night that is an hour shorter', '2027-03-27T22:00:00Z', '2027-03-28T05:00:00.000Z'],
    ['in the night that is an hour longer', '2026-10-24T21:00:00Z', '2026-10-25T06:00:00.000Z'],
    ['in its hour that comes twice', '2026-10-25T01:30:00Z', '2026-10-25T06:00:00.000Z'],
  ])('%s', (_when, now, end) => {
    expect(shown(quietUntil(nights, at(now)))).toBe(end);
  });

  it('may begin or end at a time that does not exist on that day', () => {
    // 02:30 of that night is 03:30.
    const odd = { ...nights, from: '02:30', to: '05:00' };
    expect(quietUntil(odd, at('2027-03-28T01:20:00Z'))).toBeUndefined();
    expect(shown(quietUntil(odd, at('2027-03-28T01:30:00Z')))).toBe('2027-03-28T03:00:00.000Z');
    const end = { ...nights, to: '02:30' };
    expect(shown(quietUntil(end, at('2027-03-28T00:00:00Z')))).toBe('2027-03-28T01:30:00.000Z');
  });

  it('are those of the day on which they begin', () => {
    const weekend = { ...nights, days: ['friday', 'saturday'] as const };
    expect(quietUntil(weekend, at('2026-11-26T23:00:00Z'))).toBeUndefined();
    expect(shown(quietUntil(weekend, at('2026-11-27T23:00:00Z')))).toBe('2026-11-28T06:00:00.000Z');
    expect(shown(quietUntil(weekend, at('2026-11-29T03:00:00Z')))).toBe('2026-11-29T06:00:00.000Z');
    expect(quietUntil(weekend, at('2026-11-29T23:00:00Z'))).toBeUndefined();
  });

  it('may be the whole day', () => {
    const always = { ...nights, from: '00:00', to: '00:00' };
    expect(shown(quietUntil(always, at('2026-11-23T12:00:00Z')))).toBe('2026-11-23T23:00:00.000Z');
  });
});

describe('a schedule', () => {
  const daily = { at: '08:00', timeZone: 'Europe/Berlin' };

  it('is at the same time of the day on both sides of a change of the clock', () => {
    const times = [at('2026-10-23T12:00:00Z')];
    for (let n = 0; n < 4; n++) times.push(nextAfter(daily, times.at(-1) ?? 0));
    expect(times.slice(1).map(shown)).toEqual([
      '2026-10-24T06:00:00.000Z',
      '2026-10-25T07:00:00.000Z',
      '2026-10-26T07:00:00.000Z',
      '2026-10-27T07:00:00.000Z',
    ]);
  });

  it('may be weekly', () => {
    const weekly = { ...daily, day: 'monday' } as const;
    expect(shown(nextAfter(weekly, at('2026-11-23T06:59:59Z')))).toBe('2026-11-23T07:00:00.000Z');
    expect(shown(nextAfter(weekly, at('2026-11-23T07:00:00Z')))).toBe('2026-11-30T07:00:00.000Z');
    expect(shown(lastBefore(weekly, at('2026-11-23T06:00:00Z')))).toBe('2026-11-16T07:00:00.000Z');
  });

  it('has exactly one next time, and it is the last one of what follows', () => {
    const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Pacific/Apia');
    const time = fc.tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }));
    const day = fc.option(fc.constantFrom(...WEEKDAYS), { nil: undefined });
    fc.assert(
      fc.property(
        zones,
        time,
        day,
        fc.integer({ min: 0, max: 2_000_000_000 }),
        (timeZone, [hour, minute], on, seconds) => {
          const text = `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
          const schedule = { at: text, day: on, timeZone };
          const now = seconds * 1_000;
          const next = nextAfter(schedule, now);
          expect(next).toBeGreaterThan(now);
          expect(next - now).toBeLessThanOrEqual((on === undefined ? 2 : 9) * 86_400_000);
          expect(lastBefore(schedule, next)).toBe(next);
          expect(lastBefore(schedule, next - 1)).toBeLessThan(next);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('hours of the day', () => {
  it('are those of the clock on the wall, through its changes', () => {
    const day = 86_400_000;
    // 08:30 in Berlin each time, around the nights on which the clock changes.
    const counted = ['2027-03-26T07:30:00Z', '2027-03-29T06:30:00Z', '2027-10-29T06:30:00Z', '2027-11-02T07:30:00Z'];
    const hours = hoursOfDay(
      counted.map((time) => ({ at: at(time), count: 2 })),
      'Europe/Berlin',
    );
    expect(hours.map((count, hour) => (count > 0 ? `${hour}: ${count}` : ''))).toEqual(
      Array.from({ length: 24 }, (_, hour) => (hour === 8 ? '8: 8' : '')),
    );
    expect(hoursOfDay([{ at: at('2026-11-23T18:15:00Z'), count: 1 }], 'Asia/Kathmandu')[0]).toBe(1);
    expect(hoursOfDay([{ at: at('2026-11-23T23:45:00Z'), count: 1 }], 'Etc/UTC')[23]).toBe(1);
    expect(hoursOfDay([{ at: at('2026-11-23T00:15:00Z') - day, count: 1 }], 'America/New_York')[19]).toBe(1);
    expect(hoursOfDay([], 'Asia/Tokyo')).toHaveLength(24);
  });

  it('are what the time zone data of ICU say, at any moment', () => {
    const zones = fc.constantFrom('Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC');
    fc.assert(
      fc.property(
        zones,
        fc.array(fc.integer({ min: 1_000, max: 2_000_000 }), { maxLength: 20 }),
        (timeZone, quarters) => {
          const counted = quarters.sort((a, b) => a - b).map((quarter) => ({ at: quarter * 900_000, count: 1 }));
          const format = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', hourCycle: 'h23' });
          const expected = Array.from({ length: 24 }, () => 0);
          for (const { at: time } of counted) {
            const hour = Number(format.format(time));
            expected[hour] = (expected[hour] ?? 0) + 1;
          }
          expect(hoursOfDay(counted, timeZone)).toEqual(expected);
        },
      ),
    );
  });
});

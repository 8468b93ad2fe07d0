import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startReceiver } from '../support/receivers.ts';
import { configOf, createAlertsRig } from './alerts-rig.ts';

const MINUTE = 60_000;

/** Of a moment where somebody lives, by another way than the code: `22:05`. */
function wallClock(ms: number, timeZone: string): string {
  return new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(
    ms,
  );
}

describe.each([
  ['the clock is set forward by an hour', 'Europe/Berlin', '2027-03-27T19:00:00Z', 8 * 60],
  ['the clock is set back by an hour', 'Europe/Berlin', '2026-10-24T18:00:00Z', 10 * 60],
  ['the clock is set forward by half an hour', 'Australia/Lord_Howe', '2026-10-03T09:30:00Z', 8.5 * 60],
  ['the clock is set back by half an hour', 'Australia/Lord_Howe', '2027-04-03T09:00:00Z', 9.5 * 60],
  ['nothing happens to the clock', 'Europe/Berlin', '2026-11-23T19:00:00Z', 9 * 60],
])('in the night in which %s, in %s', (_what, timeZone, start, quietMinutes) => {
  it('quiet hours last from 22:00 to 07:00 on the wall, hold all back but what is urgent, and lose nothing', async () => {
    const receiver = await startReceiver({ kind: 'webhook' });
    const rig = await createAlertsRig(
      configOf(
        [
          {
            type: 'webhook',
            url: receiver.url,
            events: ['ban.started', 'source.down'],
            quiet_hours: { from: '22:00', to: '07:00' },
          },
        ],
        { time_zone: timeZone },
      ),
      Date.parse(start),
    );
    const { clock, recorder, alerts } = rig;
    const told: { id: string; type: string }[][] = [];
    let quiet = 0;
    let published = 0;
    while (wallClock(clock.now(), timeZone) !== '09:00') {
      const now = clock.now();
      const time = wallClock(now, timeZone);
      const isQuiet = time >= '22:00' || time < '07:00';
      if (isQuiet) quiet += 5;
      rig.ban(1);
      published++;
      const isUrgent = published % 20 === 0;
      if (isUrgent) {
        const source = { name: 'redis', reason: 'gone', since: new Date(now).toISOString() };
        recorder.announce({ ...recorder.envelope(now), type: 'source.down', source });
      }
      const sends = !isQuiet || isUrgent;
      const before = told.length;
      if (sends) await eventually(() => expect(receiver.accepted().length).toBeGreaterThan(before), { everyMs: 1 });
      await eventually(() => expect(alerts.states()[0]?.nextAttemptAt).toBeUndefined(), { everyMs: 1 });
      if (!isQuiet) await eventually(() => expect(alerts.states()[0]?.owed).toBe(0), { everyMs: 1 });
      for (const { json } of receiver.accepted().slice(told.length)) {
        told.push([json as { id: string; type: string }].flat());
      }
      if (isQuiet) {
        const kinds = told
          .slice(before)
          .flat()
          .map(({ type }) => type);
        expect([time, ...kinds]).toEqual([time, ...(isUrgent ? ['cowbell.source.down'] : [])]);
      }
      // In steps, as the lane looks at the clock from time to time.
      for (let minute = 0; minute < 5; minute++) await clock.advance(MINUTE);
    }
    expect(quiet).toBe(quietMinutes);
    const ids = told.flat().map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const bans = ids.filter((id) => id.startsWith('started-'));
    expect(bans).toHaveLength(published);
    // What was held back came with the first message behind their end.
    const largest = Math.max(...told.map((message) => message.length));
    expect(largest).toBeGreaterThanOrEqual(Math.min(100, quietMinutes / 5));
    await receiver.stop();
  }, 120_000);
});

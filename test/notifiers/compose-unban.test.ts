import { describe, expect, it } from 'vitest';
import type { Ban, BanEvent } from '../../src/core/event.ts';
import { plainLine } from '../../src/core/message.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { NOW } from './rig.ts';

type Decided = Extract<BanEvent, { type: 'unban.decided' }>;

const at = new Date(NOW).toISOString();
const [started, own] = sampleEvents('mail.example.org', NOW) as [BanEvent & { ban: Ban }, BanEvent & { ban: Ban }];
const envelope = (id: string) => ({ id, at, host: 'mail.example.org' });

function decided(decision: Decided['decision'], ban = started.ban): Decided {
  return { ...envelope(`decided ${ban.id}`), type: 'unban.decided', ban, decision };
}
const lift = (ban = started.ban) =>
  decided({ action: 'lift', mode: 'enforce', reasons: ['score 0 of 100 (abuseipdb), within 25', 'and more'] }, ban);
const ended = (ban: Ban): BanEvent => ({
  ...envelope('ended'),
  type: 'ban.ended',
  ban: { ...ban, ended_at: at, end_reason: 'lifted-by-cowbell' },
});
const failed: BanEvent = {
  ...envelope('failed'),
  type: 'unban.failed',
  ban: started.ban,
  failure: { reason: 'still banned 15 s later' },
};

function textOf(...events: BanEvent[]) {
  const { tone, title, lead, notes, items, facts } = composeMessage(events);
  return {
    tone,
    title: plainLine(title),
    lead: lead.map(plainLine),
    notes: notes.map(plainLine),
    items: items.map(plainLine),
    facts: facts.map(({ label, value }) => `${label} ${plainLine(value)}`),
  };
}

describe('a decision', () => {
  it('to lift says why', () => {
    expect(textOf(lift())).toMatchObject({
      tone: 'end',
      title: 'Lifting the ban of 203.0.113.7',
      lead: ['Score 0 of 100 (abuseipdb), within 25', 'And more'],
      notes: [],
    });
  });

  it('names the own users, and the score', () => {
    const { lead, facts } = textOf(lift(own.ban));
    expect(lead[0]).toMatch(/^Logs in from there: anna@example\.org \(41 logins/);
    expect(facts).toEqual(['Reputation abuseipdb 0 of 100, 0 reports']);
  });

  it('that only suggests says how to carry it out', () => {
    expect(textOf(decided({ action: 'would-lift', mode: 'suggest', reasons: ['x'] }))).toMatchObject({
      title: 'Would lift the ban of 203.0.113.7',
      notes: ['To lift it: cowbell unban 203.0.113.7/32'],
    });
  });

  it('that also puts the network on the allowlist says so, and how to do the same', () => {
    const then = { reasons: ['x'], allowlist_hours: 1 };
    const notesOf = (decision: Decided['decision']) => textOf(decided(decision)).notes;
    const allowed = 'Then it is on the allowlist for 1 hour.';
    expect(notesOf({ action: 'lift', mode: 'enforce', ...then })).toEqual([allowed]);
    expect(notesOf({ action: 'would-lift', mode: 'suggest', ...then, allowlist_hours: 3 })).toEqual([
      'To lift it: cowbell unban 203.0.113.7/32 --allowlist 3h',
    ]);
    expect(notesOf({ action: 'would-lift', mode: 'dry_run', ...then })).toEqual([
      'Nothing was done: this is a dry run.',
      allowed,
    ]);
  });

  it('of a dry run says that nothing was done', () => {
    const { notes } = textOf(decided({ action: 'would-lift', mode: 'dry_run', reasons: ['x'] }));
    expect(notes).toEqual(['Nothing was done: this is a dry run.']);
  });

  it('to keep looks different where it is one of the own users', () => {
    const keep = { action: 'keep', mode: 'enforce', reasons: ['score 80 of 100 (abuseipdb), above 25'] } as const;
    expect(textOf(decided({ ...keep, reasons: [...keep.reasons] }))).toMatchObject({
      tone: 'quiet',
      title: 'The ban of 203.0.113.7 stays',
    });
    expect(textOf(decided({ ...keep, reasons: [...keep.reasons] }, own.ban)).tone).toBe('own');
  });

  it('that could not be carried out is trouble', () => {
    expect(textOf(failed)).toMatchObject({
      tone: 'trouble',
      title: 'The ban of 203.0.113.7 could not be lifted',
      lead: ['Still banned 15 s later'],
      notes: ['It stays banned until it expires, or somebody lifts it.'],
    });
  });
});

it('an entry of the allowlist says who takes it off, and when', () => {
  const allowed = (until?: string): BanEvent => ({
    ...envelope('allowed'),
    type: 'allowlist.added',
    allowlist: { network: '203.0.113.7/32', source: 'redis', ...(until !== undefined && { until }) },
  });
  expect(textOf(allowed())).toMatchObject({
    tone: 'trouble',
    lead: ['It will not be banned, whatever it does, until a person removes it from the allowlist.'],
  });
  expect(textOf(allowed('2026-11-23T13:00:00.000Z'))).toMatchObject({
    tone: 'quiet',
    lead: ['It will not be banned, whatever it does, until 2026-11-23 13:00 UTC: cowbell removes it then.'],
  });
});

describe('among others', () => {
  it('a ban that was lifted is told once, with the first reason', () => {
    const { title, items } = textOf(lift(), ended(started.ban));
    expect(title).toBe('1 lifted by cowbell');
    expect(items).toEqual(['🔓 Lifting the ban of 203.0.113.7 — Score 0 of 100 (abuseipdb), within 25']);
  });

  it('a ban that began, and was lifted, is one of the bans', () => {
    const { title, items } = textOf(started, lift(), ended(started.ban));
    expect(title).toBe('1 ban (1 of them over), 1 lifted by cowbell');
    expect(items).toHaveLength(2);
    expect(items[1]).toContain('(lifted by cowbell)');
  });

  it('each kind of decision is counted, and a failure makes it trouble', () => {
    const keep = decided({ action: 'keep', mode: 'enforce', reasons: ['x'] });
    const { title, tone, items } = textOf(failed, keep, ...Array.from({ length: 12 }, () => lift()));
    expect(title).toBe('1 could not be lifted, 12 lifted by cowbell, 1 left to stand');
    expect(tone).toBe('trouble');
    expect(items.at(-1)).toBe('and 4 more decisions');
  });
});

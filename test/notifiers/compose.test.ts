import { describe, expect, test } from 'vitest';
import type { Ban, BanEvent } from '../../src/core/event.ts';
import { COLOURS, ICONS, isHarmless, type Message, plainLine } from '../../src/core/message.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { stormOf } from './hostile-events.ts';
import { NOW } from './rig.ts';

type Type = BanEvent['type'];
const at = (ms: number) => new Date(NOW + ms).toISOString();

/** The first sample of a type, not marked as a test, with its ban changed. */
function event(type: Type, change: Partial<Ban> = {}): BanEvent {
  const sample = sampleEvents('mail.example.org', NOW).find((each) => each.type === type);
  if (sample === undefined) throw new Error(`no sample of ${type}`);
  const { test: _test, ...plain } = sample;
  return 'ban' in plain ? ({ ...plain, ban: { ...plain.ban, ...change } } as BanEvent) : (plain as BanEvent);
}

const title = (message: Message) => plainLine(message.title);
const lead = (message: Message) => message.lead.map(plainLine);
const notes = (message: Message) => message.notes.map(plainLine).join('\n');
const items = (message: Message) => message.items.map(plainLine);
const fact = (message: Message, label: string) => {
  const found = message.facts.find((each) => each.label === label);
  return found && plainLine(found.value);
};
const user = (name: string) => ({ name, last_seen_at: at(-3_600_000), logins: 3 });
const accounts = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `a${index}`, attempts: 1 }));

describe('a ban', () => {
  test('says who, how long and why', () => {
    const message = composeMessage([event('ban.started')]);
    expect(title(message)).toBe('Banned 203.0.113.7 for 30 min');
    expect(lead(message)).toEqual(['10 failed logins on smtp as info@example.org and sales@example.org']);
    expect(fact(message, 'Until')).toBe('2026-11-23 12:30 UTC');
    expect(fact(message, 'History')).toBe('3rd ban in 7 days, first seen 2026-11-19 12:00 UTC');
    expect(message.evidence).toHaveLength(1);
    expect(message.footer).toBe('mail.example.org · netfilter');
    expect(notes(message)).toBe('');
  });

  test.each<[string, Partial<Ban>, string]>([
    ['a network', { network: '198.51.100.0/24' }, 'Banned 198.51.100.0/24 for 30 min'],
    ['an IPv6 host', { network: '2001:db8::7/128' }, 'Banned 2001:db8::7 for 30 min'],
    ['no end', { until: undefined as never, permanent: true }, 'Banned 203.0.113.7 for good'],
    ['an unknown end', { until: undefined as never }, 'Banned 203.0.113.7'],
    ['an end that is over', { until: at(-1) }, 'Banned 203.0.113.7'],
    ['a week', { until: at(7 * 86_400_000) }, 'Banned 203.0.113.7 for 7 d'],
    ['one own user', { known_users: [user('anna')] }, 'Your own user anna was banned: 203.0.113.7 for 30 min'],
    [
      'three own users',
      { known_users: [user('anna'), user('ben'), user('cleo')] },
      'Your own users anna and 2 others were banned: 203.0.113.7 for 30 min',
    ],
  ])('of %s', (_what, change, expected) => {
    expect(title(composeMessage([event('ban.started', change)]))).toBe(expected);
  });

  test.each<[Partial<Ban>, string]>([
    [{ accounts: accounts(1), attempts: 1 }, '1 failed login on smtp as a0'],
    [{ accounts: accounts(3) }, '10 failed logins on smtp as a0, a1 and a2'],
    [{ accounts: accounts(4) }, '10 failed logins on smtp as a0, a1 and 2 others'],
    [{ accounts: [], services: ['imap', 'sogo'] }, '10 failed attempts on imap, sogo'],
    [{ accounts: [], services: [] }, '10 failed attempts'],
    [{ attempts: 0 }, 'No failed attempt was seen on smtp'],
  ])('why: %j', (change, expected) => {
    expect(lead(composeMessage([event('ban.started', change)]))).toEqual([expected]);
  });

  test('nothing is said of why where nothing is known', () => {
    expect(lead(composeMessage([event('ban.started', { attempts: 0, services: [], accounts: [] })]))).toEqual([]);
  });

  test('your own user comes first', () => {
    const message = composeMessage([event('ban.started', { known_users: [user('anna@example.org')] })]);
    expect(message.tone).toBe('own');
    expect(lead(message)[0]).toBe('Logs in from there: anna@example.org (3 logins, the last 2026-11-23 11:00 UTC)');
  });

  test('of a network names its offenders; a single host is the title already', () => {
    const offenders = Array.from({ length: 7 }, (_, index) => ({ ip: `198.51.100.${index}`, attempts: 9 - index }));
    const wide = composeMessage([event('ban.started', { network: '198.51.100.0/24', offenders })]);
    expect(fact(wide, 'Offenders')).toMatch(/^198\.51\.100\.0 ×9, .* and 2 more$/);
    expect(fact(composeMessage([event('ban.started')]), 'Offenders')).toBeUndefined();
  });

  test('says where it comes from, and what others think of it', () => {
    const change: Partial<Ban> = {
      offenders: [{ ip: '203.0.113.7', attempts: 1, country: 'NL', asn: 64_500, as_name: 'Some Net' }],
      reputation: { source: 'abuseipdb', score: 97, reports: 1_204, checked_at: at(0) },
    };
    const message = composeMessage([event('ban.started', change)]);
    expect(fact(message, 'From')).toBe('Netherlands, Some Net (AS64500)');
    expect(fact(message, 'Reputation')).toBe('abuseipdb 97 of 100, 1,204 reports');
  });

  test('bears in mind what is doubtful', () => {
    const message = composeMessage([event('ban.started', { late: true, claimed: true, confirmed: false })]);
    expect(notes(message)).toMatch(/while cowbell was not running/);
    expect(notes(message)).toMatch(/may be an innocent one/);
    expect(notes(message)).toMatch(/Only the log says so/);
  });

  test.each<[Ban['end_reason'], string]>([
    ['expired', 'Ban of 203.0.113.7 expired after 10 min'],
    ['lifted', 'Ban of 203.0.113.7 was lifted after 10 min'],
    ['lifted-by-cowbell', 'Ban of 203.0.113.7 was lifted by cowbell after 10 min'],
    ['cleared', 'Ban of 203.0.113.7 was dropped by a restart of netfilter after 10 min'],
  ])('that %s says so', (end_reason, expected) => {
    const message = composeMessage([event('ban.ended', { end_reason })]);
    expect(title(message)).toBe(expected);
    expect(message.evidence).toEqual([]);
  });

  test('that was repeated may be dropped still after its end', () => {
    expect(notes(composeMessage([event('ban.ended', { repeats: 1 })]))).toMatch(/issue 5879/);
    expect(notes(composeMessage([event('ban.ended', { repeats: 0 })]))).toBe('');
    expect(notes(composeMessage([event('ban.ended', { repeats: 1, end_reason: 'cleared' })]))).toBe('');
    expect(notes(composeMessage([event('ban.ended', { repeats: 1, jail: 'sshd' })]))).toBe('');
  });
});

test('kinds look different at a glance', () => {
  const tones = sampleEvents('h', NOW).map((each) => composeMessage([each]).tone);
  expect(new Set(tones).size).toBe(Object.keys(ICONS).length);
  expect(new Set(Object.values(ICONS)).size).toBe(Object.keys(ICONS).length);
  expect(new Set(Object.values(COLOURS)).size).toBe(Object.keys(COLOURS).length);
});

test('a test says that it is one, alone and among others', () => {
  for (const each of sampleEvents('h', NOW)) expect(title(composeMessage([each]))).toMatch(/^Test: /);
  expect(title(composeMessage(sampleEvents('h', NOW)))).toMatch(/^Test: /);
  expect(title(composeMessage([event('ban.started'), ...sampleEvents('h', NOW)]))).not.toMatch(/Test/);
});

describe('many events', () => {
  const bans = (count: number, change: (index: number) => Partial<Ban> = () => ({})) =>
    Array.from({ length: count }, (_, index) =>
      event('ban.started', { id: `b${index}`, network: `203.0.113.${index}/32`, attempts: index, ...change(index) }),
    );

  test('are counted exactly', () => {
    const ended = Array.from({ length: 4 }, () => event('ban.ended'));
    const late = { ...event('ban.extended'), at: at(15_000) };
    const message = composeMessage([...bans(37), ...ended, late, event('denylist.added')]);
    expect(title(message)).toBe('37 bans, 4 ended, 1 extended, 1 other event within 15 s');
    expect(fact(message, 'Services')).toBe('smtp 37');
    expect(fact(message, 'Networks')).toBe('203.0.113.0/24 37');
    expect(fact(message, 'Failed attempts')).toBe('666');
    expect(fact(message, 'Ended')).toBe('lifted 4');
    expect(fact(message, 'Other events')).toBe('denylisted 1');
    expect(message.at).toBe(NOW + 15_000);
  });

  test('list the worst ten, then how many more', () => {
    const message = composeMessage(bans(37));
    expect(items(message)).toHaveLength(11);
    expect(items(message)[0]).toBe('203.0.113.36 for 30 min, 36 attempts on smtp as info@example.org');
    expect(items(message)[9]).toMatch(/^203\.0\.113\.27 /);
    expect(items(message)[10]).toBe('and 27 more bans');
  });

  test('a ban that ended among them is told once', () => {
    const over = event('ban.ended', { id: 'b1', end_reason: 'expired' });
    const message = composeMessage([...bans(3), over, event('ban.ended', { id: 'before' })]);
    expect(title(message)).toBe('3 bans (1 of them over), 1 ended');
    expect(items(message).map((line) => line.slice(0, 12))).toEqual(['203.0.113.2 ', '203.0.113.1 ', '203.0.113.0 ']);
    expect(items(message)[1]).toMatch(/\(expired\)$/);
    expect(fact(message, 'Ended')).toBe('expired 1, lifted 1');
  });

  test('own users come first, then what happened to the sources', () => {
    const own = event('ban.started', { network: '198.51.100.9/32', attempts: 1, known_users: [user('anna')] });
    const message = composeMessage([...bans(20), event('source.up'), event('bans.cleared'), event('source.down'), own]);
    expect(message.tone).toBe('own');
    expect(lead(message)).toEqual(['1 ban hit your own users.']);
    expect(items(message)[0]).toMatch(/^🚨 198\.51\.100\.9 .* used by anna$/);
    expect(items(message).slice(1, 4).join('\n')).toMatch(/redis is up again.*\n.*2 bans dropped.*\n.*redis is down/);
  });

  test('what happened to the sources is listed whole, whatever else is', () => {
    const adopted = Array.from({ length: 30 }, () => event('bans.adopted'));
    const message = composeMessage([...bans(500), ...adopted, event('source.down')]);
    expect(items(message).filter((line) => line.includes('is down'))).toHaveLength(1);
    expect(message.tone).toBe('trouble');
  });

  test('ends alone are listed', () => {
    const message = composeMessage(Array.from({ length: 12 }, () => event('ban.ended', { end_reason: 'expired' })));
    expect(title(message)).toBe('12 ended');
    expect(message.tone).toBe('end');
    expect(items(message)).toHaveLength(11);
    expect(items(message)[10]).toBe('and 2 more ended');
  });

  test('what is doubtful is counted', () => {
    const message = composeMessage(bans(9, (index) => ({ late: index < 3, claimed: index < 2, confirmed: index > 0 })));
    expect(notes(message)).toMatch(/^3 bans began.*\n2 addresses may be innocent.*\n1 ban known from the log alone/);
  });

  test('a storm of any size stays short', () => {
    expect(items(composeMessage(stormOf(2_500))).length).toBeLessThan(80);
  });
});

test.each([
  ['netfilter is deaf: it runs and lifts bans, but listens to no log', true],
  ['no connection: ECONNREFUSED', true],
  ['Example Net (AS64496), DE · NL', true],
  ['a_b', false],
  ['https://evil.example', false],
  [':skull:', false],
  ['- item', false],
  ['1. item', false],
  ['@everyone', false],
  ['a\nb', false],
  ['', false],
])('%j is harmless: %j', (text, expected) => expect(isHarmless(text)).toBe(expected));

import { describe, expect, it } from 'vitest';
import type { Ban, BanEvent } from '../../src/core/event.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { type BanFilter, createRoute, createUrgency } from '../../src/pipeline/route.ts';

const samples = sampleEvents('mail.example.org', 0);
const sample = (type: BanEvent['type']) => samples.find((event) => event.type === type) ?? expect.unreachable();
const everything = samples.map(({ type }) => type);
const none: BanFilter = {
  jails: [],
  services: [],
  networks: [],
  except_networks: [],
  countries: [],
  except_countries: [],
  known_users: 'any',
  min_bans: 1,
};

function ban(change: Partial<Ban> = {}): BanEvent {
  const event = sample('ban.started');
  return 'ban' in event ? ({ ...event, ban: { ...event.ban, ...change } } as BanEvent) : event;
}
const passes = (filter: Partial<BanFilter>, event: BanEvent) =>
  createRoute({ name: 'chat', events: everything, filter: { ...none, ...filter } })(event);
const from = (country?: string) => ({ offenders: [{ ip: '203.0.113.7', attempts: 1, ...(country && { country }) }] });
const known = { known_users: [{ name: 'anna', last_seen_at: '2026-11-23T00:00:00Z', logins: 1 }] };
const score = (value: number) => ({
  reputation: { source: 'abuseipdb', score: value, checked_at: '2026-11-23T00:00:00Z' },
});

describe('a route', () => {
  it('lets through the kinds of events that were asked for', () => {
    const route = createRoute({ name: 'chat', events: ['ban.started', 'source.down'] });
    expect(samples.filter(route).map(({ type }) => type)).toEqual(['ban.started', 'ban.started', 'source.down']);
  });

  it('tells nobody of his own trouble', () => {
    const types = ['notifier.down', 'notifier.up', 'notifier.refused'] as const;
    for (const name of ['mattermost', 'slack']) {
      const route = createRoute({ name, events: everything });
      expect(types.map((type) => route(sample(type)))).toEqual(types.map(() => name === 'slack'));
    }
  });

  it.each<[string, Partial<BanFilter>, BanEvent, boolean]>([
    ['a jail', { jails: ['sshd'] }, ban(), false],
    ['a jail', { jails: ['netfilter'] }, ban(), true],
    ['a service', { services: ['imap', 'smtp'] }, ban(), true],
    ['a service', { services: ['imap'] }, ban(), false],
    ['a service, though none is known', { services: ['imap'] }, ban({ services: [] }), false],
    ['a network', { networks: ['203.0.113.0/24'] }, ban(), true],
    ['a network', { networks: ['203.0.113.7'] }, ban({ network: '203.0.113.0/24' }), false],
    ['a network of the other kind', { networks: ['::/0'] }, ban(), false],
    ['but not a network', { except_networks: ['203.0.113.0/24'] }, ban(), false],
    ['but not a network', { except_networks: ['2001:db8::/32'] }, ban({ network: '2001:db8:1::/64' }), false],
    ['a country', { countries: ['NL'] }, ban(from('NL')), true],
    ['a country', { countries: ['NL'] }, ban(from('DE')), false],
    ['a country, where it is unknown', { countries: ['NL'] }, ban(from()), true],
    ['but not a country', { except_countries: ['NL'] }, ban(from('NL')), false],
    ['but not a country, where it is unknown', { except_countries: ['NL'] }, ban(from()), true],
    ['own users', { known_users: 'only' }, ban(), false],
    ['own users', { known_users: 'only' }, ban(known), true],
    ['strangers', { known_users: 'never' }, ban(known), false],
    ['repeated bans', { min_bans: 3 }, ban(), true],
    ['repeated bans', { min_bans: 4 }, ban(), false],
    ['a bad score', { min_score: 50 }, ban(score(49)), false],
    ['a bad score', { min_score: 50 }, ban(score(50)), true],
    ['a bad score, where it is unknown', { min_score: 50 }, ban(), true],
    ['a good score', { max_score: 10 }, ban(score(11)), false],
    ['all of them', { jails: ['netfilter'], services: ['smtp'], min_bans: 9 }, ban(), false],
    ['the clearing of another jail', { jails: ['sshd'] }, sample('bans.cleared'), false],
    ['what is no ban', { jails: ['sshd'], known_users: 'only', min_bans: 9 }, sample('source.down'), true],
  ])('filters by %s', (_what, filter, event, expected) => {
    expect(passes(filter, event)).toBe(expected);
  });

  it('says nothing of what is muted', () => {
    const route = createRoute({ name: 'chat', events: everything, mute: ['203.0.113.0/24', '198.51.100.0/24'] });
    expect(samples.filter((event) => !route(event)).map(({ type }) => type)).toEqual([
      'ban.started',
      'ban.started',
      'ban.extended',
      'ban.ended',
      'unban.decided',
      'unban.failed',
      'denylist.added',
      'denylist.removed',
    ]);
    expect(route(ban({ network: '203.0.0.0/16' }))).toBe(true);
  });
});

it('own users and chosen kinds are urgent', () => {
  const isUrgent = createUrgency(['own_users', 'source.down']);
  expect(isUrgent(ban())).toBe(false);
  expect(isUrgent(ban(known))).toBe(true);
  expect(samples.filter(isUrgent).map(({ type }) => type)).toEqual(['ban.started', 'source.down']);
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Network, networkWithin, prefixOf } from '../../src/core/network.ts';
import { decide, needsScore, type PolicyInput, type PolicySettings } from '../../src/reputation/policy.ts';

const NOW = Date.parse('2026-11-23T12:00:00Z');
const HOUR_MS = 3_600_000;
const net = (text: string) => text as Network;

const SETTINGS: PolicySettings = {
  max_score: 25,
  min_known_logins: 3,
  known_user_max_age_days: 14,
  require: 'all',
  services: [],
  countries: [],
  never: [],
  always: [],
  max_prefix: { ipv4: 24, ipv6: 64 },
  max_previous_bans: 2,
  max_lifts_per_network: 2,
  lift_window_hours: 24,
  max_lifts_per_hour: 10,
  then: 'nothing',
  allowlist_hours: 1,
};

/** A ban that everything speaks for lifting. */
const INNOCENT: PolicyInput = {
  now: NOW,
  ban: {
    network: net('198.51.100.23/32'),
    startedAt: NOW - 60_000,
    permanent: false,
    claimed: false,
    services: ['imap'],
  },
  isStanding: true,
  score: 0,
  scoreNote: 'abuseipdb',
  countries: ['DE'],
  knownUsers: [{ logins: 41, lastAt: NOW - 2 * HOUR_MS }],
  previousBans: 0,
  lifts: [],
  liftsInHour: 0,
};

type Change = Omit<Partial<PolicyInput>, 'ban'> & { ban?: Partial<PolicyInput['ban']> };
const inputOf = (change: Change = {}): PolicyInput => ({
  ...INNOCENT,
  ...change,
  ban: { ...INNOCENT.ban, ...change.ban },
});
const decided = (change: Change = {}, settings: Partial<PolicySettings> = {}) =>
  decide(inputOf(change), { ...SETTINGS, ...settings });

describe('a ban is lifted', () => {
  it.each<[string, Change, Partial<PolicySettings>, RegExp]>([
    ['where all speaks for it', {}, {}, /^score 0 of 100 \(abuseipdb\), within 25$/],
    ['at the highest score that is allowed', { score: 25 }, {}, /^score 25 of 100/],
    [
      'for known users alone, if any will do',
      { score: undefined },
      { require: 'any' },
      /^own users logged in 41 times in 14 days$/,
    ],
    ['for its score alone, if any will do', { knownUsers: [] }, { require: 'any' }, /^score 0/],
    ['for its score alone, if no login is asked for', { knownUsers: [] }, { min_known_logins: 0 }, /^score 0/],
    ['as a /24, if so wide is allowed', { ban: { network: net('198.51.100.0/24') } }, {}, /^score/],
    ['on a service that is named', {}, { services: ['imap', 'smtp'] }, /^score/],
    ['from a country that is named', { countries: ['DE', 'AT'] }, { countries: ['AT', 'DE'] }, /^score/],
    [
      'in a network that always is, whatever its score',
      { score: 100, knownUsers: [], countries: undefined, previousBans: 9, ban: { services: [] } },
      { always: [net('198.51.100.0/24')], services: ['imap'], countries: ['DE'] },
      /^it lies in a network that is always lifted$/,
    ],
    ['though another lift of its neighbours came after it began', { lifts: [NOW - 30_000] }, {}, /^score/],
  ])('%s', (_, change, settings, reason) => {
    const verdict = decided(change, settings);
    expect(verdict.action).toBe('lift');
    expect(verdict.reasons[0]).toMatch(reason);
  });
});

describe('a ban stays', () => {
  it.each<[string, Change, Partial<PolicySettings>, string]>([
    ['with a bad score', { score: 26 }, {}, 'score 26 of 100 (abuseipdb), above 25'],
    ['without a score', { score: undefined, scoreNote: 'abuseipdb: HTTP 500' }, {}, 'no score: abuseipdb: HTTP 500'],
    ['with a score that is none', { score: Number.NaN }, {}, 'no score: abuseipdb'],
    ['with a score below all scores', { score: -1 }, {}, 'no score: abuseipdb'],
    ['without known users', { knownUsers: [] }, {}, 'own users logged in 0 times in 14 days, at least 3 needed'],
    [
      'with users who were there too long ago',
      { knownUsers: [{ logins: 99, lastAt: NOW - 15 * 24 * HOUR_MS }] },
      {},
      'own users logged in 0 times in 14 days, at least 3 needed',
    ],
    [
      'with users who will have been there: the clock was set back',
      { knownUsers: [{ logins: 99, lastAt: NOW + HOUR_MS }] },
      {},
      'own users logged in 0 times in 14 days, at least 3 needed',
    ],
    [
      'if nothing speaks for it',
      { score: undefined, knownUsers: [] },
      { require: 'any' },
      'own users logged in 0 times in 14 days, at least 3 needed',
    ],
    ['if only a log line says so', { isStanding: false }, {}, 'only a log line says that it is banned'],
    [
      'if the client wrote the address',
      { ban: { claimed: true } },
      {},
      'the address comes from what the client wrote, and may be somebody else’s',
    ],
    ['if it has no end', { ban: { permanent: true } }, {}, 'the ban is meant to have no end'],
    ['if it is too wide', { ban: { network: net('198.51.0.0/16') } }, {}, 'it is wider than /24'],
    ['if it is too wide for IPv6', { ban: { network: net('2001:db8::/48') } }, {}, 'it is wider than /64'],
    [
      'inside of a network that is never lifted',
      {},
      { never: [net('198.51.100.0/24')] },
      'it touches a network that is never lifted',
    ],
    [
      'around a network that is never lifted, though it always is',
      { ban: { network: net('198.51.100.0/24') } },
      { never: [net('198.51.100.9/32')], always: [net('198.51.0.0/16')] },
      'it touches a network that is never lifted',
    ],
    [
      'if it failed again after a lift, though it always is lifted',
      { lifts: [NOW - HOUR_MS] },
      { always: [net('198.51.100.0/24')] },
      'it failed again after it was lifted in the last 1 d',
    ],
    [
      'after a lift that is still to come: the clock was set back',
      { lifts: [NOW + HOUR_MS] },
      {},
      'it failed again after it was lifted in the last 1 d',
    ],
    [
      'if it was lifted as often as is allowed',
      { lifts: [NOW - 30_000, NOW - 20_000] },
      {},
      'it was lifted 2 times in the last 1 d, as often as is allowed',
    ],
    [
      'if enough were lifted in this hour',
      { liftsInHour: 10 },
      {},
      'as many bans were lifted in the last hour as are allowed: 10',
    ],
    ['on another service', { ban: { services: ['imap', 'sogo'] } }, { services: ['imap'] }, 'of another service'],
    [
      'on nobody knows which service',
      { ban: { services: [] } },
      { services: ['imap'] },
      'it is not known on which service it failed',
    ],
    ['from another country', { countries: ['DE', 'KP'] }, { countries: ['DE'] }, 'it is in another country'],
    ['from nobody knows where', { countries: undefined }, { countries: ['DE'] }, 'its country is not known'],
    ['after too many bans', { previousBans: 3 }, {}, 'banned 3 times before, at most 2 allowed'],
    ['with a history that is not known', { previousBans: undefined }, {}, 'its history is not known'],
  ])('%s', (_, change, settings, reason) => {
    const verdict = decided(change, settings);
    expect(verdict.action).toBe('keep');
    expect(verdict.reasons[0]).toBe(reason);
  });

  it('and all that is against it is said', () => {
    expect(decided({ isStanding: false, previousBans: 7, liftsInHour: 10 }).reasons).toHaveLength(3);
  });
});

describe('what is lifted is put on the allowlist', () => {
  const then = { then: 'allowlist', allowlist_hours: 3 } as const;
  it.each<[string, Change, Partial<PolicySettings>, number]>([
    ['for its known users', {}, then, 3],
    ['for its known users alone, if any will do', { score: undefined }, { ...then, require: 'any' }, 3],
    ['for always being lifted', { knownUsers: [] }, { ...then, always: [net('198.51.100.0/24')] }, 3],
    ['not for its score alone, if any will do', { knownUsers: [] }, { ...then, require: 'any' }, 0],
    ['not for its score alone, if no login is asked for', {}, { ...then, min_known_logins: 0 }, 0],
    ['not unless it is wanted', {}, { allowlist_hours: 3 }, 0],
  ])('%s', (_, change, settings, hours) => {
    expect(decided(change, settings)).toMatchObject({ action: 'lift', allowMs: hours * HOUR_MS });
  });

  it('and it is said why it is not', () => {
    expect(decided({}, { ...then, min_known_logins: 0 }).reasons.at(-1)).toBe(
      'not put on the allowlist: it is known by its score alone',
    );
    expect(decided({ knownUsers: [] }, then)).toMatchObject({ action: 'keep', allowMs: 0 });
  });
});

describe('the score is asked for', () => {
  it.each<[string, Change, Partial<PolicySettings>, boolean]>([
    ['where it decides', {}, {}, true],
    ['where it decides alone', { knownUsers: [] }, { require: 'any' }, true],
    ['for the country that it tells', { countries: undefined }, { countries: ['DE'] }, true],
    ['not where known users are missing', { knownUsers: [] }, {}, false],
    ['not where known users are enough', {}, { require: 'any' }, false],
    ['not where the ban stays anyway', { liftsInHour: 10 }, {}, false],
    ['not where it is lifted anyway', {}, { always: [net('198.51.100.0/24')] }, false],
  ])('%s', (_, change, settings, expected) => {
    expect(needsScore({ ...inputOf(change), score: undefined }, { ...SETTINGS, ...settings })).toBe(expected);
  });
});

const NETWORKS = [
  '198.51.100.23/32',
  '198.51.100.0/24',
  '198.51.0.0/16',
  '0.0.0.0/0',
  '2001:db8::1/128',
  '2001:db8::/64',
  '::/0',
]; // prettier-ignore
const network = fc.constantFrom(...NETWORKS).map(net);
/** Mostly what is usual, so that what is not usual decides. */
const mostly = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: odd });
const flag = (usual: boolean) => mostly(fc.constant(usual), fc.constant(!usual));
const odd = fc.oneof(fc.integer({ min: -5, max: 120 }), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY));
const number = mostly<number>(fc.integer({ min: 0, max: 12 }), odd);
const time = mostly(fc.integer({ min: NOW - 48 * HOUR_MS, max: NOW + 2 * HOUR_MS }), fc.constant(Number.NaN));
const names = (...list: string[]) => fc.subarray(list);

const anyInput: fc.Arbitrary<PolicyInput> = fc.record({
  now: fc.constant(NOW),
  ban: fc.record({
    network,
    startedAt: time,
    permanent: flag(false),
    claimed: flag(false),
    services: names('imap', 'smtp', 'sogo'),
  }),
  isStanding: flag(true),
  score: fc.option(number, { nil: undefined }),
  scoreNote: fc.string(),
  countries: fc.option(names('DE', 'KP'), { nil: undefined }),
  knownUsers: fc.array(fc.record({ logins: number, lastAt: time }), { maxLength: 3 }),
  previousBans: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
  lifts: mostly<readonly number[]>(fc.constant([]), fc.array(time, { maxLength: 3 })),
  liftsInHour: number,
});

const anySettings: fc.Arbitrary<PolicySettings> = fc.record<PolicySettings>({
  max_score: fc.integer({ min: 0, max: 100 }),
  min_known_logins: fc.integer({ min: 0, max: 5 }),
  known_user_max_age_days: fc.integer({ min: 1, max: 30 }),
  require: fc.constantFrom('any', 'all'),
  services: names('imap', 'smtp'),
  countries: names('DE', 'AT'),
  never: fc.array(network, { maxLength: 2 }),
  always: fc.array(network, { maxLength: 2 }),
  max_prefix: fc.record({ ipv4: fc.integer({ min: 0, max: 32 }), ipv6: fc.integer({ min: 0, max: 128 }) }),
  max_previous_bans: fc.integer({ min: 0, max: 5 }),
  max_lifts_per_network: fc.integer({ min: 0, max: 3 }),
  lift_window_hours: fc.integer({ min: 1, max: 48 }),
  max_lifts_per_hour: fc.integer({ min: 0, max: 20 }),
  then: fc.constantFrom('nothing', 'allowlist'),
  allowlist_hours: fc.integer({ min: 1, max: 168 }),
});

it('never lifts what must stay, in 100 000 random cases, and always says why', { timeout: 180_000 }, () => {
  let lifted = 0;
  fc.assert(
    fc.property(anyInput, anySettings, (input, settings) => {
      const { action, reasons, allowMs } = decide(input, settings);
      if (reasons.length === 0) return false;
      if (action === 'keep') return allowMs === 0;
      lifted++;
      const { ban } = input;
      const isIn = (list: readonly Network[]) => list.some((each) => networkWithin(ban.network, each));
      const narrowest = ban.network.includes(':') ? settings.max_prefix.ipv6 : settings.max_prefix.ipv4;
      const hasScore = input.score !== undefined && input.score >= 0 && input.score <= settings.max_score;
      return (
        prefixOf(ban.network) >= narrowest &&
        !isIn(settings.never) &&
        !settings.never.some((each) => networkWithin(each, ban.network)) &&
        input.isStanding &&
        !ban.claimed &&
        !ban.permanent &&
        input.liftsInHour < settings.max_lifts_per_hour &&
        input.lifts.length < settings.max_lifts_per_network &&
        input.lifts.every((at) => at > ban.startedAt && at <= NOW) &&
        (isIn(settings.always) || settings.require === 'any' || hasScore) &&
        (isIn(settings.always) || hasScore || settings.min_known_logins > 0) &&
        // A good score alone lets nobody guess for hours.
        (allowMs === 0 || (settings.then === 'allowlist' && (isIn(settings.always) || settings.min_known_logins > 0)))
      );
    }),
    { numRuns: 100_000, seed: 20261123 },
  );
  // Else nothing was tried.
  expect(lifted).toBeGreaterThan(1_000);
});

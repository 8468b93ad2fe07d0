import { toRfc3339 } from '../core/clock.ts';
import type { Ban, BanEvent } from '../core/event.ts';

/**
 * Plausible events, at least one of each kind, marked as tests: what `ring` sends. The first is a ban that has just
 * begun. Addresses are from RFC 5737 and RFC 3849.
 */
export function sampleEvents(host: string, now: number): BanEvent[] {
  const at = toRfc3339(now);
  const ban: Ban = {
    id: 'sample-ban',
    network: '203.0.113.7/32',
    jail: 'netfilter',
    host,
    started_at: at,
    until: toRfc3339(now + 1_800_000),
    repeats: 0,
    attempts: 10,
    confirmed: true,
    services: ['smtp'],
    rules: ['3'],
    offenders: [{ ip: '203.0.113.7', attempts: 10 }],
    accounts: [
      { name: 'info@example.org', attempts: 7 },
      { name: 'sales@example.org', attempts: 3 },
    ],
    known_users: [],
    history: { bans: 3, window_days: 7, first_seen_at: toRfc3339(now - 4 * 86_400_000) },
    sources: ['netfilter', 'redis'],
    evidence: [
      'warning: unknown[203.0.113.7]: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=info@example.org',
    ],
  };
  const ownBan: Ban = {
    ...ban,
    id: 'sample-own-ban',
    network: '198.51.100.0/24',
    attempts: 17,
    services: ['imap', 'smtp'],
    rules: ['3', '8'],
    offenders: [
      { ip: '198.51.100.23', attempts: 12, country: 'DE', asn: 64_496, as_name: 'Example Net' },
      { ip: '198.51.100.71', attempts: 5, country: 'DE', asn: 64_496, as_name: 'Example Net' },
    ],
    accounts: [{ name: 'anna@example.org', attempts: 17 }],
    known_users: [{ name: 'anna@example.org', last_seen_at: toRfc3339(now - 7_200_000), logins: 41 }],
    history: { bans: 1, window_days: 7, first_seen_at: at },
    reputation: { source: 'abuseipdb', score: 0, reports: 0, checked_at: at },
    evidence: ['imap-login: Login aborted: auth failed, 3 attempts: user=<anna@example.org>, rip=198.51.100.23, TLS'],
  };
  const envelope = (id: string) => ({ id: `sample-${id}-${now}`, at, host, test: true });
  return [
    { ...envelope('started'), type: 'ban.started', ban },
    { ...envelope('started-own'), type: 'ban.started', ban: ownBan },
    {
      ...envelope('extended'),
      type: 'ban.extended',
      ban: { ...ban, repeats: 4, until: toRfc3339(now + 3_600_000) },
    },
    {
      ...envelope('ended'),
      type: 'ban.ended',
      ban: { ...ban, repeats: 4, started_at: toRfc3339(now - 600_000), ended_at: at, end_reason: 'lifted' },
    },
    {
      ...envelope('lifting'),
      type: 'unban.decided',
      ban: ownBan,
      decision: {
        action: 'lift',
        mode: 'enforce',
        reasons: ['score 0 of 100 (abuseipdb), within 25', 'own users logged in 41 times in 14 days'],
      },
    },
    {
      ...envelope('unlifted'),
      type: 'unban.failed',
      ban: ownBan,
      failure: { reason: 'netfilter still has the ban 15 s after it was asked to lift it' },
    },
    { ...envelope('denied'), type: 'denylist.added', denylist: { network: '198.51.100.0/24', source: 'netfilter' } },
    {
      ...envelope('undenied'),
      type: 'denylist.removed',
      denylist: { network: '198.51.100.0/24', source: 'netfilter' },
    },
    { ...envelope('allowed'), type: 'allowlist.added', allowlist: { network: '192.0.2.44/32', source: 'redis' } },
    {
      ...envelope('unallowed'),
      type: 'allowlist.removed',
      allowlist: { network: 'mail.example.net', source: 'redis' },
    },
    {
      ...envelope('rejects'),
      type: 'reject.summary',
      rejects: {
        since: toRfc3339(now - 3_600_000),
        until: at,
        total: 1_204,
        temporary: 31,
        addresses: 322,
        services: [
          { name: 'postscreen', count: 1_102 },
          { name: 'smtp', count: 102 },
        ],
        reasons: [
          { name: 'Service unavailable', count: 690 },
          { name: 'PREGREET', count: 412 },
          { name: 'Relay access denied', count: 102 },
        ],
        dnsbls: [{ name: 'zen.spamhaus.org', count: 690 }],
        networks: [
          { network: '203.0.113.0/24', count: 405, addresses: 17 },
          { network: '2001:db8::7/128', count: 102, addresses: 1 },
        ],
      },
    },
    {
      ...envelope('limited'),
      type: 'ratelimit.applied',
      ratelimit: {
        account: 'newsletter@example.org',
        limit: 'limit_mailbox',
        count: 1,
        recipients: 12,
        since: at,
        until: at,
        addresses: ['198.51.100.23'],
      },
    },
    {
      ...envelope('cleared'),
      type: 'bans.cleared',
      cleared: {
        jail: 'netfilter',
        count: 2,
        reason: 'netfilter restarted',
        networks: ['203.0.113.7/32', '2001:db8::/64'],
      },
    },
    {
      ...envelope('adopted'),
      type: 'bans.adopted',
      adopted: { source: 'redis', count: 1, denylisted: 1, networks: ['203.0.113.7/32'] },
    },
    {
      ...envelope('down'),
      type: 'source.down',
      source: { name: 'redis', reason: 'no connection: ECONNREFUSED', since: toRfc3339(now - 30_000) },
    },
    {
      ...envelope('up'),
      type: 'source.up',
      source: { name: 'redis', reason: 'no connection: ECONNREFUSED', since: toRfc3339(now - 90_000), caught_up: 12 },
    },
    ...notifierSamples(now, envelope),
    { ...envelope('digest'), type: 'digest', digest: sampleDigest(now) },
  ];
}

/** Events of every kind that together have every field there is: what templates are checked with. */
export function completeEvents(): BanEvent[] {
  const now = Date.parse('2026-11-23T12:00:00Z');
  const at = toRfc3339(now);
  return sampleEvents('mail.example.org', now).flatMap((event): BanEvent[] => {
    if (event.type === 'allowlist.added') return [{ ...event, allowlist: { ...event.allowlist, until: at } }, event];
    if (!('ban' in event)) return [event];
    const [first] = event.ban.offenders;
    const ban: Ban = {
      ...event.ban,
      permanent: true,
      ended_at: at,
      end_reason: 'expired',
      rejects: 3,
      claimed: true,
      late: true,
      offenders: [{ ip: first?.ip ?? '203.0.113.7', attempts: 1, country: 'NL', asn: 64_496, as_name: 'Example Net' }],
      known_users: [{ name: 'anna@example.org', last_seen_at: at, logins: 41 }],
      reputation: { source: 'abuseipdb', score: 0, reports: 0, checked_at: at },
      history: { bans: 3, window_days: 7, first_seen_at: at },
    };
    if (event.type === 'unban.decided')
      return [{ ...event, ban, decision: { ...event.decision, allowlist_hours: 24 } }, event];
    return [{ ...event, ban } as BanEvent, event];
  });
}

function notifierSamples(
  now: number,
  envelope: (id: string) => { id: string; at: string; host: string; test: boolean },
): BanEvent[] {
  const notifier = { name: 'mattermost', reason: 'HTTP 404: no such hook', since: toRfc3339(now - 900_000), owed: 12 };
  return [
    { ...envelope('notifier-down'), type: 'notifier.down', notifier },
    { ...envelope('notifier-up'), type: 'notifier.up', notifier },
    {
      ...envelope('notifier-refused'),
      type: 'notifier.refused',
      refused: { name: 'mattermost', reason: 'HTTP 400: invalid payload', events: 3 },
    },
  ];
}

function sampleDigest(now: number): Extract<BanEvent, { type: 'digest' }>['digest'] {
  return {
    period: 'day',
    from: toRfc3339(now - 86_400_000),
    to: toRfc3339(now),
    totals: { bans: 63, networks: 41, attempts: 702, own_users: 1, lifted: 2, rejects: 4_211 },
    before: { bans: 48, networks: 37, attempts: 530, own_users: 0, lifted: 0, rejects: 3_902 },
    standing: 5,
    bans_over_time: [0, 1, 0, 2, 5, 9, 14, 7, 3, 2, 1, 0, 0, 1, 2, 4, 5, 3, 1, 1, 0, 0, 1, 1],
    bans_over_time_before: [1, 1, 2, 2, 2, 3, 4, 2, 2, 1, 1, 1, 2, 2, 3, 3, 4, 3, 2, 2, 1, 2, 1, 1],
    offenders: [
      { network: '203.0.113.7/32', bans: 6, attempts: 81, country: 'NL', asn: 64_496, as_name: 'Example Net' },
      { network: '2001:db8:12::/64', bans: 4, attempts: 40 },
    ],
    services: [
      { name: 'smtp', count: 51 },
      { name: 'imap', count: 12 },
    ],
    countries: [
      { name: 'NL', count: 30 },
      { name: 'US', count: 11 },
    ],
    jails: [{ name: 'netfilter', count: 63 }],
    known_users: [{ name: 'anna@example.org', count: 1 }],
    end_reasons: [
      { name: 'expired', count: 55 },
      { name: 'lifted', count: 2 },
    ],
    decisions: [
      { name: 'kept', count: 61 },
      { name: 'lifted', count: 2 },
    ],
  };
}

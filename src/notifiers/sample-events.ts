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
  ];
}

import { toRfc3339 } from '../core/clock.ts';
import type { Ban } from '../core/event.ts';
import type { BanReasons, BanRecord } from '../ledger/bans.ts';
import type { KnownUser } from '../ledger/known-users.ts';

const NO_REASONS: BanReasons = { attempts: 0, services: [], rules: [], offenders: [], accounts: [], evidence: [] };

/** What the ledger knows beside the ban itself. */
export interface BanContext {
  host: string;
  history: { bans: number; firstSeenAt: number | undefined };
  historyDays: number;
  knownUsers: readonly KnownUser[];
}

/** A ban as consumers see it. */
export function describeBan(record: BanRecord, context: BanContext): Ban {
  const reasons = record.reasons ?? NO_REASONS;
  return {
    id: record.id,
    network: record.network,
    jail: record.jail,
    host: context.host,
    started_at: toRfc3339(record.startedAt),
    ...(record.until !== undefined && { until: toRfc3339(record.until) }),
    ...(record.permanent && { permanent: true }),
    ...(record.endedAt !== undefined && { ended_at: toRfc3339(record.endedAt) }),
    ...(record.endReason !== undefined && { end_reason: record.endReason }),
    repeats: record.repeats,
    attempts: reasons.attempts,
    ...(reasons.rejects !== undefined && { rejects: reasons.rejects }),
    confirmed: record.confirmed,
    ...(record.claimed && { claimed: true }),
    ...(record.late && { late: true }),
    services: reasons.services,
    rules: reasons.rules,
    offenders: reasons.offenders,
    accounts: reasons.accounts,
    known_users: context.knownUsers.map(({ name, logins, lastAt }) => ({
      name,
      last_seen_at: toRfc3339(lastAt),
      logins,
    })),
    history: {
      bans: context.history.bans,
      window_days: context.historyDays,
      first_seen_at: toRfc3339(context.history.firstSeenAt ?? record.startedAt),
    },
    sources: record.sources,
    evidence: reasons.evidence,
  };
}

import { z } from 'zod';

/**
 * Ban events, in the one form that is stored in the ledger, sent to webhooks, given to templates and logged. Times are
 * RFC 3339 UTC; what is absent is unknown. Text is sanitised and cut, but not escaped for any service.
 */

const Time = z.iso.datetime();
const Count = z.int().nonnegative();

export const Offender = z.object({
  ip: z.string(),
  attempts: Count,
  country: z.string().optional().describe('ISO 3166-1 alpha-2'),
  asn: z.int().optional().describe('The autonomous system that its network belongs to'),
  as_name: z.string().optional(),
  hostname: z.string().optional().describe('By reverse DNS, where that name leads back to the address'),
});
export type Offender = z.infer<typeof Offender>;

export const EndReason = z
  .enum(['expired', 'lifted-by-cowbell', 'lifted', 'cleared'])
  .describe('lifted: by a person, before its time; cleared: netfilter restarted and dropped every ban');
export type EndReason = z.infer<typeof EndReason>;

export const Ban = z
  .object({
    id: z.string().describe('The same for every event of one ban'),
    network: z.string().describe('CIDR'),
    jail: z.string(),
    host: z.string(),
    started_at: Time,
    until: Time.optional(),
    permanent: z.boolean().optional().describe('The ban has no end'),
    ended_at: Time.optional(),
    end_reason: EndReason.optional(),
    repeats: Count.describe('How many more times the source said so while the ban stood'),
    attempts: Count.describe('Failures from inside the network, from the retry window before the ban on'),
    rejects: Count.optional().describe('Refused connections and mails from inside the network, in the same time'),
    confirmed: z.boolean().describe('Seen in the state of the server itself, not only in a log line'),
    claimed: z.boolean().optional().describe('The address comes from a part of the line that the client wrote'),
    late: z.boolean().optional().describe('It happened while cowbell was not running'),
    services: z.array(z.string()),
    rules: z.array(z.string()),
    offenders: z.array(Offender).describe('The worst first, ten at most'),
    accounts: z.array(z.object({ name: z.string(), attempts: Count })).describe('The most tried first, ten at most'),
    known_users: z
      .array(z.object({ name: z.string(), last_seen_at: Time, logins: Count }))
      .describe('Accounts of this server that have logged in from inside the network'),
    reputation: z
      .object({ source: z.string(), score: z.number(), reports: Count.optional(), checked_at: Time })
      .optional(),
    history: z
      .object({
        bans: Count.describe('Bans of this network in the window, this one included'),
        window_days: Count,
        first_seen_at: Time,
      })
      .optional(),
    sources: z.array(z.string()),
    evidence: z.array(z.string()).describe('The last lines, without passwords, five at most'),
  })
  .meta({ id: 'Ban' });
export type Ban = z.infer<typeof Ban>;

const Envelope = {
  id: z.string().describe('Stable: a repeated delivery carries the same id'),
  at: Time,
  host: z.string(),
  test: z.boolean().optional().describe('Sent by a person to try the way, not by an attack'),
};

const BanStarted = z.object({ ...Envelope, type: z.literal('ban.started'), ban: Ban });
const BanExtended = z.object({ ...Envelope, type: z.literal('ban.extended'), ban: Ban });
const BanEnded = z.object({ ...Envelope, type: z.literal('ban.ended'), ban: Ban });

const UnbanDecided = z.object({
  ...Envelope,
  type: z.literal('unban.decided'),
  ban: Ban,
  decision: z.object({
    action: z
      .enum(['lift', 'would-lift', 'keep'])
      .describe('lift: the server is asked to; would-lift: nothing is done, as `mode` says'),
    mode: z.enum(['suggest', 'dry_run', 'enforce']),
    reasons: z.array(z.string()).describe('For a person, the weightiest first'),
    allowlist_hours: z.number().optional().describe('Its network is then on the allowlist for so long'),
  }),
});
const UnbanFailed = z.object({
  ...Envelope,
  type: z.literal('unban.failed'),
  ban: Ban,
  failure: z.object({ reason: z.string().describe('What was seen in place of the end of the ban') }),
});

const Denylist = z.object({ network: z.string().describe('CIDR, or a host name as it was typed'), source: z.string() });
const DenylistAdded = z.object({ ...Envelope, type: z.literal('denylist.added'), denylist: Denylist });
const DenylistRemoved = z.object({ ...Envelope, type: z.literal('denylist.removed'), denylist: Denylist });

const AllowlistAdded = z.object({
  ...Envelope,
  type: z.literal('allowlist.added'),
  allowlist: Denylist.extend({
    until: Time.optional().describe('When cowbell takes it off again, where it put it there'),
  }),
});
const AllowlistRemoved = z.object({ ...Envelope, type: z.literal('allowlist.removed'), allowlist: Denylist });

const BansCleared = z.object({
  ...Envelope,
  type: z.literal('bans.cleared'),
  cleared: z.object({
    jail: z.string(),
    count: Count,
    reason: z.string().optional(),
    networks: z.array(z.string()).describe('Ten at most'),
  }),
});

const BansAdopted = z.object({
  ...Envelope,
  type: z.literal('bans.adopted'),
  adopted: z.object({
    source: z.string(),
    count: Count,
    denylisted: Count,
    networks: z.array(z.string()).describe('Ten at most'),
  }),
});

const Counted = z.object({ name: z.string(), count: Count });

const RejectSummary = z.object({
  ...Envelope,
  type: z.literal('reject.summary'),
  rejects: z.object({
    since: Time.describe('The first of them'),
    until: Time.describe('The last of them'),
    total: Count.describe('Refused connections and mails; none of them is a ban'),
    temporary: Count.describe('Those of them that the client was told to try again'),
    addresses: Count.describe('Different addresses'),
    services: z.array(Counted),
    reasons: z.array(Counted).describe('In the words of the mail server, the commonest first, ten at most'),
    dnsbls: z.array(Counted).describe('Lists that clients were on'),
    networks: z
      .array(z.object({ network: z.string(), count: Count, addresses: Count }))
      .describe('By /24 and /64, the worst first, ten at most'),
  }),
});

const RateLimitApplied = z.object({
  ...Envelope,
  type: z.literal('ratelimit.applied'),
  ratelimit: z.object({
    account: z.string().optional(),
    limit: z.string().describe("The limit's name, as the mail server has it"),
    count: Count.describe('Mails held back since this account was last told of'),
    recipients: Count,
    since: Time,
    until: Time,
    addresses: z.array(z.string()).describe('Where they came from, five at most'),
  }),
});

const SourceState = z.object({
  name: z.string(),
  reason: z.string().describe('What is or was wrong, and what it means'),
  since: Time.describe('When it was last well'),
});
const SourceDown = z.object({ ...Envelope, type: z.literal('source.down'), source: SourceState });
const SourceUp = z.object({
  ...Envelope,
  type: z.literal('source.up'),
  source: SourceState.extend({
    caught_up: Count.optional().describe('Lines or records from the time it was down, read since'),
  }),
});

const NotifierState = z.object({
  name: z.string(),
  reason: z.string().describe('Why it takes no alerts, in its words'),
  since: Time.describe('When it last took one'),
  owed: Count.describe('Events that wait for it'),
});
const NotifierDown = z.object({ ...Envelope, type: z.literal('notifier.down'), notifier: NotifierState });
const NotifierUp = z.object({ ...Envelope, type: z.literal('notifier.up'), notifier: NotifierState });
const NotifierRefused = z.object({
  ...Envelope,
  type: z.literal('notifier.refused'),
  refused: z.object({
    name: z.string(),
    reason: z.string(),
    events: Count.describe('Events of the one message that was refused'),
  }),
});

const DigestTotals = z.object({
  bans: Count.describe('Bans that began'),
  networks: Count.describe('Different networks among them'),
  attempts: Count.describe('Failed attempts behind them'),
  own_users: Count.describe('Bans of networks that own users log in from'),
  lifted: Count.describe('Bans that ended before their time'),
  rejects: Count.describe('Refused connections and mails'),
});
const Digest = z.object({
  ...Envelope,
  type: z.literal('digest'),
  digest: z.object({
    period: z.enum(['day', 'week']),
    from: Time,
    to: Time,
    totals: DigestTotals,
    before: DigestTotals.optional().describe('The same of the period before; absent where cowbell did not run then'),
    standing: Count.describe('Bans that stand at its end'),
    bans_over_time: z.array(Count).describe('By the hour of a day, or by the day of a week'),
    bans_over_time_before: z.array(Count).optional(),
    offenders: z
      .array(
        z.object({
          network: z.string(),
          bans: Count,
          attempts: Count,
          country: z.string().optional().describe('ISO 3166-1 alpha-2, of its worst address'),
          asn: z.int().optional(),
          as_name: z.string().optional(),
        }),
      )
      .describe('The most banned first, ten at most'),
    services: z.array(Counted),
    countries: z.array(Counted),
    jails: z.array(Counted),
    known_users: z.array(Counted).describe('Own users whose networks were banned, and how often; ten at most'),
    end_reasons: z.array(Counted),
    decisions: z
      .array(Counted)
      .describe('What the auto-unban policy decided: kept, suggested, lifting, lifted, failed'),
  }),
});

export const BanEvent = z.discriminatedUnion('type', [
  BanStarted,
  BanExtended,
  BanEnded,
  UnbanDecided,
  UnbanFailed,
  DenylistAdded,
  DenylistRemoved,
  AllowlistAdded,
  AllowlistRemoved,
  BansCleared,
  BansAdopted,
  RejectSummary,
  RateLimitApplied,
  SourceDown,
  SourceUp,
  NotifierDown,
  NotifierUp,
  NotifierRefused,
  Digest,
]);
export type BanEvent = z.infer<typeof BanEvent>;
export type BanEventType = BanEvent['type'];

export const BAN_EVENT_TYPES: readonly BanEventType[] = BanEvent.options.map((option) => option.shape.type.value);

/** What may be asked for: a digest is sent to whom it is made for. */
export const ROUTED_EVENT_TYPES: readonly BanEventType[] = BAN_EVENT_TYPES.filter((type) => type !== 'digest');

/** Consumers get these unless they ask for others: an extension is rarely worth a message. */
export const DEFAULT_EVENT_TYPES: readonly BanEventType[] = ROUTED_EVENT_TYPES.filter(
  (type) => type !== 'ban.extended',
);

/** The network an event is about, if it is about one. */
export function subjectOf(event: BanEvent): string | undefined {
  if ('ban' in event) return event.ban.network;
  if ('allowlist' in event) return event.allowlist.network;
  return 'denylist' in event ? event.denylist.network : undefined;
}

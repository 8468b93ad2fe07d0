/**
 * The metrics that others may rely on: names, labels and what they count. No label takes values without bound: what an
 * attacker may make up gives way to `other`, so that all of them together stay below a thousand series.
 */

export interface MetricDefinition {
  type: 'counter' | 'gauge';
  labels: readonly string[];
  /** For a person, without a full stop. */
  help: string;
  /** Its total is in the ledger, counted in one transaction with what it counts: it outlives a restart. */
  isKept?: true;
  /** Series of it at most; left out where it has as many as the configuration, or what is known beforehand, gives it. */
  most?: number;
  /** Labels that become `other` where there would be more, the first of them first. */
  givesWay?: readonly string[];
}

/** In the place of what is too much to be told apart, and of what is not known. */
export const OTHER = 'other';
export const UNKNOWN = 'unknown';

/** Jails that are told apart. */
const MOST_JAILS = 30;

export const METRICS = {
  fail2ban_bans_total: {
    type: 'counter',
    labels: ['jail', 'service', 'country'],
    help: 'Bans that began, also those told late; service: where it was tried most, country: of the worst address',
    isKept: true,
    most: 400,
    givesWay: ['country', 'service', 'jail'],
  },
  fail2ban_unbans_total: {
    type: 'counter',
    labels: ['jail', 'reason'],
    help: 'Bans that ended; reason: expired, lifted, lifted-by-cowbell, cleared',
    isKept: true,
    most: 4 * MOST_JAILS,
    givesWay: ['jail'],
  },
  fail2ban_active_bans: {
    type: 'gauge',
    labels: ['jail'],
    help: 'Bans that stand',
    most: MOST_JAILS,
    givesWay: ['jail'],
  },
  fail2ban_denylist_entries: { type: 'gauge', labels: [], help: "Entries of the server's denylist" },
  fail2ban_auth_failures_total: {
    type: 'counter',
    labels: ['service'],
    help: 'Failed logins, each once, whichever logs tell of it; service: as it was first told',
    isKept: true,
    most: 20,
    givesWay: ['service'],
  },
  fail2ban_known_user_bans_total: {
    type: 'counter',
    labels: ['jail'],
    help: 'Bans of networks that own users log in from',
    isKept: true,
    most: MOST_JAILS,
    givesWay: ['jail'],
  },
  fail2ban_top_offender_bans: {
    type: 'gauge',
    labels: ['network', 'country'],
    help: 'Bans of the networks that were banned most, of all that the ledger holds',
    most: 20,
  },
  mail_rejects_total: {
    type: 'counter',
    labels: ['service', 'reason'],
    help: 'Refused connections and mails, by the reason that the mail server gave',
    isKept: true,
    most: 80,
    givesWay: ['reason'],
  },
  cowbell_build_info: { type: 'gauge', labels: ['version', 'node_version'], help: 'Always 1' },
  cowbell_observations_total: {
    type: 'counter',
    labels: ['watcher', 'kind'],
    help: 'What was read since the start: lines and records that say something',
  },
  cowbell_events_total: {
    type: 'counter',
    labels: ['type'],
    help: 'Events that were recorded',
    isKept: true,
    most: 40,
  },
  cowbell_deliveries_total: {
    type: 'counter',
    labels: ['notifier', 'outcome'],
    help: 'Attempts to deliver a message: delivered, retried, refused (this message), parked (all messages)',
    isKept: true,
    most: 100,
    givesWay: ['notifier'],
  },
  cowbell_delivered_events_total: {
    type: 'counter',
    labels: ['notifier'],
    help: 'Events in messages that were delivered',
    isKept: true,
    most: 30,
    givesWay: ['notifier'],
  },
  cowbell_outbox_events: { type: 'gauge', labels: ['notifier'], help: 'Events that are owed' },
  cowbell_outbox_oldest_seconds: {
    type: 'gauge',
    labels: ['notifier'],
    help: 'For how long the oldest of them is owed; 0 where nothing is',
  },
  cowbell_notifier_up: {
    type: 'gauge',
    labels: ['notifier'],
    help: '0 while a notifier is parked, or has failed past its limit',
  },
  cowbell_source_up: { type: 'gauge', labels: ['source'], help: '0 while a source cannot be read, past its grace' },
  cowbell_source_lag_seconds: {
    type: 'gauge',
    labels: ['source'],
    help: 'Logs: from the stamp of the last line to when it was recorded; others: since the last look',
  },
  cowbell_ledger_up: { type: 'gauge', labels: [], help: '0 while the ledger cannot be written' },
  cowbell_unban_decisions_total: {
    type: 'counter',
    labels: ['action'],
    help: 'Decisions of auto-unban: keep, would-lift, lift; and what came of a lift: lifted, failed',
    isKept: true,
    most: 10,
  },
  cowbell_reputation_calls_total: {
    type: 'counter',
    labels: ['source', 'call'],
    help: 'Calls that were made to ask about addresses',
    isKept: true,
    most: 20,
  },
  cowbell_reputation_budget_remaining: {
    type: 'gauge',
    labels: ['source', 'call'],
    help: 'Calls that are left today (UTC), of those that were made once',
  },
  process_cpu_seconds_total: { type: 'counter', labels: [], help: 'Processor time that cowbell has used' },
  process_resident_memory_bytes: { type: 'gauge', labels: [], help: 'Resident memory' },
  process_start_time_seconds: { type: 'gauge', labels: [], help: 'When cowbell was started, since the epoch' },
  nodejs_heap_size_used_bytes: { type: 'gauge', labels: [], help: 'Memory that objects take' },
  nodejs_heap_size_total_bytes: { type: 'gauge', labels: [], help: 'Memory that is set aside for objects' },
  nodejs_eventloop_lag_seconds: { type: 'gauge', labels: [], help: 'How long other work held up this scrape' },
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof METRICS;

export type LabelsOf<Name extends MetricName> = Readonly<Record<(typeof METRICS)[Name]['labels'][number], string>>;

/** Metrics whose totals are in the ledger. */
export type KeptMetric = {
  [Name in MetricName]: (typeof METRICS)[Name] extends { isKept: true } ? Name : never;
}[MetricName];

/** One value of one series. */
export interface Figure {
  metric: MetricName;
  labels: Readonly<Record<string, string>>;
  value: number;
}

/** A figure whose labels are those of its metric. */
export function figure<Name extends MetricName>(metric: Name, labels: LabelsOf<Name>, value: number): Figure {
  return { metric, labels, value };
}

import { POLICY } from './alerts.ts';
import type { Config } from './config/schema.ts';
import { BAN_EVENT_TYPES } from './core/event.ts';
import { type Figure, figure, UNKNOWN } from './core/metrics.ts';
import type { Watcher } from './core/watcher.ts';
import type { Ledger } from './ledger/ledger.ts';
import { type Exposition, expose } from './ops/exposition.ts';
import { processFigures } from './ops/process-figures.ts';
import type { LaneState } from './pipeline/lane.ts';
import type { ObservationCounts } from './pipeline/observation-counts.ts';
import type { SourceState } from './pipeline/source-health.ts';
import type { SourceLag } from './pipeline/source-lag.ts';
import { VERSION } from './version.ts';

export interface MeasuredParts {
  /** As it is now. */
  config: Config;
  ledger: Ledger;
  health: { states(): SourceState[] };
  alerts: { states(): LaneState[] };
  observed: ObservationCounts;
  lag: SourceLag;
  watchers: readonly { watcher: Watcher; reads: (jail: string) => boolean }[];
  /** ms since the epoch. */
  now: number;
}

/** What there is to measure, in the format that the scraper asks for. */
export async function measure(parts: MeasuredParts, accept: string | undefined): Promise<Exposition> {
  const ofProcess = await processFigures();
  return expose([...figuresOf(parts), ...ofProcess], accept);
}

/** All figures but those of the process. */
export function figuresOf(parts: MeasuredParts): Figure[] {
  const { ledger, observed } = parts;
  const up = ledger.writeProblem() === undefined ? 1 : 0;
  return [
    ...joined(beginnings(parts), ledger.figures()),
    ...laneFigures(parts),
    ...sourceFigures(parts),
    ...budgetFigures(parts),
    ...observed.all().map(({ count, ...labels }) => figure('cowbell_observations_total', labels, count)),
    figure('cowbell_ledger_up', {}, up),
    figure('cowbell_build_info', { version: VERSION, node_version: process.version }, 1),
  ];
}

/** Adds what the ledger holds to what begins at 0. The policy is handed its bans as if it were a notifier: no messages. */
function joined(zeroes: readonly Figure[], held: readonly Figure[]): Figure[] {
  const all = new Map<string, Figure>();
  for (const each of [...zeroes, ...held]) {
    if (each.labels.notifier !== POLICY) all.set(JSON.stringify([each.metric, each.labels]), each);
  }
  return [...all.values()];
}

const SERVICES = [UNKNOWN, 'smtp', 'submission', 'smtps', 'imap', 'pop3', 'sieve', 'sogo', 'ui'];
const END_REASONS = ['expired', 'lifted', 'lifted-by-cowbell', 'cleared'];
const OUTCOMES = ['delivered', 'retried', 'refused', 'parked'];
const ACTIONS = ['keep', 'would-lift', 'lift', 'lifted', 'failed'];
const MAILCOW_JAIL = 'netfilter';

/** Series that are known beforehand are there from the start: what first happens is then seen as an increase. */
function beginnings({ config, watchers }: MeasuredParts): Figure[] {
  const jails = watchers.some(({ reads }) => reads(MAILCOW_JAIL)) ? [MAILCOW_JAIL] : [];
  const notifiers = config.notifiers.map(({ name }) => name);
  return [
    ...BAN_EVENT_TYPES.map((type) => figure('cowbell_events_total', { type }, 0)),
    ...SERVICES.map((service) => figure('fail2ban_auth_failures_total', { service }, 0)),
    ...jails.flatMap((jail) => [
      figure('fail2ban_active_bans', { jail }, 0),
      figure('fail2ban_known_user_bans_total', { jail }, 0),
      ...END_REASONS.map((reason) => figure('fail2ban_unbans_total', { jail, reason }, 0)),
    ]),
    ...notifiers.flatMap((notifier) => [
      figure('cowbell_delivered_events_total', { notifier }, 0),
      ...OUTCOMES.map((outcome) => figure('cowbell_deliveries_total', { notifier, outcome }, 0)),
    ]),
    ...(config.auto_unban.mode === 'off' ? [] : ACTIONS).map((action) =>
      figure('cowbell_unban_decisions_total', { action }, 0),
    ),
  ];
}

function laneFigures({ alerts, now }: MeasuredParts): Figure[] {
  return alerts.states().flatMap(({ consumer: notifier, owed, oldestAt, down }) => {
    const oldestMs = oldestAt === undefined ? 0 : Math.max(0, now - oldestAt);
    return [
      figure('cowbell_outbox_events', { notifier }, owed),
      figure('cowbell_outbox_oldest_seconds', { notifier }, oldestMs / 1000),
      figure('cowbell_notifier_up', { notifier }, down ? 0 : 1),
    ];
  });
}

function sourceFigures({ health, lag, now }: MeasuredParts): Figure[] {
  return [
    ...health.states().map(({ name, up }) => figure('cowbell_source_up', { source: name }, up ? 1 : 0)),
    ...lag.lagsMs(now).map(([source, lagMs]) => figure('cowbell_source_lag_seconds', { source }, lagMs / 1000)),
  ];
}

/** Who is no longer asked has nothing left to tell. */
function budgetFigures({ config, ledger }: MeasuredParts): Figure[] {
  return ledger.budgets
    .left()
    .filter(({ source }) => config.reputation[source] !== undefined)
    .map(({ source, call, left }) => figure('cowbell_reputation_budget_remaining', { source, call }, left));
}

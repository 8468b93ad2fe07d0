import { buildNotifier, notifierDefinition, paceOf } from './assemble.ts';
import { fingerprintOf } from './config/fingerprint.ts';
import type { NotifierConfig } from './config/notifier-options.ts';
import type { Config } from './config/schema.ts';
import type { Clock } from './core/clock.ts';
import { toRfc3339 } from './core/clock.ts';
import type { BanEvent } from './core/event.ts';
import type { Logger } from './core/logger.ts';
import type { LanePace, Notifier, NotifierTools } from './core/notifier.ts';
import type { Schedule } from './core/schedule.ts';
import type { Ledger } from './ledger/ledger.ts';
import { type Calendar, Digests } from './pipeline/digests.ts';
import { createDispatcher, type LanePlan } from './pipeline/dispatcher.ts';
import { createLane, type Lane, type LaneState } from './pipeline/lane.ts';
import type { LaneRules } from './pipeline/lane-claims.ts';
import type { LanePast } from './pipeline/lane-rest.ts';
import type { Trouble } from './pipeline/lane-trouble.ts';
import type { Consumer, Recorder } from './pipeline/recorder.ts';
import { createRoute, createUrgency } from './pipeline/route.ts';
import { wantsReports } from './reputation-sources.ts';

/** Loaded where a notifier has quiet hours or a digest. */
type LocalTime = typeof import('./pipeline/local-time.ts');

export interface AlertsOptions {
  ledger: Ledger;
  clock: Clock;
  logger: Logger;
  notifier: Omit<NotifierTools, 'compose'>;
  recorder: Pick<Recorder, 'announce' | 'announceTo' | 'envelope' | 'setConsumers'>;
  /** What is done to each notifier before it is used: it may be told more than the events say. */
  decorate?: ((notifier: Notifier) => Notifier) | undefined;
  /** Is handed each ban that begins, in a lane of its own. */
  policy?: Notifier | undefined;
  /** The same for whoever tells others of banned addresses. */
  reporting?: Notifier | undefined;
}

/** The lane of the auto-unban policy; no notifier may have this name. */
export const POLICY = 'auto-unban';
/** It only takes note of them. */
const POLICY_PACE: LanePace = { groupIntervalMs: 0, minIntervalMs: 0, maxEvents: 500 };
/** The lane that reports banned addresses; no notifier may have this name either. */
export const REPORTS = 'abuse-reports';
/** So many bans, with up to ten offenders each, are reported well within the time of one attempt. */
const REPORTS_PACE: LanePace = { groupIntervalMs: 0, minIntervalMs: 0, maxEvents: 5 };

/** Who is told of what, when: the lanes, routes and digests of a configuration, which may be exchanged while they run. */
export class Alerts {
  readonly #options: AlertsOptions;
  readonly #dispatcher = createDispatcher();
  #digests: Digests | undefined;

  constructor(options: AlertsOptions) {
    this.#options = options;
  }

  /** Makes this the configuration: lanes that it does not change go on, what is owed stays owed. */
  async configure(config: Config): Promise<void> {
    const { ledger, clock, recorder } = this.#options;
    const localTime = await loadLocalTime(config);
    // Whatever may fail comes first: a configuration is used as a whole, or not at all.
    const digests = new Digests({
      ledger,
      clock,
      calendar: calendarOf(localTime),
      schedules: schedulesOf(config),
      envelope: (at) => recorder.envelope(at),
      publishTo: (consumer, event, alsoWrite) => recorder.announceTo(consumer, event, alsoWrite),
    });
    recorder.setConsumers(consumersOf(config));
    this.#digests = digests;
    await this.#dispatcher.update([
      ...this.#ownLanes(),
      ...config.notifiers.map((each) => ({
        consumer: each.name,
        version: fingerprintOf([each, config.time_zone, config.locale]),
        create: (past?: LanePast) => this.#buildLane(each, config, localTime, past),
      })),
    ]);
    this.#tellAbandoned(config);
  }

  /** There is something owed to these consumers. */
  wake(consumers: ReadonlySet<string>): void {
    this.#dispatcher.wake(consumers);
  }

  /** There may be something owed to anybody. */
  wakeAll(): void {
    this.#dispatcher.wake();
  }

  states(): LaneState[] {
    return this.#dispatcher.states();
  }

  /** When `tick` is next needed, in ms since the epoch. */
  nextDueAt(): number | undefined {
    return this.#digests?.nextDueAt();
  }

  /** Publishes the digests that are due. */
  tick(): void {
    this.#digests?.tick();
  }

  async stop(deadlineMs: number): Promise<void> {
    await this.#dispatcher.stop(deadlineMs);
  }

  #buildLane(each: NotifierConfig, config: Config, localTime: LocalTime | undefined, past?: LanePast): Lane {
    const { ledger, clock, logger, notifier, decorate = (same) => same } = this.#options;
    return createLane({
      consumer: each.name,
      notifier: decorate(buildNotifier(each, config, notifier, logger)),
      pace: paceOf(each),
      rules: rulesOf(each, config, localTime),
      past,
      outbox: ledger.deliveries,
      clock,
      logger,
      onTrouble: (trouble) => this.#tellTrouble(each.name, trouble),
    });
  }

  /** Those of no notifier's: they go on as they are. */
  #ownLanes(): LanePlan[] {
    const { ledger, clock, logger, policy, reporting } = this.#options;
    const plan = (consumer: string, notifier: Notifier | undefined, pace: LanePace): LanePlan[] => {
      if (notifier === undefined) return [];
      const onTrouble = (trouble: Trouble) => this.#tellTrouble(consumer, trouble);
      const lane = { consumer, notifier, pace, outbox: ledger.deliveries, clock, logger, onTrouble };
      return [{ consumer, version: '', create: () => createLane(lane) }];
    };
    return [...plan(POLICY, policy, POLICY_PACE), ...plan(REPORTS, reporting, REPORTS_PACE)];
  }

  #tellTrouble(name: string, trouble: Trouble): void {
    const { clock, ledger, recorder } = this.#options;
    const envelope = recorder.envelope(clock.now());
    const { reason } = trouble;
    if (trouble.kind === 'refused') {
      recorder.announce({ ...envelope, type: 'notifier.refused', refused: { name, reason, events: trouble.events } });
      return;
    }
    const owed = ledger.deliveries.owed(name);
    recorder.announce({
      ...envelope,
      type: trouble.kind === 'down' ? 'notifier.down' : 'notifier.up',
      notifier: { name, reason, since: toRfc3339(trouble.since), owed },
    });
  }

  /** What is owed to a notifier that is gone from the configuration waits for a person. */
  #tellAbandoned({ notifiers }: Config): void {
    const { ledger, logger } = this.#options;
    const names = new Set([POLICY, REPORTS, ...notifiers.map(({ name }) => name)]);
    for (const { consumer, owed } of ledger.deliveries.summary()) {
      if (owed === 0 || names.has(consumer)) continue;
      const hint = `\`cowbell outbox drop ${consumer}\` gives them up`;
      logger.warn({ consumer, owed }, `alerts are owed to a notifier that is not in the configuration: ${hint}`);
    }
  }
}

export function consumersOf(config: Config): Consumer[] {
  const wantsBans = (event: BanEvent) => event.type === 'ban.started';
  const notifiers = config.notifiers.map((each) => {
    const { name, quiet_hours } = each;
    const wants = createRoute(each);
    return quiet_hours === undefined ? { name, wants } : { name, wants, isUrgent: createUrgency(quiet_hours.urgent) };
  });
  return [
    ...(config.auto_unban.mode === 'off' ? [] : [{ name: POLICY, wants: wantsBans }]),
    ...(wantsReports(config) ? [{ name: REPORTS, wants: wantsBans }] : []),
    ...notifiers,
  ];
}

function schedulesOf(config: Config): { consumer: string; schedule: Schedule }[] {
  return config.notifiers.flatMap(({ name, digest, time_zone: timeZone = config.time_zone }) => {
    if (digest === undefined) return [];
    const { every, at, on } = digest;
    return [{ consumer: name, schedule: { at, timeZone, ...(every === 'week' && { day: on }) } }];
  });
}

async function loadLocalTime({ notifiers }: Config): Promise<LocalTime | undefined> {
  const isNeeded = notifiers.some(({ quiet_hours, digest }) => quiet_hours !== undefined || digest !== undefined);
  return isNeeded ? import('./pipeline/local-time.ts') : undefined;
}

/** Without it nothing is scheduled. */
function calendarOf(localTime: LocalTime | undefined): Calendar {
  const never = () => Number.POSITIVE_INFINITY;
  return localTime ?? { nextAfter: never, lastBefore: never };
}

function rulesOf(each: NotifierConfig, config: Config, localTime: LocalTime | undefined): LaneRules {
  const { min_group_size, max_age_seconds, quiet_hours, time_zone: timeZone = config.time_zone, type } = each;
  return {
    minGroupSize: min_group_size,
    maxAgeMs: max_age_seconds === undefined ? undefined : max_age_seconds * 1000,
    mergesBacklog: notifierDefinition(type).audience === 'people',
    quietUntil:
      quiet_hours === undefined || localTime === undefined
        ? undefined
        : (now) => localTime.quietUntil({ ...quiet_hours, timeZone }, now),
  };
}

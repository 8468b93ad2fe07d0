import type { Clock } from '../core/clock.ts';
import { TransientError } from '../core/errors.ts';
import type { Ban, BanEvent } from '../core/event.ts';
import type { Logger } from '../core/logger.ts';
import type { Network } from '../core/network.ts';
import type { Observation } from '../core/observation.ts';
import type { OriginOf } from '../core/origin.ts';
import type { Batch, Watcher, Witness } from '../core/watcher.ts';
import type { BanRecord } from '../ledger/bans.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { decideEnd, mayBeOver } from './ban-rules.ts';
import { type EpisodeSettings, Episodes } from './episodes.ts';
import { foldLog } from './fold-log.ts';
import { foldSnapshot, foldState } from './fold-state.ts';
import type { Folding, Look } from './folding.ts';
import { settleLeaving } from './leaving.ts';
import { ObservationCounts } from './observation-counts.ts';
import { Summaries, type SummarySettings } from './summaries.ts';

/** How long a ban that only the state knows waits for its log lines, and one that vanished early for its reason. */
const SETTLE_MS = 2_000;
/** Netfilter empties its denylist at every start and refills it: an entry is removed when it stays away this long. */
const DENYLIST_GRACE_MS = 90_000;
/** Bans whose unban line was seen and whose end is still to be confirmed. */
const NOTED_UNBANS = 10_000;

/** Somebody with a lane of its own. */
export interface Consumer {
  name: string;
  wants(event: BanEvent): boolean;
  /** It passes quiet hours. */
  isUrgent?(event: BanEvent): boolean;
}

export interface RecorderOptions {
  ledger: Ledger;
  clock: Clock;
  logger: Logger;
  settings: EpisodeSettings &
    SummarySettings & {
      /** How long a log line waits for the state to confirm it before it is told unconfirmed. */
      confirmWithinMs: number;
    };
  /** Where offenders are from; nobody knows where it is left out. */
  originOf?: OriginOf | undefined;
  /** When this process began to watch, in ms since the epoch; 0 for a replay, where nothing is late. */
  startedAt: number;
  consumers: readonly Consumer[];
  watchers: readonly { watcher: Watcher; reads: (jail: string) => boolean }[];
  /** Whether a watcher is reading its source now. */
  isReady(watcher: string): boolean;
  /** Called after each commit with the consumers that are now owed something. */
  onOwed(consumers: ReadonlySet<string>): void;
  /** Called after each commit with the events that it recorded, if there are any. */
  onRecorded?: ((events: readonly BanEvent[]) => void) | undefined;
}

/**
 * Turns observations into bans and bans into events, in the ledger: a batch, the bans it changes, the events these make,
 * who is owed them and the watcher's cursor are one transaction.
 */
export class Recorder {
  /** What was recorded since the start. */
  readonly observed = new ObservationCounts();
  readonly #options: RecorderOptions;
  readonly #episodes: Episodes;
  readonly #summaries: Summaries;
  readonly #caughtUp = new Set<string>();
  readonly #notedUnbans = new Set<string>();
  readonly #notedRemovals = new Set<Network>();
  readonly #firstStartedAt: number;
  #consumers: readonly Consumer[];
  #owed = new Set<string>();
  #recorded: BanEvent[] = [];
  #looks: Look[] = [];

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#consumers = options.consumers;
    const { ledger, settings, clock, startedAt, originOf = () => ({}) } = options;
    this.#episodes = new Episodes(ledger, settings, clock, (event) => this.#publish(event), originOf);
    this.#summaries = new Summaries(
      ledger,
      settings,
      (event) => this.#publish(event),
      (at) => this.#episodes.envelope(at),
    );
    if (ledger.meta('first_started_at') === undefined && startedAt > 0) {
      ledger.transaction(() => ledger.setMeta('first_started_at', String(startedAt)));
    }
    this.#firstStartedAt = Number(ledger.meta('first_started_at') ?? 0);
  }

  /** Records one batch of a watcher; throws, with nothing of it recorded, when the ledger cannot be written. */
  record(watcher: Watcher, batch: Batch): void {
    const { observations, snapshot, cursor } = batch;
    if (observations.length === 0 && snapshot === undefined && cursor === undefined) return;
    this.#commit(() => {
      const folding = this.#folding(watcher.name);
      const fold = watcher.authority === 'log' ? foldLog : foldState;
      for (const observation of observations) this.#foldOne(fold, folding, observation);
      if (snapshot !== undefined) foldSnapshot(folding, snapshot);
      if (cursor !== undefined) this.#options.ledger.saveCursor(watcher.name, cursor);
    });
    if (snapshot !== undefined) this.#caughtUp.add(watcher.name);
    this.observed.add(watcher.name, observations);
  }

  /** An observation that cannot be folded is a bug, and is passed over: the log behind it is worth more. */
  #foldOne(fold: typeof foldLog, folding: Folding, observation: Observation): void {
    try {
      fold(folding, observation);
    } catch (error) {
      if (error instanceof TransientError || (error instanceof Error && 'errcode' in error)) throw error;
      this.#options.logger.error(
        { err: error, kind: observation.kind, source: folding.source },
        'an observation could not be recorded; this is a bug',
      );
    }
  }

  /** Who is told from now on. */
  setConsumers(consumers: readonly Consumer[]): void {
    this.#consumers = consumers;
  }

  /** Publishes an event that no observation gave, together with what else is to be written. */
  announce(event: BanEvent, alsoWrite?: () => void): void {
    this.#commit(() => {
      alsoWrite?.();
      this.#publish(event);
    });
  }

  /** The same, for one consumer alone, whatever its route. */
  announceTo(consumer: string, event: BanEvent, alsoWrite?: () => void): void {
    this.#commit(() => {
      alsoWrite?.();
      this.#options.ledger.deliveries.publish(event, [{ name: consumer }]);
      this.#recorded.push(event);
      this.#owed.add(consumer);
    });
  }

  /** What every event begins with. */
  envelope(at: number): { id: string; at: string; host: string } {
    return this.#episodes.envelope(at);
  }

  /** A ban as it is told now; undefined if there is none. */
  describe(banId: string): Ban | undefined {
    return this.#episodes.describe(banId);
  }

  /** Gives a ban the evidence that has come since it was last told: a log may lag behind the ban. */
  explain(banId: string): void {
    this.#options.ledger.transaction(() => this.#episodes.explain(banId));
  }

  /** When `tick` is next needed, in ms since the epoch. */
  nextDueAt(): number | undefined {
    const { ledger } = this.#options;
    const missingAt = ledger.denylist.firstMissingAt();
    const times = [
      ledger.bans.nextDueAt(),
      this.#summaries.nextDueAt(),
      missingAt === undefined ? undefined : missingAt + DENYLIST_GRACE_MS,
    ];
    const due = times.filter((time) => time !== undefined);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  /** Decides what is due. */
  tick(): void {
    const { ledger, clock } = this.#options;
    const now = clock.now();
    this.#commit(() => {
      const folding = this.#folding('cowbell');
      for (const { id } of ledger.bans.due(now)) {
        // One decision may settle others.
        const ban = ledger.bans.byId(id);
        if (ban?.dueAt !== undefined) this.#decideDue(folding, ban);
      }
      for (const network of ledger.denylist.missingSince(now - DENYLIST_GRACE_MS)) {
        ledger.denylist.remove(network);
        this.#episodes.denylist('denylist.removed', network, 'redis', now);
      }
      this.#summaries.tick(now);
    });
  }

  /** Tells what is being counted: nothing more will come. */
  finish(): void {
    this.#commit(() => this.#summaries.finish(this.#options.clock.now()));
  }

  #decideDue(folding: Folding, ban: BanRecord): void {
    const { now } = folding;
    if (ban.state === 'open') {
      if (ban.leaving) return settleLeaving(folding, ban.jail);
      // Its unban line never came: the container is gone, or its log was cut.
      return this.#episodes.end(ban, ban.until ?? now, decideEnd(ban, now));
    }
    // No answer came in time: an unconfirmed alert is better than none.
    this.#episodes.start(ban);
    if (!ban.confirmed && ban.late && mayBeOver(ban, now)) this.#episodes.end(ban, ban.until ?? now, 'expired');
  }

  #publish(event: BanEvent): void {
    const wanting = this.#consumers.filter((consumer) => consumer.wants(event));
    this.#options.ledger.deliveries.publish(
      event,
      wanting.map(({ name, isUrgent }) => ({ name, isUrgent: isUrgent?.(event) === true })),
    );
    this.#recorded.push(event);
    for (const { name } of wanting) this.#owed.add(name);
  }

  #commit(work: () => void): void {
    this.#owed = new Set();
    this.#recorded = [];
    this.#looks = [];
    this.#options.ledger.transaction(work);
    const owed = this.#owed;
    const recorded = this.#recorded;
    for (const look of this.#looks) this.#witness(look.jail)?.witness.look(look.jail, look.network, look.expected);
    if (owed.size > 0) this.#options.onOwed(owed);
    if (recorded.length > 0) this.#options.onRecorded?.(recorded);
  }

  #witness(jail: string): { name: string; witness: Witness } | undefined {
    for (const { watcher } of this.#options.watchers) {
      if (watcher.witness?.covers(jail)) return { name: watcher.name, witness: watcher.witness };
    }
    return undefined;
  }

  #folding(source: string): Folding {
    const { ledger, logger, clock, settings, startedAt, watchers, isReady } = this.#options;
    const now = clock.now();
    return {
      ledger,
      episodes: this.#episodes,
      summaries: this.#summaries,
      source,
      now,
      isLate: (at) => at < startedAt,
      isBeforeFirstStart: (at) => at < this.#firstStartedAt,
      isCatchingUp: () => startedAt > 0 && !this.#caughtUp.has(source),
      hasWitness: (jail) => this.#witness(jail) !== undefined,
      isWitnessReady: (jail) => {
        const witness = this.#witness(jail);
        return witness !== undefined && isReady(witness.name);
      },
      hasLog: (jail) => watchers.some(({ watcher, reads }) => watcher.authority === 'log' && reads(jail)),
      look: (ban, expected) => this.#looks.push({ jail: ban.jail, network: ban.network, expected }),
      awaitWitness: (ban, expected) => {
        ban.dueAt = now + settings.confirmWithinMs;
        ledger.bans.save(ban);
        this.#looks.push({ jail: ban.jail, network: ban.network, expected });
      },
      settle: (ban) => {
        ban.dueAt = now + SETTLE_MS;
        ledger.bans.save(ban);
      },
      noteUnban: (ban) => {
        if (this.#notedUnbans.size >= NOTED_UNBANS) this.#notedUnbans.clear();
        this.#notedUnbans.add(ban.id);
      },
      isUnbanNoted: (ban) => this.#notedUnbans.has(ban.id),
      forgetUnban: (ban) => void this.#notedUnbans.delete(ban.id),
      noteRemoval: (network) => {
        if (this.#notedRemovals.size < NOTED_UNBANS) this.#notedRemovals.add(network);
      },
      takeRemovals: () => {
        const removals = [...this.#notedRemovals];
        this.#notedRemovals.clear();
        return removals;
      },
      refute: (ban) => {
        ledger.bans.remove(ban.id);
        logger.warn(
          { jail: ban.jail, network: ban.network, logged_at: new Date(ban.startedAt).toISOString() },
          'a log line told of a ban that the server does not have; it was not told',
        );
      },
    };
  }
}

import type { Clock } from '../core/clock.ts';
import type { BanEvent } from '../core/event.ts';
import type { Schedule } from '../core/schedule.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { describePeriod, type Period } from './describe-period.ts';

type Digest = Extract<BanEvent, { type: 'digest' }>['digest'];

const HOUR_MS = 3_600_000;
const DAYS_OF_WEEK = 7;

/** The first and the last time of a schedule around a moment, in ms since the epoch. */
export interface Calendar {
  nextAfter(schedule: Schedule, after: number): number;
  lastBefore(schedule: Schedule, now: number): number;
}

export interface DigestsOptions {
  ledger: Ledger;
  clock: Clock;
  calendar: Calendar;
  schedules: readonly { consumer: string; schedule: Schedule }[];
  envelope(at: number): { id: string; at: string; host: string };
  /** Stores an event that is owed to one consumer alone, in one transaction with what `alsoWrite` writes. */
  publishTo(consumer: string, event: BanEvent, alsoWrite: () => void): void;
}

/**
 * Digests on their schedules. How far each consumer was told is kept in the ledger: after a pause there is one digest, of
 * the last whole period, and never the same one twice.
 */
export class Digests {
  readonly #options: DigestsOptions;

  constructor(options: DigestsOptions) {
    this.#options = options;
    const { ledger, clock, schedules } = options;
    const fresh = schedules.filter(({ consumer }) => this.#toldUpTo(consumer) === undefined);
    if (fresh.length === 0) return;
    // The first one tells of a whole period from now on, as far as there is one.
    ledger.transaction(() => {
      for (const { consumer } of fresh) ledger.setMeta(metaKey(consumer), String(clock.now()));
    });
  }

  nextDueAt(): number | undefined {
    const { schedules, calendar } = this.#options;
    const times = schedules.map(({ consumer, schedule }) =>
      calendar.nextAfter(schedule, this.#toldUpTo(consumer) ?? 0),
    );
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Publishes what is due. */
  tick(): void {
    const { ledger, clock, schedules, calendar, envelope, publishTo } = this.#options;
    const now = clock.now();
    for (const { consumer, schedule } of schedules) {
      if (calendar.nextAfter(schedule, this.#toldUpTo(consumer) ?? 0) > now) continue;
      const to = calendar.lastBefore(schedule, now);
      const from = calendar.lastBefore(schedule, to - 1);
      const digest = this.#describe(schedule, from, to);
      publishTo(consumer, { ...envelope(now), type: 'digest', digest }, () => {
        ledger.setMeta(metaKey(consumer), String(to));
      });
    }
  }

  #toldUpTo(consumer: string): number | undefined {
    const value = this.#options.ledger.meta(metaKey(consumer));
    return value === undefined ? undefined : Number(value);
  }

  #describe(schedule: Schedule, from: number, to: number): Digest {
    const { ledger, calendar } = this.#options;
    const fromBefore = calendar.lastBefore(schedule, from - 1);
    const hasBefore = Number(ledger.meta('first_started_at') ?? from) <= fromBefore;
    const periodOf = (start: number, end: number): Period => ({
      from: start,
      to: end,
      parts: schedule.day === undefined ? Math.round((end - start) / HOUR_MS) : DAYS_OF_WEEK,
    });
    return {
      period: schedule.day === undefined ? 'day' : 'week',
      ...describePeriod(ledger, periodOf(from, to), hasBefore ? periodOf(fromBefore, from) : undefined),
    };
  }
}

function metaKey(consumer: string): string {
  return `digest_told ${consumer}`;
}

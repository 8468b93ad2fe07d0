import { randomUUID } from 'node:crypto';
import type { BanEvent } from '../core/event.ts';
import type { Delivery } from '../core/notifier.ts';
import type { Claim, ClaimOptions, Outbox } from '../core/outbox.ts';
import { safeText } from '../core/text.ts';
import type { Database, Row } from './database.ts';
import { tallyEvent } from './event-tallies.ts';
import {
  type DeliveryRecord,
  dropOwed,
  eventsIn,
  listDeliveries,
  type OutboxSummary,
  retryParked,
  summarise,
} from './outbox-view.ts';
import { countOwed, oldestOwedAt } from './owed.ts';
import type { Tallies } from './tallies.ts';

/** Rows that are changed at once: a few milliseconds. */
const SLICE = 500;

/** Somebody whom an event is owed to; what is urgent for them passes quiet hours. */
export interface Recipient {
  name: string;
  isUrgent?: boolean;
}

/** A delivery that is being made: its rows are marked by `id`, and the far side sees `shownId`. */
interface Open {
  id: string;
  consumer: string;
  shownId: string;
  events: number;
}

/** Events, and who is still owed them. */
export class Deliveries implements Outbox {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #tallies: Tallies;

  constructor(db: Database, now: () => number, tallies: Tallies) {
    this.#db = db;
    this.#now = now;
    this.#tallies = tallies;
  }

  /** Stores an event and whom it is owed to; part of the caller's transaction. */
  publish(event: BanEvent, consumers: readonly Recipient[]): void {
    const row = this.#db.get<{ seq: number }>(
      'INSERT INTO events (id, type, at, recorded_at, json) VALUES (?, ?, ?, ?, ?) RETURNING seq',
      event.id,
      event.type,
      Date.parse(event.at),
      Math.round(this.#now()),
      JSON.stringify(event),
    );
    tallyEvent(this.#tallies, event);
    for (const { name, isUrgent } of consumers) {
      const urgent = isUrgent === true ? 1 : 0;
      this.#db.run('INSERT INTO outbox (consumer, seq, urgent) VALUES (?, ?, ?)', name, row?.seq ?? 0, urgent);
    }
  }

  claim(consumer: string, limit: number, options: ClaimOptions = {}): Claim | undefined {
    return this.#db.transaction(() => {
      const open = this.#open(consumer);
      if (open !== undefined) return { ...this.#load(open), isNew: false };
      const id = randomUUID();
      const events = this.#take(consumer, id, Math.min(limit, SLICE), options);
      if (events === 0) return undefined;
      this.#db.run(
        `INSERT INTO deliveries (id, consumer, state, events, claimed_at) VALUES (?, ?, 'claimed', ?, ?)`,
        id,
        consumer,
        events,
        this.#now(),
      );
      return { ...this.#load({ id, consumer, shownId: id, events }), isNew: true };
    });
  }

  extend(consumer: string, limit: number, options: ClaimOptions = {}): Delivery | undefined {
    return this.#db.transaction(() => {
      const open = this.#open(consumer);
      if (open === undefined || open.events >= limit) return undefined;
      const more = this.#take(consumer, open.id, Math.min(limit - open.events, SLICE), options);
      return more === 0 ? undefined : this.#load(this.#resize(open, open.events + more));
    });
  }

  release(consumer: string): boolean {
    return this.#db.transaction(() => {
      const open = this.#open(consumer);
      if (open === undefined) return false;
      const given = this.#db.run(
        `UPDATE outbox SET delivery = NULL WHERE consumer = ?1
           AND seq IN (SELECT seq FROM outbox WHERE delivery = ?2 AND consumer = ?1 ORDER BY seq LIMIT ${SLICE})`,
        consumer,
        open.id,
      );
      return this.#resize(open, open.events - given).events > 0;
    });
  }

  holdsUnurgent(consumer: string): boolean {
    const sql = 'SELECT 1 FROM outbox WHERE delivery = ? AND urgent = 0 LIMIT 1';
    const open = this.#open(consumer);
    return open !== undefined && this.#db.get(sql, open.id) !== undefined;
  }

  /** The delivery that is being made. */
  #open(consumer: string): Open | undefined {
    return this.#db.get<Open & Row>(
      `SELECT id, consumer, coalesce(sent_as, id) AS shownId, events FROM deliveries WHERE consumer = ? AND state = 'claimed'`,
      consumer,
    );
  }

  /** Makes the oldest of what is owed a part of a delivery; returns how many events. */
  #take(consumer: string, id: string, most: number, { urgentOnly = false }: ClaimOptions): number {
    const fresh = `consumer = ? AND delivery IS NULL${urgentOnly ? ' AND urgent = 1' : ''}`;
    const seqs = this.#db.all<{ seq: number }>(
      `SELECT seq FROM outbox WHERE ${fresh} ORDER BY seq LIMIT ?`,
      consumer,
      most,
    );
    const last = seqs.at(-1)?.seq;
    return last === undefined
      ? 0
      : this.#db.run(`UPDATE outbox SET delivery = ? WHERE ${fresh} AND seq <= ?`, id, consumer, last);
  }

  /** It holds so many events now, and is another thing than before: its id is new, too. Without any it is gone. */
  #resize({ id, consumer }: Open, events: number): Open {
    const shownId = randomUUID();
    if (events > 0) this.#db.run('UPDATE deliveries SET events = ?, sent_as = ? WHERE id = ?', events, shownId, id);
    else this.#db.run('DELETE FROM deliveries WHERE id = ?', id);
    return { id, consumer, shownId, events };
  }

  #load({ id, consumer, shownId, events }: Open): Delivery {
    return { id: shownId, size: events, events: eventsIn(this.#db, consumer, id) };
  }

  delivered(consumer: string, deliveryId: string): void {
    this.#db.transaction(() => {
      const events = this.#finish('delivered', consumer, deliveryId, null);
      if (events === undefined) return;
      this.#tally(consumer, 'delivered');
      this.#tallies.add('cowbell_delivered_events_total', { notifier: consumer }, events);
    });
  }

  failed(consumer: string, deliveryId: string, reason: string): void {
    this.#db.transaction(() => {
      this.#finish('claimed', consumer, deliveryId, safeText(reason, 500));
      this.#tally(consumer, 'retried');
    });
  }

  park(consumer: string, deliveryId: string, reason: string): void {
    this.#db.transaction(() => {
      this.#finish('parked', consumer, deliveryId, safeText(reason, 500));
      this.#tally(consumer, 'refused');
    });
  }

  parkLane(consumer: string, deliveryId: string, reason: string): void {
    this.#db.transaction(() => {
      this.#finish('claimed', consumer, deliveryId, safeText(reason, 500));
      this.#db.run(
        `INSERT INTO parked_lanes (consumer, since, reason) VALUES (?1, ?2, ?3)
           ON CONFLICT (consumer) DO UPDATE SET reason = ?3`,
        consumer,
        this.#now(),
        safeText(reason, 500),
      );
      this.#tally(consumer, 'parked');
    });
  }

  /** Takes note of how an attempt ended; returns how many events it was about, if it is still what is being made. */
  #finish(state: DeliveryRecord['state'], consumer: string, shownId: string, error: string | null): number | undefined {
    return this.#db.get<{ events: number }>(
      `UPDATE deliveries SET state = ?1, attempts = attempts + 1, error = ?2,
         finished_at = CASE ?1 WHEN 'claimed' THEN finished_at ELSE ?3 END
         WHERE consumer = ?4 AND state = 'claimed' AND coalesce(sent_as, id) = ?5 RETURNING events`,
      state,
      error,
      this.#now(),
      consumer,
      shownId,
    )?.events;
  }

  #tally(notifier: string, outcome: 'delivered' | 'retried' | 'refused' | 'parked'): void {
    this.#tallies.add('cowbell_deliveries_total', { notifier, outcome });
  }

  skip(consumer: string): boolean {
    return this.#db.transaction(() => {
      const open = this.#open(consumer);
      if (open === undefined) return false;
      const skipped = this.#db.run(
        `DELETE FROM outbox WHERE consumer = ?1 AND seq IN (SELECT seq FROM outbox JOIN events USING (seq)
           WHERE delivery = ?2 AND consumer = ?1 AND type != 'digest' ORDER BY seq LIMIT ${SLICE})`,
        consumer,
        open.id,
      );
      this.#resize(open, open.events - skipped);
      return skipped === SLICE;
    });
  }

  expire(consumer: string, before: number, claimed: 'each' | 'whole'): number {
    return this.#db.transaction(() => {
      const fresh = this.#db.run(
        `DELETE FROM outbox WHERE consumer = ?1 AND delivery IS NULL
           AND seq IN (SELECT seq FROM outbox JOIN events USING (seq)
             WHERE consumer = ?1 AND delivery IS NULL AND at < ?2 ORDER BY seq LIMIT ${SLICE})`,
        consumer,
        before,
      );
      const open = this.#open(consumer);
      if (open === undefined) return fresh;
      const has = `SELECT 1 FROM outbox JOIN events USING (seq) WHERE delivery = ? AND at >= ? LIMIT 1`;
      if (claimed === 'whole' && this.#db.get(has, open.id, before) !== undefined) return fresh;
      const old = this.#db.run(
        `DELETE FROM outbox WHERE consumer = ?1 AND seq IN (SELECT seq FROM outbox JOIN events USING (seq)
           WHERE delivery = ?2 AND consumer = ?1 AND at < ?3 ORDER BY seq LIMIT ${SLICE})`,
        consumer,
        open.id,
        before,
      );
      if (old > 0) this.#resize(open, open.events - old);
      return fresh + old;
    });
  }

  isLaneParked(consumer: string): boolean {
    return this.#db.get('SELECT 1 FROM parked_lanes WHERE consumer = ?', consumer) !== undefined;
  }

  resumeLane(consumer: string): void {
    this.#db.run('DELETE FROM parked_lanes WHERE consumer = ?', consumer);
  }

  owed(consumer: string, { urgentOnly = false }: ClaimOptions = {}): number {
    return countOwed(this.#db, consumer, urgentOnly);
  }

  oldestAt(consumer: string, { urgentOnly = false }: ClaimOptions = {}): number | undefined {
    return oldestOwedAt(this.#db, consumer, urgentOnly);
  }

  /** Consumers that are owed something or have parked deliveries, with the age of what they wait for. */
  summary(): OutboxSummary[] {
    return summarise(this.#db);
  }

  /** Deliveries in one state, the newest first. */
  list(state: DeliveryRecord['state'], limit: number): DeliveryRecord[] {
    return listDeliveries(this.#db, state, limit);
  }

  /** Lanes whose far side takes nothing, with the reason. */
  parkedLanes(): { consumer: string; since: number; reason: string }[] {
    return this.#db
      .all<{ consumer: string; since: number; reason: string }>('SELECT * FROM parked_lanes ORDER BY consumer')
      .map((row) => ({ ...row }));
  }

  /** Lets parked lanes go on and makes parked events owed again, of one consumer or of all; returns how many events. */
  retryParked(consumer?: string): number {
    return this.#db.transaction(() => retryParked(this.#db, consumer));
  }

  /**
   * Gives up what is owed, was tried in vain or is parked, of one consumer or of all, but not what is sent for the first time
   * just now; returns how many events.
   */
  drop(consumer?: string): number {
    return this.#db.transaction(() => dropOwed(this.#db, consumer));
  }

  /** How many events of each type the ledger holds. */
  eventCounts(): Map<string, number> {
    const rows = this.#db.all<{ type: string; n: number }>('SELECT type, count(*) AS n FROM events GROUP BY type');
    return new Map(rows.map((row) => [row.type, row.n]));
  }
}

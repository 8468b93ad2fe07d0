import { randomUUID } from 'node:crypto';
import type { BanEvent } from '../core/event.ts';
import type { Delivery } from '../core/notifier.ts';
import type { ClaimOptions, Outbox } from '../core/outbox.ts';
import { safeText } from '../core/text.ts';
import type { Database } from './database.ts';
import { tallyEvent } from './event-tallies.ts';
import { countOwed, oldestOwedAt } from './owed.ts';
import type { Tallies } from './tallies.ts';

/** Somebody whom an event is owed to; what is urgent for them passes quiet hours. */
export interface Recipient {
  name: string;
  isUrgent?: boolean;
}

/** One delivery as `cowbell outbox` shows it. */
export interface DeliveryRecord {
  id: string;
  consumer: string;
  state: 'claimed' | 'delivered' | 'parked';
  events: number;
  attempts: number;
  claimedAt: number;
  finishedAt: number | undefined;
  error: string | undefined;
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

  claim(
    consumer: string,
    limit: number,
    { urgentOnly = false, merge = false }: ClaimOptions = {},
  ): Delivery | undefined {
    return this.#db.transaction(() => {
      const open = this.#db.get<{ id: string }>(
        `SELECT id FROM deliveries WHERE consumer = ? AND state = 'claimed'`,
        consumer,
      );
      const fresh = `consumer = ? AND delivery IS NULL${urgentOnly ? ' AND urgent = 1' : ''}`;
      if (open !== undefined) {
        const hasMore = merge && this.#db.get(`SELECT 1 FROM outbox WHERE ${fresh} LIMIT 1`, consumer) !== undefined;
        if (!hasMore) return this.#load(open.id);
        this.#release(open.id);
      }
      const owed = this.#db.all<{ seq: number }>(
        `SELECT seq FROM outbox WHERE ${fresh} ORDER BY seq LIMIT ?`,
        consumer,
        limit,
      );
      const last = owed.at(-1);
      if (last === undefined) return undefined;
      const id = randomUUID();
      this.#db.run(`UPDATE outbox SET delivery = ? WHERE ${fresh} AND seq <= ?`, id, consumer, last.seq);
      this.#db.run(
        `INSERT INTO deliveries (id, consumer, state, events, claimed_at) VALUES (?, ?, 'claimed', ?, ?)`,
        id,
        consumer,
        owed.length,
        this.#now(),
      );
      return this.#load(id);
    });
  }

  #load(id: string): Delivery {
    const size = this.#db.get<{ events: number }>('SELECT events FROM deliveries WHERE id = ?', id)?.events ?? 0;
    const rows = this.#db.each<{ json: string }>(
      'SELECT events.json FROM outbox JOIN events USING (seq) WHERE outbox.delivery = ? ORDER BY outbox.seq',
      id,
    );
    return { id, size, events: parseEach(rows) };
  }

  #release(id: string): void {
    this.#db.run('UPDATE outbox SET delivery = NULL WHERE delivery = ?', id);
    this.#db.run('DELETE FROM deliveries WHERE id = ?', id);
  }

  delivered(consumer: string, deliveryId: string): void {
    this.#db.transaction(() => {
      const sent = this.#db.get<{ events: number }>(
        `UPDATE deliveries SET state = 'delivered', attempts = attempts + 1, finished_at = ?, error = NULL WHERE id = ?
           RETURNING events`,
        this.#now(),
        deliveryId,
      );
      if (sent === undefined) return;
      this.#tally(consumer, 'delivered');
      this.#tallies.add('cowbell_delivered_events_total', { notifier: consumer }, sent.events);
    });
  }

  failed(consumer: string, deliveryId: string, reason: string): void {
    this.#db.transaction(() => {
      this.#fail(deliveryId, reason);
      this.#tally(consumer, 'retried');
    });
  }

  park(consumer: string, deliveryId: string, reason: string): void {
    this.#db.transaction(() => {
      this.#db.run(
        `UPDATE deliveries SET state = 'parked', attempts = attempts + 1, finished_at = ?, error = ? WHERE id = ?`,
        this.#now(),
        safeText(reason, 500),
        deliveryId,
      );
      this.#tally(consumer, 'refused');
    });
  }

  parkLane(consumer: string, deliveryId: string, reason: string): void {
    this.#db.transaction(() => {
      this.#fail(deliveryId, reason);
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

  #fail(deliveryId: string, reason: string): void {
    this.#db.run(
      'UPDATE deliveries SET attempts = attempts + 1, error = ? WHERE id = ?',
      safeText(reason, 500),
      deliveryId,
    );
  }

  #tally(notifier: string, outcome: 'delivered' | 'retried' | 'refused' | 'parked'): void {
    this.#tallies.add('cowbell_deliveries_total', { notifier, outcome });
  }

  skip(_consumer: string, deliveryId: string): void {
    this.#db.transaction(() => {
      this.#db.run('DELETE FROM outbox WHERE delivery = ?', deliveryId);
      this.#db.run('DELETE FROM deliveries WHERE id = ?', deliveryId);
    });
  }

  expire(consumer: string, before: number): number {
    return this.#db.run(
      `DELETE FROM outbox WHERE consumer = ?1 AND delivery IS NULL
         AND seq IN (SELECT seq FROM outbox JOIN events USING (seq) WHERE consumer = ?1 AND delivery IS NULL AND at < ?2)`,
      consumer,
      before,
    );
  }

  isLaneParked(consumer: string): boolean {
    return this.#db.get('SELECT 1 FROM parked_lanes WHERE consumer = ?', consumer) !== undefined;
  }

  resumeLane(consumer: string): void {
    this.#db.run('DELETE FROM parked_lanes WHERE consumer = ?', consumer);
  }

  owed(consumer: string, { urgentOnly = false } = {}): number {
    return countOwed(this.#db, consumer, urgentOnly);
  }

  oldestAt(consumer: string, { urgentOnly = false } = {}): number | undefined {
    return oldestOwedAt(this.#db, consumer, urgentOnly);
  }

  /** Consumers that are owed something or have parked deliveries, with the age of what they wait for. */
  summary(): { consumer: string; owed: number; parked: number; oldestAt: number | undefined }[] {
    return this.#db
      .all<{ consumer: string; owed: number; parked: number; oldest: number | null }>(
        `SELECT outbox.consumer AS consumer,
           count(*) FILTER (WHERE d.state IS NULL OR d.state = 'claimed') AS owed,
           count(*) FILTER (WHERE d.state = 'parked') AS parked,
           min(CASE WHEN d.state IS NULL OR d.state = 'claimed' THEN events.at END) AS oldest
         FROM outbox JOIN events USING (seq) LEFT JOIN deliveries d ON d.id = outbox.delivery
         WHERE d.state IS NULL OR d.state != 'delivered'
         GROUP BY outbox.consumer ORDER BY outbox.consumer`,
      )
      .map((row) => ({
        consumer: row.consumer,
        owed: row.owed,
        parked: row.parked,
        oldestAt: row.oldest ?? undefined,
      }));
  }

  /** Deliveries in one state, the newest first. */
  list(state: DeliveryRecord['state'], limit: number): DeliveryRecord[] {
    return this.#db
      .all<{
        id: string;
        consumer: string;
        state: DeliveryRecord['state'];
        events: number;
        attempts: number;
        claimed_at: number;
        finished_at: number | null;
        error: string | null;
      }>('SELECT * FROM deliveries WHERE state = ? ORDER BY claimed_at DESC LIMIT ?', state, limit)
      .map((row) => ({
        id: row.id,
        consumer: row.consumer,
        state: row.state,
        events: row.events,
        attempts: row.attempts,
        claimedAt: row.claimed_at,
        finishedAt: row.finished_at ?? undefined,
        error: row.error ?? undefined,
      }));
  }

  /** Lanes whose far side takes nothing, with the reason. */
  parkedLanes(): { consumer: string; since: number; reason: string }[] {
    return this.#db
      .all<{ consumer: string; since: number; reason: string }>('SELECT * FROM parked_lanes ORDER BY consumer')
      .map((row) => ({ ...row }));
  }

  /** Lets parked lanes go on and makes parked events owed again, of one consumer or of all; returns how many events. */
  retryParked(consumer?: string): number {
    return this.#db.transaction(() => {
      this.#db.run('DELETE FROM parked_lanes WHERE ?1 IS NULL OR consumer = ?1', consumer ?? null);
      const parked = `SELECT id FROM deliveries WHERE state = 'parked' AND (?1 IS NULL OR consumer = ?1)`;
      const events = this.#db.run(`UPDATE outbox SET delivery = NULL WHERE delivery IN (${parked})`, consumer ?? null);
      this.#db.run(`DELETE FROM deliveries WHERE state = 'parked' AND (?1 IS NULL OR consumer = ?1)`, consumer ?? null);
      return events;
    });
  }

  /** Gives up what is owed or parked, of one consumer or of all, but not what is being sent; returns how many events. */
  drop(consumer?: string): number {
    return this.#db.transaction(() => {
      const events = this.#db.run(
        `DELETE FROM outbox WHERE (?1 IS NULL OR consumer = ?1)
           AND (delivery IS NULL OR delivery IN (SELECT id FROM deliveries WHERE state = 'parked'))`,
        consumer ?? null,
      );
      this.#db.run(`DELETE FROM deliveries WHERE state = 'parked' AND (?1 IS NULL OR consumer = ?1)`, consumer ?? null);
      return events;
    });
  }

  /** How many events of each type the ledger holds. */
  eventCounts(): Map<string, number> {
    const rows = this.#db.all<{ type: string; n: number }>('SELECT type, count(*) AS n FROM events GROUP BY type');
    return new Map(rows.map((row) => [row.type, row.n]));
  }
}

function parseEach(rows: Iterable<{ json: string }>): Iterable<BanEvent> {
  return {
    *[Symbol.iterator]() {
      for (const { json } of rows) yield JSON.parse(json) as BanEvent;
    },
  };
}

import type { BanEvent } from '../core/event.ts';
import type { Database } from './database.ts';

/** What of the outbox is shown to people, and what they do with it. */

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

/** What one consumer waits for; `oldestAt` in ms since the epoch. */
export interface OutboxSummary {
  consumer: string;
  owed: number;
  parked: number;
  oldestAt: number | undefined;
}

/** Events that are read at once: nothing is kept open in between, while others write. */
const PAGE = 100;

export function summarise(db: Database): OutboxSummary[] {
  return db
    .all<{ consumer: string; owed: number; parked: number; oldest: number | null }>(
      `SELECT outbox.consumer AS consumer,
         count(*) FILTER (WHERE d.state IS NULL OR d.state = 'claimed') AS owed,
         count(*) FILTER (WHERE d.state = 'parked') AS parked,
         min(CASE WHEN d.state IS NULL OR d.state = 'claimed' THEN events.at END) AS oldest
       FROM outbox JOIN events USING (seq) LEFT JOIN deliveries d ON d.id = outbox.delivery
       WHERE d.state IS NULL OR d.state != 'delivered'
       GROUP BY outbox.consumer ORDER BY outbox.consumer`,
    )
    .map(({ consumer, owed, parked, oldest }) => ({ consumer, owed, parked, oldestAt: oldest ?? undefined }));
}

export function listDeliveries(db: Database, state: DeliveryRecord['state'], limit: number): DeliveryRecord[] {
  return db
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

export function retryParked(db: Database, consumer: string | undefined): number {
  const who = consumer ?? null;
  db.run('DELETE FROM parked_lanes WHERE ?1 IS NULL OR consumer = ?1', who);
  const parked = `SELECT id FROM deliveries WHERE state = 'parked' AND (?1 IS NULL OR consumer = ?1)`;
  const events = db.run(`UPDATE outbox SET delivery = NULL WHERE delivery IN (${parked})`, who);
  db.run(`DELETE FROM deliveries WHERE id IN (${parked})`, who);
  return events;
}

export function dropOwed(db: Database, consumer: string | undefined): number {
  const who = consumer ?? null;
  const vain = `SELECT id FROM deliveries WHERE (?1 IS NULL OR consumer = ?1)
    AND (state = 'parked' OR (state = 'claimed' AND attempts > 0))`;
  const events = db.run(
    `DELETE FROM outbox WHERE (?1 IS NULL OR consumer = ?1) AND (delivery IS NULL OR delivery IN (${vain}))`,
    who,
  );
  db.run(`DELETE FROM deliveries WHERE id IN (${vain})`, who);
  db.run(
    `DELETE FROM parked_lanes WHERE (?1 IS NULL OR consumer = ?1)
       AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.consumer = parked_lanes.consumer)`,
    who,
  );
  return events;
}

/** The events of a delivery, oldest first; read page by page as they are gone through. */
export function eventsIn(db: Database, consumer: string, deliveryId: string): Iterable<BanEvent> {
  return {
    *[Symbol.iterator]() {
      for (let last = -1; ; ) {
        const rows = db.all<{ seq: number; json: string }>(
          `SELECT seq, events.json AS json FROM outbox JOIN events USING (seq)
             WHERE outbox.delivery = ? AND outbox.consumer = ? AND seq > ? ORDER BY seq LIMIT ${PAGE}`,
          deliveryId,
          consumer,
          last,
        );
        for (const { json } of rows) yield JSON.parse(json) as BanEvent;
        if (rows.length < PAGE) return;
        last = rows.at(-1)?.seq ?? last;
      }
    },
  };
}

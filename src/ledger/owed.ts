import type { Database } from './database.ts';

/** Events that a consumer is owed: those that are claimed, and of the others all or only the urgent. */
export function countOwed(db: Database, consumer: string, urgentOnly: boolean): number {
  const fresh = db.get<{ n: number }>(`SELECT count(*) AS n FROM outbox WHERE ${unclaimed(urgentOnly)}`, consumer);
  const claimed = db.get<{ n: number | null }>(
    `SELECT sum(events) AS n FROM deliveries WHERE consumer = ? AND state = 'claimed'`,
    consumer,
  );
  return (fresh?.n ?? 0) + (claimed?.n ?? 0);
}

/** When the oldest of them was recorded, ms since the epoch; undefined where there are none. */
export function oldestOwedAt(db: Database, consumer: string, urgentOnly: boolean): number | undefined {
  const row = db.get<{ at: number | null }>(
    `SELECT min(coalesce(recorded_at, at)) AS at FROM events WHERE seq IN (
       (SELECT min(seq) FROM outbox WHERE ${unclaimed(urgentOnly)}),
       (SELECT min(seq) FROM outbox
          WHERE delivery = (SELECT id FROM deliveries WHERE consumer = ?1 AND state = 'claimed')))`,
    consumer,
  );
  return row?.at ?? undefined;
}

function unclaimed(urgentOnly: boolean): string {
  return `consumer = ?1 AND delivery IS NULL${urgentOnly ? ' AND urgent = 1' : ''}`;
}

import type { Ip, Network } from '../core/network.ts';
import type { Database } from './database.ts';

/** Whom others were told of, and what was looked at for that: each address of a ban once, or the ban as a whole. */
export class AbuseReportLog {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** `isReported`: somebody was told, else it was decided not to. Times are ms since the epoch. */
  add({
    banId,
    subject,
    at,
    isReported,
  }: {
    banId: string;
    subject: Ip | Network;
    at: number;
    isReported: boolean;
  }): void {
    this.#db.run(
      'INSERT OR REPLACE INTO abuse_reports (ban_id, subject, at, reported) VALUES (?, ?, ?, ?)',
      banId,
      subject,
      Math.round(at),
      isReported ? 1 : 0,
    );
  }

  /** Whether that is done with for this ban. */
  has(banId: string, subject: Ip | Network): boolean {
    const sql = 'SELECT 1 FROM abuse_reports WHERE ban_id = ? AND subject = ?';
    return this.#db.get(sql, banId, subject) !== undefined;
  }

  /** When somebody was last told of the address. */
  lastAt(ip: Ip): number | undefined {
    const sql = 'SELECT max(at) AS at FROM abuse_reports WHERE subject = ? AND reported = 1';
    return this.#db.get<{ at: number | null }>(sql, ip)?.at ?? undefined;
  }
}

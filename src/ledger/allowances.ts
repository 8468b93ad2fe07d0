import type { Network } from '../core/network.ts';
import type { Database } from './database.ts';

/** An entry of the server's allowlist that cowbell made, and takes off again. */
export interface Allowance {
  jail: string;
  network: Network;
  /** When it is to be taken off, ms since the epoch. */
  until: number;
  by: 'policy' | 'person';
}

/** What cowbell has put on allowlists for a time; it is kept until it is taken off. */
export class AllowanceList {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Notes it down; the end of one that is known already is moved. */
  add({ jail, network, until, by }: Allowance): void {
    this.#db.run(
      'INSERT OR REPLACE INTO allowances (jail, network, until, by) VALUES (?, ?, ?, ?)',
      jail,
      network,
      Math.round(until),
      by,
    );
  }

  /** Forgets it, if its end is still that one; false, with nothing done, if not. */
  remove({ jail, network, until }: Pick<Allowance, 'jail' | 'network' | 'until'>): boolean {
    const sql = 'DELETE FROM allowances WHERE jail = ? AND network = ? AND until = ?';
    return this.#db.run(sql, jail, network, Math.round(until)) > 0;
  }

  of(jail: string, network: Network): Allowance | undefined {
    const row = this.#db.get<Allowance>('SELECT * FROM allowances WHERE jail = ? AND network = ?', jail, network);
    return row && { ...row };
  }

  /** The first to end first. */
  standing(): Allowance[] {
    return this.#db.all<Allowance>('SELECT * FROM allowances ORDER BY until, jail, network').map((row) => ({ ...row }));
  }

  /** Those whose end has come. */
  due(now: number): Allowance[] {
    return this.standing().filter(({ until }) => until <= now);
  }
}

import type { Database } from './database.ts';

/** Something that was decided, or done to the server. */
export interface AuditEntry {
  /** ms since the epoch. */
  at: number;
  by: 'policy' | 'person';
  /** `lift`, `keep`, `would-lift`, `lifted`, `failed`, `allow`, `deny` … */
  action: string;
  network: string;
  jail?: string | undefined;
  banId?: string | undefined;
  /** Why, and by what means. */
  details: object;
}

interface Row {
  at: number;
  by: AuditEntry['by'];
  action: string;
  network: string;
  jail: string | null;
  ban_id: string | null;
  json: string;
}

/** What was decided and done, in its order; nothing of it is changed again. */
export class Audit {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  add({ at, by, action, network, jail, banId, details }: AuditEntry): void {
    this.#db.run(
      'INSERT INTO audit (at, by, action, network, jail, ban_id, json) VALUES (?, ?, ?, ?, ?, ?, ?)',
      Math.round(at),
      by,
      action,
      network,
      jail ?? null,
      banId ?? null,
      JSON.stringify(details),
    );
  }

  /** The newest first. */
  list({ since = 0, network, limit }: { since?: number; network?: string | undefined; limit: number }): AuditEntry[] {
    return this.#db
      .all<Row>(
        'SELECT * FROM audit WHERE at >= ?1 AND (?2 IS NULL OR network = ?2) ORDER BY seq DESC LIMIT ?3',
        Math.round(since),
        network ?? null,
        limit,
      )
      .map(({ at, by, action, network, jail, ban_id, json }) => ({
        at,
        by,
        action,
        network,
        ...(jail !== null && { jail }),
        ...(ban_id !== null && { banId: ban_id }),
        details: JSON.parse(json) as object,
      }));
  }
}

import type { Database } from './database.ts';

/** Something that was decided, or done to the server. */
export interface AuditEntry {
  /** ms since the epoch. */
  at: number;
  by: 'policy' | 'person' | 'reports';
  /** `lift`, `keep`, `would-lift`, `lifted`, `failed`, `allow`, `deny`, `report`, `no-report` … */
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

  /** How many bans the policy decided to lift since a time; with those that it would have lifted, if asked. */
  liftsSince(since: number, withSuggested: boolean): number {
    return (
      this.#db.get<{ n: number }>(
        `SELECT count(*) AS n FROM audit WHERE action IN ('lift', 'would-lift') AND at > ? AND by = 'policy'
           AND (action = 'lift' OR ?)`,
        Math.floor(since),
        withSuggested ? 1 : 0,
      )?.n ?? 0
    );
  }

  /** What was decided and done about one ban, in its order. */
  of(banId: string): AuditEntry[] {
    return this.#db.all<Row>('SELECT * FROM audit WHERE ban_id = ? ORDER BY seq', banId).map(fromRow);
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
      .map(fromRow);
  }
}

function fromRow({ at, by, action, network, jail, ban_id, json }: Row): AuditEntry {
  return {
    at,
    by,
    action,
    network,
    ...(jail !== null && { jail }),
    ...(ban_id !== null && { banId: ban_id }),
    details: JSON.parse(json) as object,
  };
}

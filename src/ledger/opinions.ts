import type { Opinion } from '../core/reputation.ts';
import type { Database } from './database.ts';

/** What a source said of an address or a network; `opinion` is undefined where it had none. */
export interface KeptOpinion {
  opinion: Opinion | undefined;
  /** ms since the epoch. */
  checkedAt: number;
}

/** What sources of reputation said, so that they are asked once. */
export class Opinions {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  get(source: string, subject: string): KeptOpinion | undefined {
    const row = this.#db.get<{ opinion: string | null; checked_at: number }>(
      'SELECT opinion, checked_at FROM opinions WHERE source = ? AND subject = ?',
      source,
      subject,
    );
    if (row === undefined) return undefined;
    const opinion = row.opinion === null ? undefined : (JSON.parse(row.opinion) as Opinion);
    return { opinion, checkedAt: row.checked_at };
  }

  put(source: string, subject: string, { opinion, checkedAt }: KeptOpinion): void {
    this.#db.run(
      'INSERT OR REPLACE INTO opinions (source, subject, opinion, checked_at) VALUES (?, ?, ?, ?)',
      source,
      subject,
      opinion === undefined ? null : JSON.stringify(opinion),
      Math.round(checkedAt),
    );
  }
}

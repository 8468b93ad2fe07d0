import type { Network } from '../core/network.ts';
import type { Database } from './database.ts';

/** Networks that the server's admin has denied for good, as far as cowbell has told of them. */
export class Denylist {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** True if it was not known before. */
  add(network: Network, at: number): boolean {
    const known = this.#db.run('UPDATE denylist SET missing_since = NULL WHERE network = ?', network);
    if (known > 0) return false;
    this.#db.run('INSERT INTO denylist (network, since) VALUES (?, ?)', network, Math.round(at));
    return true;
  }

  /** True if it was known. */
  remove(network: Network): boolean {
    return this.#db.run('DELETE FROM denylist WHERE network = ?', network) > 0;
  }

  /** Marks what a complete list no longer holds; a restart of netfilter empties and refills the list. */
  markMissing(present: ReadonlySet<Network>, at: number): void {
    for (const { network } of this.#db.all<{ network: Network }>(
      'SELECT network FROM denylist WHERE missing_since IS NULL',
    )) {
      if (!present.has(network)) {
        this.#db.run('UPDATE denylist SET missing_since = ? WHERE network = ?', Math.round(at), network);
      }
    }
  }

  /** What has been missing since before `before`. */
  missingSince(before: number): Network[] {
    return this.#db
      .all<{ network: Network }>('SELECT network FROM denylist WHERE missing_since <= ?', Math.round(before))
      .map((row) => row.network);
  }

  firstMissingAt(): number | undefined {
    return this.#db.get<{ at: number | null }>('SELECT min(missing_since) AS at FROM denylist')?.at ?? undefined;
  }
}

import type { Database } from './database.ts';

export type AdminListName = 'allowlist' | 'denylist';

/** What the server's admin has allowed or denied for good, as far as cowbell has told of it: networks and host names. */
export class AdminList {
  readonly #db: Database;
  readonly #list: AdminListName;

  constructor(db: Database, list: AdminListName) {
    this.#db = db;
    this.#list = list;
  }

  /** True if it was not known before. */
  add(entry: string, at: number): boolean {
    const known = this.#db.run(
      'UPDATE admin_lists SET missing_since = NULL WHERE list = ? AND entry = ?',
      this.#list,
      entry,
    );
    if (known > 0) return false;
    this.#db.run('INSERT INTO admin_lists (list, entry, since) VALUES (?, ?, ?)', this.#list, entry, Math.round(at));
    return true;
  }

  /** True if it was known. */
  remove(entry: string): boolean {
    return this.#db.run('DELETE FROM admin_lists WHERE list = ? AND entry = ?', this.#list, entry) > 0;
  }

  /** All of it, in no order. */
  entries(): string[] {
    return this.#db
      .all<{ entry: string }>('SELECT entry FROM admin_lists WHERE list = ?', this.#list)
      .map(({ entry }) => entry);
  }

  /** Marks what a complete list no longer holds; a restart of netfilter empties and refills what it applies. */
  markMissing(present: ReadonlySet<string>, at: number): void {
    for (const { entry } of this.#db.all<{ entry: string }>(
      'SELECT entry FROM admin_lists WHERE list = ? AND missing_since IS NULL',
      this.#list,
    )) {
      if (present.has(entry)) continue;
      this.#db.run(
        'UPDATE admin_lists SET missing_since = ? WHERE list = ? AND entry = ?',
        Math.round(at),
        this.#list,
        entry,
      );
    }
  }

  /** What has been missing since before `before`. */
  missingSince(before: number): string[] {
    return this.#db
      .all<{ entry: string }>(
        'SELECT entry FROM admin_lists WHERE list = ? AND missing_since <= ?',
        this.#list,
        Math.round(before),
      )
      .map(({ entry }) => entry);
  }

  firstMissingAt(): number | undefined {
    return (
      this.#db.get<{ at: number | null }>('SELECT min(missing_since) AS at FROM admin_lists WHERE list = ?', this.#list)
        ?.at ?? undefined
    );
  }
}

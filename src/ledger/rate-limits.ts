import type { RateLimited } from '../core/observation.ts';
import { safeText } from '../core/text.ts';
import type { Database } from './database.ts';

const LISTED = 5;
/** Accounts that are followed at the same time. */
const MOST_FOLLOWED = 10_000;

/** What one account ran into since it was last told of; times in ms since the epoch. */
export interface RateLimitCount {
  account: string;
  limit: string;
  count: number;
  recipients: number;
  firstAt: number;
  lastAt: number;
  addresses: string[];
}

interface Row {
  account: string;
  name: string;
  count: number;
  recipients: number;
  first_at: number;
  last_at: number;
  addresses: string;
}

/** Accounts that send too much: each is told of at once, and then as one count for each window as long as it goes on. */
export class RateLimits {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Counts one; returns it if it is the first of its account, to be told at once. `dueAt`: when the rest is to be told. */
  add(seen: RateLimited, dueAt: number): RateLimitCount | undefined {
    const account = safeText(seen.account ?? '', 128);
    const name = safeText(seen.limit, 64);
    const row = this.#db.get<Row>('SELECT * FROM rate_limits WHERE account = ? AND name = ?', account, name);
    const addresses = row === undefined ? [] : (JSON.parse(row.addresses) as string[]);
    if (seen.ip !== undefined && !addresses.includes(seen.ip) && addresses.length < LISTED) addresses.push(seen.ip);
    const at = Math.round(seen.at);
    if (row !== undefined) {
      this.#db.run(
        `UPDATE rate_limits SET count = count + 1, recipients = recipients + ?, first_at = iif(count = 0, ?, first_at),
           last_at = max(last_at, ?), addresses = ? WHERE account = ? AND name = ?`,
        seen.recipients ?? 0,
        at,
        at,
        JSON.stringify(addresses),
        account,
        name,
      );
      return undefined;
    }
    const first: RateLimitCount = {
      account,
      limit: name,
      count: 1,
      recipients: seen.recipients ?? 0,
      firstAt: at,
      lastAt: at,
      addresses,
    };
    const followed = this.#db.get<{ n: number }>('SELECT count(*) AS n FROM rate_limits')?.n ?? 0;
    if (followed < MOST_FOLLOWED) {
      this.#db.run(
        `INSERT INTO rate_limits (account, name, due_at, count, recipients, first_at, last_at, addresses)
         VALUES (?, ?, ?, 0, 0, ?, ?, '[]')`,
        account,
        name,
        Math.round(dueAt),
        at,
        at,
      );
    }
    return first;
  }

  /** What has come to be told by `now`, each account's count once; `nextDueAt` is the end of the next window. */
  takeDue(now: number, nextDueAt: number): RateLimitCount[] {
    const rows = this.#db.all<Row>('SELECT * FROM rate_limits WHERE due_at <= ? ORDER BY due_at LIMIT 1000', now);
    for (const { account, name, count } of rows) {
      if (count === 0) this.#db.run('DELETE FROM rate_limits WHERE account = ? AND name = ?', account, name);
      else {
        this.#db.run(
          `UPDATE rate_limits SET count = 0, recipients = 0, addresses = '[]', due_at = ? WHERE account = ? AND name = ?`,
          Math.round(nextDueAt),
          account,
          name,
        );
      }
    }
    return rows
      .filter(({ count }) => count > 0)
      .map((row) => ({
        account: row.account,
        limit: row.name,
        count: row.count,
        recipients: row.recipients,
        firstAt: row.first_at,
        lastAt: row.last_at,
        addresses: JSON.parse(row.addresses) as string[],
      }));
  }

  nextDueAt(): number | undefined {
    return this.#db.get<{ at: number | null }>('SELECT min(due_at) AS at FROM rate_limits')?.at ?? undefined;
  }
}

import type { Ip, Network } from '../core/network.ts';
import { addressKey, networkRange } from '../core/network.ts';
import { safeText } from '../core/text.ts';
import type { BanReasons } from './bans.ts';
import type { Database } from './database.ts';

export interface Failure {
  at: number;
  ip: Ip;
  /** The one jail that counted it; left out where it counts for all. */
  jail?: string | undefined;
  service?: string | undefined;
  rule?: string | undefined;
  account?: string | undefined;
  line?: string | undefined;
}

/** Rows kept for one address in one window; what comes on top is counted on the last row. */
const ROWS_PER_ADDRESS = 100;
const WINDOW_MS = 600_000;
/** Addresses whose row count is remembered. */
const REMEMBERED_ADDRESSES = 5_000;
/** Rows that one ban is explained from. */
const ROWS_READ = 2_000;
const LISTED = 10;
const LINES = 5;

/** Failed attempts by address: what explains a ban. Bounded per address, however fast an attacker is. */
export class Evidence {
  readonly #db: Database;
  readonly #recent = new Map<string, { rows: number; since: number; lastId: number }>();

  constructor(db: Database) {
    this.#db = db;
  }

  add(failure: Failure): void {
    const key = `${failure.jail ?? ''} ${failure.ip}`;
    const known = this.#recent.get(key);
    const inWindow = known !== undefined && failure.at - known.since < WINDOW_MS;
    if (inWindow && known.rows >= ROWS_PER_ADDRESS) {
      this.#db.run(
        'UPDATE evidence SET times = times + 1, at = max(at, ?) WHERE id = ?',
        Math.round(failure.at),
        known.lastId,
      );
      return;
    }
    const row = this.#db.get<{ id: number }>(
      `INSERT INTO evidence (at, ip, address, jail, service, rule, account, line) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
      Math.round(failure.at),
      addressKey(failure.ip),
      failure.ip,
      failure.jail ?? null,
      failure.service ?? null,
      failure.rule === undefined ? null : safeText(failure.rule, 32),
      failure.account === undefined ? null : safeText(failure.account, 128),
      failure.line === undefined ? null : safeText(failure.line, 512),
    );
    this.#remember(key, {
      rows: inWindow ? known.rows + 1 : 1,
      since: inWindow ? known.since : failure.at,
      lastId: row?.id ?? 0,
    });
  }

  /** Forgets what a rolled back transaction added. */
  forget(): void {
    this.#recent.clear();
  }

  #remember(key: string, entry: { rows: number; since: number; lastId: number }): void {
    this.#recent.delete(key);
    this.#recent.set(key, entry);
    if (this.#recent.size > REMEMBERED_ADDRESSES) {
      const oldest = this.#recent.keys().next().value;
      if (oldest !== undefined) this.#recent.delete(oldest);
    }
  }

  /** What is known of failures from inside the network since `since` that count for the jail. */
  reasons(network: Network, since: number, jail?: string): BanReasons {
    const { first, last } = networkRange(network);
    const rows = this.#db.all<{
      address: string;
      service: string | null;
      rule: string | null;
      account: string | null;
      line: string | null;
      times: number;
    }>(
      `SELECT address, service, rule, account, line, times FROM evidence
       WHERE ip BETWEEN ? AND ? AND at >= ? AND (jail IS NULL OR jail = ?) ORDER BY at DESC, id DESC LIMIT ?`,
      first,
      last,
      Math.floor(since),
      jail ?? null,
      ROWS_READ,
    );
    const offenders = new Tally();
    const accounts = new Tally();
    const services = new Tally();
    const rules = new Tally();
    let attempts = 0;
    for (const row of rows) {
      attempts += row.times;
      offenders.add(row.address, row.times);
      accounts.add(row.account, row.times);
      services.add(row.service, row.times);
      rules.add(row.rule, row.times);
    }
    if (rows.length === ROWS_READ) attempts = this.#count(first, last, since, jail);
    const lines = rows.flatMap((row) => (row.line === null ? [] : [row.line]));
    return {
      attempts,
      services: services.top(LISTED).map(([name]) => name),
      rules: rules.top(LISTED).map(([name]) => name),
      offenders: offenders.top(LISTED).map(([ip, count]) => ({ ip, attempts: count })),
      accounts: accounts.top(LISTED).map(([name, count]) => ({ name, attempts: count })),
      evidence: [...new Set(lines)].slice(0, LINES).reverse(),
    };
  }

  #count(first: Uint8Array, last: Uint8Array, since: number, jail: string | undefined): number {
    return (
      this.#db.get<{ attempts: number | null }>(
        'SELECT sum(times) AS attempts FROM evidence WHERE ip BETWEEN ? AND ? AND at >= ? AND (jail IS NULL OR jail = ?)',
        first,
        last,
        Math.floor(since),
        jail ?? null,
      )?.attempts ?? 0
    );
  }
}

class Tally {
  readonly #counts = new Map<string, number>();

  add(name: string | null, times: number): void {
    if (name !== null && name !== '') this.#counts.set(name, (this.#counts.get(name) ?? 0) + times);
  }

  /** Most counted first; equal ones in the order of first mention. */
  top(limit: number): [string, number][] {
    return [...this.#counts].sort((a, b) => b[1] - a[1]).slice(0, limit);
  }
}

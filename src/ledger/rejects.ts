import { addressKey, type Network, networkRange, parseNetwork } from '../core/network.ts';
import type { Rejected } from '../core/observation.ts';
import { safeText } from '../core/text.ts';
import type { Database } from './database.ts';
import type { Tallies } from './tallies.ts';

const LISTED = 10;
/** Reasons that are told apart in one window: a server has a few dozen. */
const MOST_REASONS = 100;
const OTHER = 'other';
/** Rows of one window; addresses that come on top are counted together. */
const MOST_ROWS = 200_000;
const ANYBODY = { ip: new Uint8Array(16), address: '::' };

interface Pending {
  ip: Uint8Array;
  address: string;
  service: string;
  reason: string;
  dnsbl: string;
  count: number;
  temporary: number;
  firstAt: number;
  lastAt: number;
  line: string | undefined;
}

export interface Counted {
  name: string;
  count: number;
}

/** One window's rejects, counted; times in ms since the epoch. */
export interface RejectTotals {
  firstAt: number;
  lastAt: number;
  total: number;
  temporary: number;
  addresses: number;
  services: Counted[];
  reasons: Counted[];
  dnsbls: Counted[];
  networks: { network: string; count: number; addresses: number }[];
}

/**
 * Refused clients and mails, counted for each address and reason in windows of time; the last line of each is kept. What
 * one transaction adds is written once, at its end.
 */
export class Rejects {
  readonly #db: Database;
  readonly #tallies: Tallies;
  readonly #pending = new Map<string, Pending>();
  readonly #reasons = new Set<string>();
  readonly #mostRows: number;
  #windowAt = 0;
  #reasonsOf: number | undefined;
  /** In this window, at most; what was only counted on is in it too. */
  #rows = 0;

  constructor(db: Database, tallies: Tallies, { mostRows = MOST_ROWS } = {}) {
    this.#db = db;
    this.#tallies = tallies;
    this.#mostRows = mostRows;
  }

  /** Counts one in the window that begins at `windowAt`. */
  add(seen: Rejected, windowAt: number): void {
    if (windowAt !== this.#windowAt) {
      this.flush();
      this.#windowAt = windowAt;
    }
    const key = `${seen.ip} ${seen.service} ${seen.reason} ${seen.dnsbl ?? ''}`;
    const known = this.#pending.get(key);
    const temporary = seen.code?.startsWith('4') ? 1 : 0;
    if (known !== undefined) {
      known.count++;
      known.temporary += temporary;
      known.firstAt = Math.min(known.firstAt, seen.at);
      known.lastAt = Math.max(known.lastAt, seen.at);
      known.line = seen.line;
      return;
    }
    this.#pending.set(key, {
      ip: addressKey(seen.ip),
      address: seen.ip,
      service: seen.service,
      reason: seen.reason,
      dnsbl: seen.dnsbl ?? '',
      count: 1,
      temporary,
      firstAt: seen.at,
      lastAt: seen.at,
      line: seen.line,
    });
  }

  /** Writes what was added; part of the transaction that added it. */
  flush(): void {
    for (const pending of this.#pending.values()) {
      const reason = this.#reasonOf(pending.reason);
      this.#tallies.add('mail_rejects_total', { service: pending.service, reason }, pending.count);
      const one = !this.#isFull() || this.#isKnown(pending, reason) ? pending : { ...pending, ...ANYBODY };
      this.#rows += this.#db.run(
        `INSERT INTO rejects (window_at, ip, service, reason, dnsbl, address, count, temporary, first_at, last_at, line)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET count = count + excluded.count, temporary = temporary + excluded.temporary,
           first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at), line = excluded.line`,
        this.#windowAt,
        one.ip,
        one.service,
        reason,
        safeText(one.dnsbl, 100),
        one.address,
        one.count,
        one.temporary,
        Math.round(one.firstAt),
        Math.round(one.lastAt),
        one.line === undefined ? null : safeText(one.line, 512),
      );
    }
    this.#pending.clear();
  }

  /** Forgets what a rolled back transaction added. */
  forget(): void {
    this.#pending.clear();
    this.#reasonsOf = undefined;
  }

  /** The first window that has rejects and begins after `after`. */
  firstWindow(after: number): number | undefined {
    const row = this.#db.get<{ at: number | null }>(
      'SELECT min(window_at) AS at FROM rejects WHERE window_at > ?',
      after,
    );
    return row?.at ?? undefined;
  }

  totals(windowAt: number): RejectTotals {
    const sum = this.#db.get<{ first: number; last: number; total: number; temporary: number; addresses: number }>(
      `SELECT min(first_at) AS first, max(last_at) AS last, sum(count) AS total, sum(temporary) AS temporary,
         count(DISTINCT nullif(ip, zeroblob(16))) AS addresses FROM rejects WHERE window_at = ?`,
      windowAt,
    );
    return {
      firstAt: sum?.first ?? windowAt,
      lastAt: sum?.last ?? windowAt,
      total: sum?.total ?? 0,
      temporary: sum?.temporary ?? 0,
      addresses: sum?.addresses ?? 0,
      services: this.#top('service', windowAt),
      reasons: this.#top('reason', windowAt),
      dnsbls: this.#top('dnsbl', windowAt),
      networks: this.#topNetworks(windowAt),
    };
  }

  /** Rejects from inside a network since a time: how many, and the last lines, the newest first. */
  inside(network: Network, since: number): { count: number; lines: string[] } {
    const { first, last } = networkRange(network);
    const rows = this.#db.all<{ count: number; line: string | null }>(
      'SELECT count, line FROM rejects WHERE ip BETWEEN ? AND ? AND last_at >= ? ORDER BY last_at DESC LIMIT 1000',
      first,
      last,
      Math.floor(since),
    );
    return {
      count: rows.reduce((sum, row) => sum + row.count, 0),
      lines: rows.slice(0, LISTED).flatMap(({ line }) => line ?? []),
    };
  }

  #isFull(): boolean {
    if (this.#rows < this.#mostRows) return false;
    // It stays full: nothing is deleted before its window is told.
    if (this.#rows !== Number.POSITIVE_INFINITY) this.#rows = this.#countRows();
    if (this.#rows >= this.#mostRows) this.#rows = Number.POSITIVE_INFINITY;
    return this.#rows >= this.#mostRows;
  }

  #countRows(): number {
    const sql = 'SELECT count(*) AS n FROM rejects WHERE window_at = ?';
    return this.#db.get<{ n: number }>(sql, this.#windowAt)?.n ?? 0;
  }

  #isKnown({ ip, service, dnsbl }: Pending, reason: string): boolean {
    const row = this.#db.get(
      'SELECT 1 FROM rejects WHERE window_at = ? AND ip = ? AND service = ? AND reason = ? AND dnsbl = ?',
      this.#windowAt,
      ip,
      service,
      reason,
      safeText(dnsbl, 100),
    );
    return row !== undefined;
  }

  /** Also counts the rows, when a window is first written to. */
  #reasonOf(reason: string): string {
    if (this.#reasonsOf !== this.#windowAt) {
      this.#reasonsOf = this.#windowAt;
      this.#rows = this.#countRows();
      this.#reasons.clear();
      const rows = this.#db.all<{ reason: string }>(
        'SELECT DISTINCT reason FROM rejects WHERE window_at = ?',
        this.#windowAt,
      );
      for (const row of rows) this.#reasons.add(row.reason);
    }
    const safe = safeText(reason, 80);
    if (!this.#reasons.has(safe)) {
      if (this.#reasons.size >= MOST_REASONS) return OTHER;
      this.#reasons.add(safe);
    }
    return safe;
  }

  #top(column: 'service' | 'reason' | 'dnsbl', windowAt: number): Counted[] {
    return this.#db
      .all<{ name: string; count: number }>(
        `SELECT ${column} AS name, sum(count) AS count FROM rejects WHERE window_at = ? AND ${column} != ''
         GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${LISTED}`,
        windowAt,
      )
      .map((row) => ({ ...row }));
  }

  /** By /24 and /64, the sizes that one party holds as a rule; one address alone stands for itself. */
  #topNetworks(windowAt: number): RejectTotals['networks'] {
    return this.#db
      .all<{ address: string; count: number; addresses: number }>(
        `SELECT min(address) AS address, sum(count) AS count, count(DISTINCT ip) AS addresses FROM rejects
         WHERE window_at = ? AND ip != zeroblob(16)
         GROUP BY iif(substr(ip, 1, 12) = x'00000000000000000000ffff', substr(ip, 1, 15), substr(ip, 1, 8))
         ORDER BY 2 DESC, 1 LIMIT ${LISTED}`,
        windowAt,
      )
      .map(({ address, count, addresses }) => ({ network: widen(address, addresses), count, addresses }));
  }
}

function widen(address: string, addresses: number): string {
  const isWide = address.includes(':');
  if (addresses === 1) return `${address}/${isWide ? 128 : 32}`;
  return parseNetwork(`${address}/${isWide ? 64 : 24}`) ?? address;
}

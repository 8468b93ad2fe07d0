import { UNKNOWN } from '../core/metrics.ts';
import { addressKey, type Network, networkRange } from '../core/network.ts';
import type { AuthFailed } from '../core/observation.ts';
import { safeText } from '../core/text.ts';
import { betterService, type KnownAttempt, keyOf, mayBeSame, ONE_ATTEMPT_MS, reachOf, viewOf } from './attempts.ts';
import type { BanReasons } from './bans.ts';
import type { Database } from './database.ts';
import type { Tallies } from './tallies.ts';

export type Failure = Pick<
  AuthFailed,
  'at' | 'ip' | 'jail' | 'service' | 'rule' | 'account' | 'reason' | 'line' | 'session' | 'attempts'
>;

/** Rows kept for one address in one window; what comes on top is counted on the last row. */
const ROWS_PER_ADDRESS = 100;
const WINDOW_MS = 600_000;
/** Earlier attempts that one line is held against. */
const COMPARED = 200;
/** More than one connection can hold. */
const MOST_ATTEMPTS = 50;
/** Addresses whose row count is remembered. */
const REMEMBERED_ADDRESSES = 5_000;
/** Rows that one ban is explained from. */
const ROWS_READ = 2_000;
const LISTED = 10;
const LINES = 5;

/** Failed attempts by address: what explains a ban. Bounded per address, however fast an attacker is. */
export class Evidence {
  readonly #db: Database;
  readonly #tallies: Tallies;
  readonly #recent = new Map<string, { rows: number; since: number; lastId: number }>();

  constructor(db: Database, tallies: Tallies) {
    this.#db = db;
    this.#tallies = tallies;
  }

  /** Adds what a source tells of; an attempt that other sources have told of is completed, and not counted again. */
  add(failure: Failure, source: string): void {
    const view = viewOf(source, failure);
    if (this.#isRepeated(failure, view)) return;
    let left = Math.min(Math.max(failure.attempts ?? 1, 1), MOST_ATTEMPTS);
    const { from, to } = reachOf(failure);
    const known = this.#db.all<KnownAttempt & { id: number }>(
      `SELECT id, jail, service, key, views FROM evidence
       WHERE ip = ? AND at BETWEEN ? AND ? AND instr(views, ?) = 0 ORDER BY at, id LIMIT ?`,
      addressKey(failure.ip),
      Math.round(from),
      Math.round(to),
      `"${view}":`,
      COMPARED,
    );
    for (const attempt of known) {
      if (left === 0) return;
      if (!mayBeSame(attempt, failure)) continue;
      this.#complete(attempt, failure, view);
      left--;
    }
    for (; left > 0; left--) this.#insert(failure, view);
  }

  /** Whether the source told of this very attempt before, in another line about the same session. */
  #isRepeated({ ip, at, session, attempts }: Failure, view: string): boolean {
    if (session === undefined || attempts !== undefined) return false;
    const row = this.#db.get(
      'SELECT 1 FROM evidence WHERE ip = ? AND at BETWEEN ? AND ? AND session = ? AND instr(views, ?) > 0',
      addressKey(ip),
      Math.round(at - ONE_ATTEMPT_MS),
      Math.round(at + ONE_ATTEMPT_MS),
      session,
      `"${view}":`,
    );
    return row !== undefined;
  }

  #complete(known: KnownAttempt & { id: number }, failure: Failure, view: string): void {
    this.#db.run(
      `UPDATE evidence SET views = ?, jail = ?, service = ?, key = coalesce(key, ?), session = coalesce(session, ?),
         rule = coalesce(rule, ?), account = coalesce(account, ?), line = coalesce(line, ?) WHERE id = ?`,
      JSON.stringify({ ...(JSON.parse(known.views) as Record<string, number>), [view]: 1 }),
      // What a service itself has seen counts in every jail.
      failure.jail === undefined ? null : known.jail,
      betterService(known.service, failure.service),
      keyOf(failure),
      failure.session ?? null,
      textOf(failure.rule, 32),
      textOf(failure.account, 128),
      textOf(failure.line, 512),
      known.id,
    );
  }

  #insert(failure: Failure, view: string): void {
    // Netfilter counts what the services see; fail2ban's jails count each for itself.
    const key = `${failure.jail === 'netfilter' ? '' : (failure.jail ?? '')} ${failure.ip}`;
    const recent = this.#recent.get(key);
    const inWindow = recent !== undefined && failure.at - recent.since < WINDOW_MS;
    if (inWindow && recent.rows >= ROWS_PER_ADDRESS) return this.#countOn(recent.lastId, failure, view);
    this.#tally(failure.service, 1);
    const row = this.#db.get<{ id: number }>(
      `INSERT INTO evidence (at, ip, address, jail, service, rule, account, line, key, session, views)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
      Math.round(failure.at),
      addressKey(failure.ip),
      failure.ip,
      failure.jail ?? null,
      failure.service ?? null,
      textOf(failure.rule, 32),
      textOf(failure.account, 128),
      textOf(failure.line, 512),
      keyOf(failure),
      failure.session ?? null,
      JSON.stringify({ [view]: 1 }),
    );
    this.#remember(key, {
      rows: inWindow ? recent.rows + 1 : 1,
      since: inWindow ? recent.since : failure.at,
      lastId: row?.id ?? 0,
    });
  }

  /** One row stands for many attempts: as many as the source that told of most of them. */
  #countOn(id: number, { at, jail }: Failure, view: string): void {
    const row = this.#db.get<{ views: string; times: number; service: string | null }>(
      'SELECT views, times, service FROM evidence WHERE id = ?',
      id,
    );
    if (row === undefined) return;
    const views = JSON.parse(row.views) as Record<string, number>;
    views[view] = (views[view] ?? 0) + 1;
    const times = Math.max(row.times, ...Object.values(views));
    this.#tally(row.service, times - row.times);
    this.#db.run(
      'UPDATE evidence SET times = ?, views = ?, at = max(at, ?), jail = iif(?, jail, NULL) WHERE id = ?',
      times,
      JSON.stringify(views),
      Math.round(at),
      jail === undefined ? 0 : 1,
      id,
    );
  }

  #tally(service: string | null | undefined, times: number): void {
    if (times > 0) this.#tallies.add('fail2ban_auth_failures_total', { service: service ?? UNKNOWN }, times);
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

function textOf(text: string | undefined, limit: number): string | null {
  return text === undefined ? null : safeText(text, limit);
}

import type { Figure } from '../core/metrics.ts';
import type { Cursor } from '../core/watcher.ts';
import { AbuseReportLog } from './abuse-reports.ts';
import { AdminList } from './admin-list.ts';
import { AllowanceList } from './allowances.ts';
import { Audit } from './audit.ts';
import { Bans } from './bans.ts';
import { Budgets } from './budgets.ts';
import { type Database, openDatabase } from './database.ts';
import { Decisions } from './decisions.ts';
import { Deliveries } from './deliveries.ts';
import { Evidence } from './evidence.ts';
import { standingFigures } from './figures.ts';
import { KnownUsers } from './known-users.ts';
import { Opinions } from './opinions.ts';
import { WriteProbe } from './probe.ts';
import { RateLimits } from './rate-limits.ts';
import { Rejects } from './rejects.ts';
import { bansByQuarter, bansOverTime, type Report, reportOf, type Totals, totalsOf } from './report.ts';
import { Tallies } from './tallies.ts';

/** A source that was told to be down, and is not yet told to be up. */
export interface DownSource {
  name: string;
  since: number;
  reason: string;
}

/** The one file that survives: cursors, bans, evidence, events and what is owed to whom. */
export class Ledger {
  readonly bans: Bans;
  readonly evidence: Evidence;
  readonly deliveries: Deliveries;
  readonly denylist: AdminList;
  readonly allowlist: AdminList;
  readonly rejects: Rejects;
  readonly knownUsers: KnownUsers;
  readonly rateLimits: RateLimits;
  readonly decisions: Decisions;
  readonly audit: Audit;
  readonly opinions: Opinions;
  readonly budgets: Budgets;
  readonly allowances: AllowanceList;
  readonly abuseReports: AbuseReportLog;
  readonly tallies: Tallies;
  readonly #db: Database;
  readonly #probe: WriteProbe;
  readonly #now: () => number;

  constructor(db: Database, now: () => number, path = ':memory:') {
    this.#db = db;
    this.#now = now;
    this.#probe = new WriteProbe(db, path);
    this.bans = new Bans(db);
    this.tallies = new Tallies(db);
    this.evidence = new Evidence(db, this.tallies);
    this.deliveries = new Deliveries(db, now, this.tallies);
    this.denylist = new AdminList(db, 'denylist');
    this.allowlist = new AdminList(db, 'allowlist');
    this.rejects = new Rejects(db, this.tallies);
    this.knownUsers = new KnownUsers(db);
    this.rateLimits = new RateLimits(db);
    this.decisions = new Decisions(db, this.tallies);
    this.audit = new Audit(db);
    this.opinions = new Opinions(db);
    this.budgets = new Budgets(db, now, this.tallies);
    this.allowances = new AllowanceList(db);
    this.abuseReports = new AbuseReportLog(db);
    // What is written for a buffer may be counted.
    for (const buffer of [this.evidence, this.rejects, this.knownUsers, this.tallies]) db.addBuffer(buffer);
  }

  /** All of `work` is committed, or nothing of it. */
  transaction<T>(work: () => T): T {
    return this.#db.transaction(work);
  }

  /** Reads all of `work` from one moment, whatever a daemon writes meanwhile. */
  snapshot<T>(work: () => T): T {
    return this.#db.snapshot(work);
  }

  cursor(watcher: string): Cursor | undefined {
    return this.#db.get<{ cursor: string }>('SELECT cursor FROM cursors WHERE watcher = ?', watcher)?.cursor;
  }

  saveCursor(watcher: string, cursor: Cursor): void {
    this.#db.run('INSERT OR REPLACE INTO cursors (watcher, cursor) VALUES (?, ?)', watcher, cursor);
  }

  meta(key: string): string | undefined {
    return this.#db.get<{ value: string }>('SELECT value FROM meta WHERE key = ?', key)?.value;
  }

  setMeta(key: string, value: string): void {
    this.#db.run('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)', key, value);
  }

  downSources(): DownSource[] {
    return this.#db
      .all<DownSource>('SELECT name, since, reason FROM sources_down ORDER BY name')
      .map((row) => ({ ...row }));
  }

  setSourceDown(source: DownSource): void {
    this.#db.run(
      'INSERT OR REPLACE INTO sources_down (name, since, reason) VALUES (?, ?, ?)',
      source.name,
      Math.round(source.since),
      source.reason,
    );
  }

  setSourceUp(name: string): void {
    this.#db.run('DELETE FROM sources_down WHERE name = ?', name);
  }

  /** Why it cannot be written now; undefined where it can. */
  writeProblem(): string | undefined {
    return this.#probe.problem(this.#now());
  }

  /** The totals that are kept, and what stands now. */
  figures(): Figure[] {
    return [...this.tallies.all(), ...standingFigures(this.#db)];
  }

  /** Another number than before once another process has written to the file. */
  foreignVersion(): number {
    // https://www.sqlite.org/pragma.html#pragma_data_version
    return this.#db.get<{ data_version: number }>('PRAGMA data_version')?.data_version ?? 0;
  }

  /** What happened in [from, to), in ms since the epoch. */
  report(from: number, to: number): Report {
    return reportOf(this.#db, from, to);
  }

  /** The totals of `report` alone. */
  totals(from: number, to: number): Totals {
    return totalsOf(this.#db, from, to);
  }

  /** How many bans began in each quarter of an hour in which some did, oldest first. */
  bansByQuarter(from: number, to: number): { at: number; count: number }[] {
    return bansByQuarter(this.#db, from, to);
  }

  /** How many bans began in each of `parts` equal parts of [from, to). */
  bansOverTime(from: number, to: number, parts: number): number[] {
    return bansOverTime(this.#db, from, to, parts);
  }

  /**
   * Deletes what is older than its retention, a bounded number of rows at a time: bans that are over, events that nobody
   * is owed any more, evidence. Returns the number of rows deleted.
   */
  prune(limits: RetentionLimits, now: number): number {
    return this.#db.transaction(() => prune(this.#db, limits, now));
  }

  close(): void {
    this.#db.close();
  }
}

export interface RetentionLimits {
  bansMs: number;
  eventsMs: number;
  evidenceMs: number;
  /** Rows of evidence kept at most, whatever their age. */
  evidenceRows: number;
  knownUsersMs: number;
  /** Accounts and networks kept at most, whatever their age. */
  knownUsersRows: number;
}

const PRUNED_AT_ONCE = 5_000;
/** Name in `meta` of the last window of rejects that was told. */
export const REJECTS_TOLD = 'rejects_told';

function prune(db: Database, limits: RetentionLimits, now: number): number {
  const bans = db.run(
    `DELETE FROM bans WHERE id IN (SELECT id FROM bans WHERE state = 'ended' AND ended_at < ? LIMIT ${PRUNED_AT_ONCE})`,
    now - limits.bansMs,
  );
  const decisions = db.run(
    `DELETE FROM decisions WHERE ban_id IN
       (SELECT ban_id FROM decisions WHERE decided_at < ? AND (state != 'lifting' OR by = 'person') LIMIT ${PRUNED_AT_ONCE})`,
    now - limits.bansMs,
  );
  const audit = db.run(
    `DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at < ? LIMIT ${PRUNED_AT_ONCE})`,
    now - limits.bansMs,
  );
  const opinions = db.run(
    `DELETE FROM opinions WHERE (source, subject) IN
       (SELECT source, subject FROM opinions WHERE checked_at < ? LIMIT ${PRUNED_AT_ONCE})`,
    now - limits.eventsMs,
  );
  const reports = db.run(
    `DELETE FROM abuse_reports WHERE (ban_id, subject) IN
       (SELECT ban_id, subject FROM abuse_reports WHERE at < ? LIMIT ${PRUNED_AT_ONCE})`,
    now - limits.eventsMs,
  );
  const evidence = db.run(
    `DELETE FROM evidence WHERE id IN (SELECT id FROM evidence WHERE at < ? ORDER BY at LIMIT ${PRUNED_AT_ONCE})`,
    now - limits.evidenceMs,
  );
  const rows = db.get<{ n: number }>('SELECT count(*) AS n FROM evidence')?.n ?? 0;
  const surplus = db.run(
    'DELETE FROM evidence WHERE id IN (SELECT id FROM evidence ORDER BY at LIMIT ?)',
    Math.min(PRUNED_AT_ONCE, Math.max(0, rows - limits.evidenceRows)),
  );
  const rejects = db.run(
    `DELETE FROM rejects WHERE (window_at, ip, service, reason, dnsbl) IN
       (SELECT window_at, ip, service, reason, dnsbl FROM rejects WHERE last_at < ? LIMIT ${PRUNED_AT_ONCE})`,
    now - limits.evidenceMs,
  );
  const told = Number(db.get<{ value: string }>(`SELECT value FROM meta WHERE key = '${REJECTS_TOLD}'`)?.value ?? -1);
  const refused = db.get<{ n: number }>('SELECT count(*) AS n FROM rejects')?.n ?? 0;
  // What is still to be told is kept to be counted.
  const surplusRejects = db.run(
    `DELETE FROM rejects WHERE (window_at, ip, service, reason, dnsbl) IN
       (SELECT window_at, ip, service, reason, dnsbl FROM rejects WHERE window_at <= ? ORDER BY window_at LIMIT ?)`,
    told,
    Math.min(PRUNED_AT_ONCE, Math.max(0, refused - limits.evidenceRows)),
  );
  const users =
    db.get<{ n: number }>('SELECT count(*) AS n FROM (SELECT 1 FROM known_users GROUP BY ip, name)')?.n ?? 0;
  const strangers =
    db.run(
      `DELETE FROM known_users WHERE (ip, name, day) IN
         (SELECT ip, name, day FROM known_users WHERE last_at < ? LIMIT ${PRUNED_AT_ONCE})`,
      now - limits.knownUsersMs,
    ) +
    db.run(
      `DELETE FROM known_users WHERE (ip, name) IN
         (SELECT ip, name FROM known_users GROUP BY ip, name ORDER BY max(last_at) LIMIT ?)`,
      Math.min(PRUNED_AT_ONCE, Math.max(0, users - limits.knownUsersRows)),
    );
  const before = now - limits.eventsMs;
  // What is owed or parked stays, however old it is.
  const done = db.run(
    `DELETE FROM outbox WHERE delivery IN
       (SELECT id FROM deliveries WHERE state = 'delivered' AND finished_at < ? LIMIT ${PRUNED_AT_ONCE})`,
    before,
  );
  const deliveries = db.run(
    `DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE state = 'delivered' AND finished_at < ?
       AND NOT EXISTS (SELECT 1 FROM outbox WHERE delivery = deliveries.id) LIMIT ${PRUNED_AT_ONCE})`,
    before,
  );
  const events = db.run(
    `DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at < ?
       AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.seq = events.seq) LIMIT ${PRUNED_AT_ONCE})`,
    before,
  );
  return (
    bans +
    decisions +
    audit +
    opinions +
    reports +
    evidence +
    surplus +
    rejects +
    surplusRejects +
    strangers +
    done +
    deliveries +
    events
  );
}

/** Opens the ledger; see `openDatabase` for what it refuses. `now` gives ms since the epoch. */
export function openLedger(path: string, now: () => number, options: { readOnly?: boolean } = {}): Ledger {
  return new Ledger(openDatabase(path, options), now, path);
}

import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { messageOf, PermanentError, TransientError } from '../core/errors.ts';
import { MIGRATIONS } from './migrations.ts';

/** `COWB`: tells our files from other SQLite files (https://www.sqlite.org/pragma.html#pragma_application_id). */
const APPLICATION_ID = 0x434f5742;
/** Up to this size the whole file is checked at start; reading more would delay the start noticeably. */
const CHECK_UP_TO_BYTES = 32 * 1024 * 1024;

/** Primary result codes, https://www.sqlite.org/rescode.html. */
const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;

export type Row = Record<string, null | number | bigint | string | Uint8Array>;

/** Keeps in memory what a transaction adds, and writes it at its end. */
export interface Buffer {
  /** The last part of the transaction. */
  flush?(): void;
  /** It was rolled back. */
  forget(): void;
}

/** A SQLite database with prepared statements and one transaction at a time. */
export class Database {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #buffers: Buffer[] = [];
  #inTransaction = false;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** Makes this part of every transaction from now on; what is added first is flushed first. */
  addBuffer(buffer: Buffer): void {
    this.#buffers.push(buffer);
  }

  /** Runs a statement; returns how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  get<T = Row>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return this.#prepare(sql).get(...values) as T | undefined;
  }

  all<T = Row>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#prepare(sql).all(...values) as T[];
  }

  /** Rows one at a time, anew each time it is gone through. */
  each<T = Row>(sql: string, ...values: SQLInputValue[]): Iterable<T> {
    // A statement of its own: the same one may be gone through twice at a time.
    return { [Symbol.iterator]: () => this.#db.prepare(sql).iterate(...values) as Iterator<T> };
  }

  /**
   * All of `work` or nothing of it. Nested calls join the outer one. Throws `TransientError` where the disk is full or
   * broken, or the file is locked: nothing that was committed before is touched, and the same work may succeed later.
   */
  transaction<T>(work: () => T): T {
    if (this.#inTransaction) return work();
    this.#inTransaction = true;
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      const result = work();
      for (const buffer of this.#buffers) buffer.flush?.();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      for (const buffer of this.#buffers) buffer.forget();
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw explainWriteError(error);
    } finally {
      this.#inTransaction = false;
    }
  }

  /** Reads all of `work` from one moment, whatever another process writes meanwhile. */
  snapshot<T>(work: () => T): T {
    this.#db.exec('BEGIN');
    try {
      return work();
    } finally {
      this.#db.exec('ROLLBACK');
    }
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }
}

function explainWriteError(error: unknown): unknown {
  const code = primaryCode(error);
  if (code === SQLITE_FULL) return new TransientError('the disk that holds the ledger is full', { cause: error });
  if (code === SQLITE_READONLY) return new TransientError('the ledger may not be written', { cause: error });
  if (code === SQLITE_IOERR || code === SQLITE_CANTOPEN)
    return new TransientError('the ledger cannot be written', { cause: error });
  if (code === SQLITE_BUSY) return new TransientError('another process keeps the ledger locked', { cause: error });
  return error;
}

function primaryCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : undefined;
}

/**
 * Opens the ledger's file, makes it if it is not there, and brings its schema up to date. Throws `PermanentError` when
 * the file is damaged, is not a ledger, or was written by a newer cowbell; such a file is left exactly as it is.
 */
export function openDatabase(path: string, { readOnly = false } = {}): Database {
  const file = path === ':memory:' ? path : resolve(path);
  const isNew = file === ':memory:' || !existsSync(file) || statSync(file).size === 0;
  if (readOnly && isNew)
    throw new PermanentError(`there is no ledger at ${file} yet: has cowbell run with this state?`);
  try {
    if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true });
  } catch (error) {
    throw new PermanentError(`the folder of the ledger cannot be made: ${dirname(file)}`, { cause: error });
  }
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { readOnly, enableForeignKeyConstraints: true, timeout: 5_000 });
    if (!isNew) refuseForeignFile(db, file);
    if (!readOnly) {
      // NORMAL in WAL mode: a killed process loses nothing; a power cut may lose the last commits, cursors included.
      db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 16777216`);
      migrate(db);
    }
    db.exec('PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY');
    return new Database(db);
  } catch (error) {
    db?.close();
    if (error instanceof PermanentError) throw error;
    throw new PermanentError(
      `the ledger ${file} cannot be opened: ${messageOf(error)}. It was left as it is; move it away to begin a new one, ` +
        `or name another file as \`state\``,
      { cause: error },
    );
  }
}

function refuseForeignFile(db: DatabaseSync, file: string): void {
  const id = Number(db.prepare('PRAGMA application_id').get()?.application_id);
  if (id !== APPLICATION_ID) {
    throw new PermanentError(`${file} is a SQLite file, but not a ledger of cowbell; name another file as \`state\``);
  }
  const version = schemaVersion(db);
  if (version > MIGRATIONS.length) {
    throw new PermanentError(
      `the ledger ${file} was written by a newer cowbell (schema ${version}, this one knows ${MIGRATIONS.length}); ` +
        `update cowbell, or name another file as \`state\``,
    );
  }
  if (statSync(file).size <= CHECK_UP_TO_BYTES) {
    const verdict = String(db.prepare('PRAGMA quick_check(1)').get()?.quick_check);
    if (verdict !== 'ok') throw new Error(`the file is damaged (${verdict})`);
  }
}

function schemaVersion(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.user_version);
}

function migrate(db: DatabaseSync): void {
  for (let version = schemaVersion(db); version < MIGRATIONS.length; version++) {
    db.exec(
      `BEGIN IMMEDIATE; ${MIGRATIONS[version]}; PRAGMA application_id = ${APPLICATION_ID};` +
        ` PRAGMA user_version = ${version + 1}; COMMIT`,
    );
  }
}

/**
 * Keeps a second daemon off the same ledger for as long as the process lives. The lock is the operating system's: a
 * killed process leaves none. Returns the release; throws `PermanentError` when another process holds it.
 */
export function lockLedger(path: string): () => void {
  const lock = new DatabaseSync(`${resolve(path)}.lock`);
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    throw new PermanentError(`another cowbell is running on the ledger ${resolve(path)}`, { cause: error });
  }
  return () => lock.close();
}

import { statSync } from 'node:fs';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Origin } from '../core/origin.ts';
import { Mmdb } from './mmdb.ts';
import { isWantedKey, originOfRecord } from './mmdb-record.ts';
import { fileStamp } from './paged-file.ts';

/** How often it is looked whether there is another file, while somebody asks. */
const LOOK_EVERY_MS = 1_000;
/** A file that was written to so recently may not be complete. */
const SETTLE_MS = 2_000;

/** What there is to tell of a database: what it is, or why there is none. */
export type OriginFileState = { path: string } & ({ type: string; builtAt: number | undefined } | { problem: string });

/**
 * One database in a file that may be exchanged at any time: by another that takes its name, or by writing to it. Half of a
 * file is never used; what cannot be used is told once in the log, and nothing is known until it can.
 */
export class OriginFile {
  readonly #path: string;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #logger: Logger;
  #db: Mmdb | undefined;
  /** The file that `#db` is, or that was of no use. */
  #stamp = '';
  #lookedAt = Number.NEGATIVE_INFINITY;
  #problem: string | undefined;
  readonly #damage = new Set<string>();

  /** Opens the file, if it is there. The caller calls `close`. */
  constructor(path: string, { clock, logger }: { clock: Pick<Clock, 'now'>; logger: Logger }) {
    this.#path = path;
    this.#clock = clock;
    this.#logger = logger;
    this.#look({ isFirst: true });
  }

  /** What is known of an address of four or sixteen bytes. Never throws. */
  find(address: Uint8Array): Origin {
    this.#look({ isFirst: false });
    const db = this.#db;
    if (db === undefined) return {};
    try {
      const record = db.find(address, isWantedKey);
      // Read while it was written to: the parts may be of two files.
      if (db.isUnchanged()) return record === undefined ? {} : originOfRecord(record);
      this.#drop();
    } catch (error) {
      if (db.isUnchanged()) this.#tellDamage(messageOf(error));
      else this.#drop();
    }
    return {};
  }

  state(): OriginFileState {
    if (this.#db === undefined) return { path: this.#path, problem: this.#problem ?? 'it is being written to' };
    return { path: this.#path, type: this.#db.type, builtAt: this.#db.builtAt };
  }

  close(): void {
    this.#drop();
  }

  #look({ isFirst }: { isFirst: boolean }): void {
    const now = this.#clock.now();
    // A clock that was set back does not keep it from looking.
    if (Math.abs(now - this.#lookedAt) < LOOK_EVERY_MS) return;
    this.#lookedAt = now;
    try {
      const stats = statSync(this.#path);
      // A pipe would be waited for, for ever.
      if (!stats.isFile()) throw new Error('it is no regular file');
      const stamp = fileStamp(stats);
      if (stamp === this.#stamp) return;
      if (!isFirst && Math.abs(now - stats.mtimeMs) < SETTLE_MS) return;
      // It is this very file that is of use or not, until it changes.
      this.#stamp = stamp;
      const db = new Mmdb(this.#path);
      this.#drop();
      this.#db = db;
      this.#stamp = stamp;
      this.#problem = undefined;
      this.#damage.clear();
      const built = db.builtAt === undefined ? {} : { built: new Date(db.builtAt).toISOString() };
      if (!isFirst) this.#logger.info({ file: this.#path, ...built }, 'another database of origins is used');
    } catch (error) {
      this.#tellProblem(messageOf(error));
    }
  }

  /** What is open stays in use: whoever exchanges a file may take the old one away first. */
  #tellProblem(reason: string): void {
    if (this.#problem === reason) return;
    this.#problem = reason;
    const goesOn = this.#db === undefined ? 'alerts go out without what it knows' : 'the one before it is used on';
    this.#logger.warn({ file: this.#path, reason }, `a database of origins cannot be used: ${goesOn}`);
  }

  #tellDamage(reason: string): void {
    if (this.#damage.has(reason)) return;
    this.#damage.add(reason);
    this.#logger.warn({ file: this.#path, reason }, 'a database of origins is damaged: what it says there is left out');
  }

  #drop(): void {
    this.#db?.close();
    this.#db = undefined;
    this.#stamp = '';
  }
}

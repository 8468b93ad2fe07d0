import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../core/errors.ts';
import type { Database } from './database.ts';

/** With less than this the ledger cannot grow by as much as one storm. */
const LEAST_FREE_BYTES = 1_048_576;
/** Whoever asks more often gets the same answer. */
const GOOD_FOR_MS = 2_000;

/** Whether the ledger can be written: tried by writing, and by looking at the room that its disk has left. */
export class WriteProbe {
  readonly #db: Database;
  readonly #path: string;
  #answer: { at: number; problem: string | undefined } | undefined;

  constructor(db: Database, path: string) {
    this.#db = db;
    this.#path = path;
  }

  /** Why it cannot be written; undefined where it can. */
  problem(now: number): string | undefined {
    const known = this.#answer;
    if (known !== undefined && now >= known.at && now - known.at < GOOD_FOR_MS) return known.problem;
    const problem = this.#tryFree() ?? this.#tryWrite(now);
    this.#answer = { at: now, problem };
    return problem;
  }

  #tryFree(): string | undefined {
    if (this.#path === ':memory:') return undefined;
    try {
      const { bavail, bsize } = statfsSync(dirname(this.#path));
      return bavail * bsize < LEAST_FREE_BYTES ? 'the disk that holds the ledger is full' : undefined;
    } catch (error) {
      return `the disk that holds the ledger cannot be looked at: ${messageOf(error)}`;
    }
  }

  #tryWrite(now: number): string | undefined {
    try {
      this.#db.transaction(() =>
        this.#db.run(`INSERT OR REPLACE INTO meta (key, value) VALUES ('probed_at', ?)`, String(Math.round(now))),
      );
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }
}

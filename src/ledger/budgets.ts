import type { Budget } from '../core/reputation.ts';
import type { Database } from './database.ts';

const DAY_MS = 86_400_000;

/** Calls that far sides take in a day, by UTC as they count; they survive a restart. */
export class Budgets {
  readonly #db: Database;
  readonly #now: () => number;

  constructor(db: Database, now: () => number) {
    this.#db = db;
    this.#now = now;
  }

  /** The budget of one source. */
  of(source: string): Budget {
    return {
      take: (call, daily) => this.#db.transaction(() => this.#take(source, call, daily)),
      spend: (call, until) =>
        void this.#db.run(
          `INSERT INTO budgets (source, call, day, used, none_until) VALUES (?1, ?2, ?3, 0, ?4)
             ON CONFLICT (source, call) DO UPDATE SET none_until = ?4`,
          source,
          call,
          this.#today(),
          Math.round(until),
        ),
      used: (call) => {
        const row = this.#read(source, call);
        return row === undefined || row.day < this.#today() ? 0 : row.used;
      },
    };
  }

  #take(source: string, call: string, daily: number): boolean {
    const row = this.#read(source, call);
    const today = this.#today();
    // A clock that is set back makes no new day.
    const day = Math.max(today, row?.day ?? today);
    const used = row === undefined || row.day < day ? 0 : row.used;
    const isSpent = (row?.none_until ?? 0) > this.#now();
    if (used >= daily || isSpent) return false;
    this.#db.run(
      `INSERT INTO budgets (source, call, day, used) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (source, call) DO UPDATE SET day = ?3, used = ?4`,
      source,
      call,
      day,
      used + 1,
    );
    return true;
  }

  #read(source: string, call: string): { day: number; used: number; none_until: number | null } | undefined {
    return this.#db.get('SELECT day, used, none_until FROM budgets WHERE source = ? AND call = ?', source, call);
  }

  #today(): number {
    return Math.floor(this.#now() / DAY_MS);
  }
}

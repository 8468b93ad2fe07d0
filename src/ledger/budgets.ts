import type { Budget } from '../core/reputation.ts';
import type { Database } from './database.ts';
import type { Tallies } from './tallies.ts';

const DAY_MS = 86_400_000;

interface Row {
  day: number;
  used: number;
  none_until: number | null;
}

/** Calls that far sides take in a day, by UTC as they count; they survive a restart. */
export class Budgets {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #tallies: Tallies;

  constructor(db: Database, now: () => number, tallies: Tallies) {
    this.#db = db;
    this.#now = now;
    this.#tallies = tallies;
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

  /** What is left today, of each call that was made with a limit. */
  left(): { source: string; call: string; left: number }[] {
    return this.#db
      .all<Row & { source: string; call: string; daily: number }>('SELECT * FROM budgets WHERE daily IS NOT NULL')
      .map((row) => ({ source: row.source, call: row.call, left: this.#left(row, row.daily) }));
  }

  #take(source: string, call: string, daily: number): boolean {
    const row = this.#read(source, call);
    if (this.#left(row, daily) === 0) return false;
    const day = this.#dayOf(row);
    const used = row === undefined || row.day < day ? 0 : row.used;
    this.#db.run(
      `INSERT INTO budgets (source, call, day, used, daily) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (source, call) DO UPDATE SET day = ?3, used = ?4, daily = ?5`,
      source,
      call,
      day,
      used + 1,
      Number.isFinite(daily) ? Math.round(daily) : null,
    );
    this.#tallies.add('cowbell_reputation_calls_total', { source, call });
    return true;
  }

  #left(row: Row | undefined, daily: number): number {
    if ((row?.none_until ?? 0) > this.#now()) return 0;
    return Math.max(0, daily - (row === undefined || row.day < this.#dayOf(row) ? 0 : row.used));
  }

  /** A clock that is set back makes no new day. */
  #dayOf(row: Row | undefined): number {
    return Math.max(this.#today(), row?.day ?? 0);
  }

  #read(source: string, call: string): Row | undefined {
    return this.#db.get('SELECT day, used, none_until FROM budgets WHERE source = ? AND call = ?', source, call);
  }

  #today(): number {
    return Math.floor(this.#now() / DAY_MS);
  }
}

import { type Network, networkRange } from '../core/network.ts';
import type { Database } from './database.ts';
import type { Tallies } from './tallies.ts';

/**
 * due: to be decided; kept, suggested: decided, and nothing is to be done; lifting: to be lifted, and not yet seen to be
 * gone; lifted, failed: how that ended; over: the ban ended before anything was done.
 */
export type DecisionState = 'due' | 'kept' | 'suggested' | 'lifting' | 'lifted' | 'failed' | 'over';

/** What was decided about one ban, and how far it was carried out; times in ms since the epoch. */
export interface Decision {
  banId: string;
  jail: string;
  network: Network;
  state: DecisionState;
  dueAt: number;
  decidedAt: number | undefined;
  /** When the server was asked to lift it. */
  sentAt: number | undefined;
  /** The end of the ban that is to be lifted, as the server had it; undefined where it did not say. */
  until: number | undefined;
  /** How long its network is on the allowlist once it is lifted, in ms; 0 where it is not put there. */
  allowMs: number;
  by: 'policy' | 'person';
}

/** A lift that counts. */
export interface PastLift {
  /** When it was decided, in ms since the epoch. */
  at: number;
  jail: string;
  network: Network;
}

interface Row {
  ban_id: string;
  jail: string;
  network: string;
  state: DecisionState;
  due_at: number;
  decided_at: number | null;
  sent_at: number | null;
  until: number | null;
  allow_ms: number;
  by: Decision['by'];
}

/** What moving to a state is counted as. */
const ACTIONS: Partial<Record<DecisionState, string>> = {
  kept: 'keep',
  suggested: 'would-lift',
  lifting: 'lift',
  lifted: 'lifted',
  failed: 'failed',
};

/** Decisions about bans, one a ban. */
export class Decisions {
  readonly #db: Database;
  readonly #tallies: Tallies;

  constructor(db: Database, tallies: Tallies) {
    this.#db = db;
    this.#tallies = tallies;
  }

  /** A decision falls due then; nothing happens where there is one of this ban already. */
  expect(ban: { id: string; jail: string; network: Network }, dueAt: number): void {
    this.#add(ban, 'due', dueAt, null, 'policy');
  }

  /** A person lifts it, whatever was decided before. */
  liftByHand(ban: { id: string; jail: string; network: Network }, at: number): void {
    this.#db.run('DELETE FROM decisions WHERE ban_id = ?', ban.id);
    this.#add(ban, 'lifting', at, at, 'person');
  }

  /** Moves on from `from`; false, with nothing done, where it is no longer there. */
  move(banId: string, from: DecisionState, to: DecisionState, at: number): boolean {
    const column = from === 'due' ? 'decided_at' : 'finished_at';
    const row = this.#db.get<{ by: Decision['by'] }>(
      `UPDATE decisions SET state = ?, ${column} = ? WHERE ban_id = ? AND state = ? RETURNING by`,
      to,
      Math.round(at),
      banId,
      from,
    );
    const action = ACTIONS[to];
    if (row?.by === 'policy' && action !== undefined) this.#tallies.add('cowbell_unban_decisions_total', { action });
    return row !== undefined;
  }

  /** It is to be lifted: that ban and no other. False, with nothing done, where it was decided on already. */
  lift(banId: string, { until, allowMs }: Pick<Decision, 'until' | 'allowMs'>, at: number): boolean {
    if (!this.move(banId, 'due', 'lifting', at)) return false;
    this.#db.run(
      'UPDATE decisions SET until = ?, allow_ms = ? WHERE ban_id = ?',
      until === undefined ? null : Math.round(until),
      allowMs,
      banId,
    );
    return true;
  }

  /** Looks at it again later. */
  postpone(banId: string, dueAt: number): void {
    this.#db.run(`UPDATE decisions SET due_at = ? WHERE ban_id = ? AND state = 'due'`, Math.round(dueAt), banId);
  }

  /** The server is about to be asked to lift it, or, where undefined, could not be. */
  sent(banId: string, at: number | undefined): void {
    this.#db.run('UPDATE decisions SET sent_at = ? WHERE ban_id = ?', at === undefined ? null : Math.round(at), banId);
  }

  of(banId: string): Decision | undefined {
    const row = this.#db.get<Row>('SELECT * FROM decisions WHERE ban_id = ?', banId);
    return row && fromRow(row);
  }

  /**
   * What the policy has to do something about: decisions that are due at `now`, and lifts that are not finished. One that
   * is due later than `latest` was made before the clock was set back, and is due.
   */
  open(now: number, latest: number, limit: number): Decision[] {
    const lifting = this.#db.all<Row>(
      `SELECT * FROM decisions WHERE state = 'lifting' AND by = 'policy' ORDER BY due_at`,
    );
    const due = this.#db.all<Row>(
      `SELECT * FROM decisions WHERE state = 'due' AND (due_at <= ? OR due_at > ?) ORDER BY due_at LIMIT ?`,
      Math.round(now),
      Math.round(latest),
      limit,
    );
    return [...lifting, ...due].map(fromRow);
  }

  /** When the next decision falls due. */
  nextDueAt(): number | undefined {
    return (
      this.#db.get<{ at: number | null }>(`SELECT min(due_at) AS at FROM decisions WHERE state = 'due'`)?.at ??
      undefined
    );
  }

  /** Lifts of networks that overlap this one, by the policy or by a person, since a time; with what would have been, if asked. */
  liftsOf(network: Network, since: number, withSuggested: boolean): PastLift[] {
    const { first, last } = networkRange(network);
    return this.#db
      .all<PastLift>(
        `SELECT decided_at AS at, jail, network FROM decisions WHERE state IN (${liftStates(withSuggested)})
           AND decided_at > ? AND first <= ? AND last >= ? ORDER BY decided_at`,
        Math.floor(since),
        last,
        first,
      )
      .map((row) => ({ ...row }));
  }

  /**
   * Whether it is cowbell that lifts this ban: it is about to ask for that, and the end may show before the answer, or it has
   * asked.
   */
  isLifted(banId: string): boolean {
    return (
      this.#db.get(
        `SELECT 1 FROM decisions WHERE ban_id = ?
           AND (state IN ('lifting', 'lifted') OR (state = 'failed' AND sent_at IS NOT NULL))`,
        banId,
      ) !== undefined
    );
  }

  #add(
    ban: { id: string; jail: string; network: Network },
    state: DecisionState,
    dueAt: number,
    decidedAt: number | null,
    by: Decision['by'],
  ): void {
    const { first, last } = networkRange(ban.network);
    this.#db.run(
      `INSERT OR IGNORE INTO decisions (ban_id, jail, network, first, last, state, due_at, decided_at, by)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ban.id,
      ban.jail,
      ban.network,
      first,
      last,
      state,
      Math.round(dueAt),
      decidedAt === null ? null : Math.round(decidedAt),
      by,
    );
  }
}

/** A lift that failed may have worked all the same: it counts. */
function liftStates(withSuggested: boolean): string {
  return `'lifting', 'lifted', 'failed'${withSuggested ? `, 'suggested'` : ''}`;
}

function fromRow(row: Row): Decision {
  return {
    banId: row.ban_id,
    jail: row.jail,
    network: row.network as Network,
    state: row.state,
    dueAt: row.due_at,
    decidedAt: row.decided_at ?? undefined,
    sentAt: row.sent_at ?? undefined,
    until: row.until ?? undefined,
    allowMs: row.allow_ms,
    by: row.by,
  };
}

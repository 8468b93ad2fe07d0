import { randomUUID } from 'node:crypto';
import type { EndReason, Offender } from '../core/event.ts';
import type { Network } from '../core/network.ts';
import type { Database } from './database.ts';

/** Why, as it was when the ban was told: kept because evidence is pruned sooner than bans. */
export interface BanReasons {
  attempts: number;
  /** Refused connections and mails; left out where there were none. */
  rejects?: number;
  services: string[];
  rules: string[];
  offenders: Offender[];
  accounts: { name: string; attempts: number }[];
  evidence: string[];
}

/** One ban as the ledger keeps it; times in ms since the epoch. */
export interface BanRecord {
  id: string;
  jail: string;
  network: Network;
  state: 'suspected' | 'open' | 'ended';
  startedAt: number;
  until: number | undefined;
  permanent: boolean;
  /** The `until` that consumers know. */
  toldUntil: number | undefined;
  endedAt: number | undefined;
  endReason: EndReason | undefined;
  repeats: number;
  /** How often each log has said so. */
  tells: Record<string, number>;
  /** A log line has said so. */
  logged: boolean;
  /** The server's own state has said so. */
  confirmed: boolean;
  claimed: boolean;
  late: boolean;
  /** Found standing, never announced as started. */
  adopted: boolean;
  /** It vanished before its time, and whether by a person or by a restart is about to show. */
  leaving: boolean;
  /** When cowbell last learned that it stands. */
  seenAt: number;
  /** When a decision about it falls due. */
  dueAt: number | undefined;
  sources: string[];
  reasons: BanReasons | undefined;
}

/** A standing ban in short. */
export interface BanOutline {
  id: string;
  network: string;
  until: number | null;
  permanent: number;
  seenAt: number;
  /** Open and confirmed, and nothing about it is to be decided. */
  isSettled: boolean;
}

export type NewBan = Pick<BanRecord, 'jail' | 'network' | 'state' | 'startedAt' | 'seenAt'> & Partial<BanRecord>;

interface BanRow {
  id: string;
  jail: string;
  network: string;
  state: BanRecord['state'];
  started_at: number;
  until: number | null;
  permanent: number;
  told_until: number | null;
  ended_at: number | null;
  end_reason: string | null;
  repeats: number;
  tells: string;
  logged: number;
  confirmed: number;
  claimed: number;
  late: number;
  adopted: number;
  leaving: number;
  seen_at: number;
  due_at: number | null;
  sources: string;
  reasons: string | null;
}

function fromRow(row: BanRow): BanRecord {
  return {
    id: row.id,
    jail: row.jail,
    network: row.network as Network,
    state: row.state,
    startedAt: row.started_at,
    until: row.until ?? undefined,
    permanent: row.permanent === 1,
    toldUntil: row.told_until ?? undefined,
    endedAt: row.ended_at ?? undefined,
    endReason: (row.end_reason ?? undefined) as EndReason | undefined,
    repeats: row.repeats,
    tells: JSON.parse(row.tells) as Record<string, number>,
    logged: row.logged === 1,
    confirmed: row.confirmed === 1,
    claimed: row.claimed === 1,
    late: row.late === 1,
    adopted: row.adopted === 1,
    leaving: row.leaving === 1,
    seenAt: row.seen_at,
    dueAt: row.due_at ?? undefined,
    sources: JSON.parse(row.sources) as string[],
    reasons: row.reasons === null ? undefined : (JSON.parse(row.reasons) as BanReasons),
  };
}

/** Bans, standing and over. */
export class Bans {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** The ban of this network that is suspected or open. */
  standing(jail: string, network: Network): BanRecord | undefined {
    const row = this.#db.get<BanRow>(
      `SELECT * FROM bans WHERE jail = ? AND network = ? AND state != 'ended'`,
      jail,
      network,
    );
    return row && fromRow(row);
  }

  allStanding(jail?: string): BanRecord[] {
    const rows =
      jail === undefined
        ? this.#db.all<BanRow>(`SELECT * FROM bans WHERE state != 'ended' ORDER BY started_at`)
        : this.#db.all<BanRow>(`SELECT * FROM bans WHERE state != 'ended' AND jail = ? ORDER BY started_at`, jail);
    return rows.map(fromRow);
  }

  /** Bans that were told and are not over. */
  countOpen(): number {
    return this.#db.get<{ n: number }>(`SELECT count(*) AS n FROM bans WHERE state = 'open'`)?.n ?? 0;
  }

  /** Standing bans of a jail by network, with no more than is needed to see whether they have changed. */
  outlines(jail: string): Map<string, BanOutline> {
    const rows = this.#db.all<Omit<BanOutline, 'isSettled'> & { settled: number }>(
      `SELECT network, id, until, permanent, seen_at AS seenAt,
         state = 'open' AND confirmed = 1 AND leaving = 0 AS settled
       FROM bans WHERE state != 'ended' AND jail = ?`,
      jail,
    );
    return new Map(rows.map(({ settled, ...row }) => [row.network, { ...row, isSettled: settled === 1 }]));
  }

  byId(id: string): BanRecord | undefined {
    const row = this.#db.get<BanRow>('SELECT * FROM bans WHERE id = ?', id);
    return row && fromRow(row);
  }

  /** The newest first. */
  recent(limit: number): BanRecord[] {
    return this.#db
      .all<BanRow>(`SELECT * FROM bans WHERE state != 'suspected' ORDER BY started_at DESC LIMIT ?`, limit)
      .map(fromRow);
  }

  lastEnded(jail: string, network: Network): BanRecord | undefined {
    const row = this.#db.get<BanRow>(
      `SELECT * FROM bans WHERE network = ? AND jail = ? AND state = 'ended' ORDER BY ended_at DESC LIMIT 1`,
      network,
      jail,
    );
    return row && fromRow(row);
  }

  due(now: number): BanRecord[] {
    return this.#db.all<BanRow>('SELECT * FROM bans WHERE due_at <= ? ORDER BY due_at LIMIT 1000', now).map(fromRow);
  }

  nextDueAt(): number | undefined {
    return (
      this.#db.get<{ at: number | null }>('SELECT min(due_at) AS at FROM bans WHERE due_at IS NOT NULL')?.at ??
      undefined
    );
  }

  add(ban: NewBan): BanRecord {
    const record: BanRecord = {
      id: randomUUID(),
      until: undefined,
      permanent: false,
      toldUntil: undefined,
      endedAt: undefined,
      endReason: undefined,
      repeats: 0,
      tells: {},
      logged: false,
      confirmed: false,
      claimed: false,
      late: false,
      adopted: false,
      leaving: false,
      dueAt: undefined,
      sources: [],
      reasons: undefined,
      ...ban,
    };
    this.#db.run(
      `INSERT INTO bans (state, started_at, until, permanent, told_until, ended_at, end_reason, repeats, logged, confirmed,
         claimed, late, adopted, leaving, seen_at, due_at, sources, reasons, tells, id, jail, network)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...columns(record),
      record.id,
      record.jail,
      record.network,
    );
    return record;
  }

  save(record: BanRecord): void {
    this.#db.run(
      `UPDATE bans SET state = ?, started_at = ?, until = ?, permanent = ?, told_until = ?, ended_at = ?, end_reason = ?,
         repeats = ?, logged = ?, confirmed = ?, claimed = ?, late = ?, adopted = ?, leaving = ?, seen_at = ?, due_at = ?,
         sources = ?, reasons = ?, tells = ? WHERE id = ?`,
      ...columns(record),
      record.id,
    );
  }

  remove(id: string): void {
    this.#db.run('DELETE FROM bans WHERE id = ?', id);
  }

  /** Bans of exactly this network since `since`, suspected ones not counted, and when the first of all began. */
  history(network: Network, since: number): { bans: number; firstSeenAt: number | undefined } {
    const row = this.#db.get<{ bans: number; first: number | null }>(
      `SELECT count(*) FILTER (WHERE started_at >= ?) AS bans, min(started_at) AS first
       FROM bans WHERE network = ? AND state != 'suspected'`,
      since,
      network,
    );
    return { bans: row?.bans ?? 0, firstSeenAt: row?.first ?? undefined };
  }
}

function columns(ban: BanRecord): (string | number | null)[] {
  return [
    ban.state,
    Math.round(ban.startedAt),
    ban.until === undefined ? null : Math.round(ban.until),
    ban.permanent ? 1 : 0,
    ban.toldUntil === undefined ? null : Math.round(ban.toldUntil),
    ban.endedAt === undefined ? null : Math.round(ban.endedAt),
    ban.endReason ?? null,
    ban.repeats,
    ban.logged ? 1 : 0,
    ban.confirmed ? 1 : 0,
    ban.claimed ? 1 : 0,
    ban.late ? 1 : 0,
    ban.adopted ? 1 : 0,
    ban.leaving ? 1 : 0,
    Math.round(ban.seenAt),
    ban.dueAt === undefined ? null : Math.round(ban.dueAt),
    JSON.stringify(ban.sources),
    ban.reasons === undefined ? null : JSON.stringify(ban.reasons),
    JSON.stringify(ban.tells),
  ];
}

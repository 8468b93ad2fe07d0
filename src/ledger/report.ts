import type { Database } from './database.ts';

/** How many, of what. */
export interface Counted {
  name: string;
  count: number;
}

/** What happened in a stretch of time; its begin is part of it, its end is not. */
export interface Report {
  bans: number;
  networks: number;
  attempts: number;
  /** Bans of networks that own users log in from. */
  ownUsers: number;
  /** Bans that ended before their time, in this stretch. */
  lifted: number;
  rejects: number;
  /** Bans that stand at its end. */
  standing: number;
  offenders: { network: string; bans: number; attempts: number }[];
  services: Counted[];
  countries: Counted[];
  jails: Counted[];
  knownUsers: Counted[];
  endReasons: Counted[];
  /** What the policy decided in this stretch: kept, suggested, lifting, lifted, failed. */
  decisions: Counted[];
}

const LISTED = 10;
/** Bans that were told as begun: neither doubtful nor found standing at the very first start. */
const BEGAN = `FROM bans WHERE state != 'suspected' AND adopted = 0 AND started_at >= ?1 AND started_at < ?2`;
const STARTED = `FROM events, json_each(events.json, ?3) AS each
  WHERE events.type = 'ban.started' AND events.at >= ?1 AND events.at < ?2`;

/** Sums up what the ledger holds of [from, to), in ms since the epoch. */
export function reportOf(db: Database, from: number, to: number): Report {
  const one = (sql: string, ...values: number[]) => db.get<{ n: number | null }>(sql, ...values)?.n ?? 0;
  const counted = (sql: string, ...values: (number | string)[]) =>
    db
      .all<Counted>(`${sql} GROUP BY name ORDER BY count DESC, name LIMIT ${LISTED}`, ...values)
      .map((row) => ({ ...row }));
  return {
    bans: one(`SELECT count(*) AS n ${BEGAN}`, from, to),
    networks: one(`SELECT count(DISTINCT network) AS n ${BEGAN}`, from, to),
    attempts: one(`SELECT sum(json_extract(reasons, '$.attempts')) AS n ${BEGAN}`, from, to),
    ownUsers: one(
      `SELECT count(*) AS n FROM events
         WHERE type = 'ban.started' AND at >= ?1 AND at < ?2 AND json_array_length(json, '$.ban.known_users') > 0`,
      from,
      to,
    ),
    lifted: one(
      `SELECT count(*) AS n FROM bans
         WHERE state = 'ended' AND end_reason LIKE 'lifted%' AND ended_at >= ?1 AND ended_at < ?2`,
      from,
      to,
    ),
    rejects: one(
      `SELECT sum(json_extract(json, '$.rejects.total')) AS n FROM events
         WHERE type = 'reject.summary' AND at >= ?1 AND at < ?2`,
      from,
      to,
    ),
    standing: one(
      `SELECT count(*) AS n FROM bans
         WHERE state != 'suspected' AND started_at < ?1 AND (state = 'open' OR ended_at >= ?1)`,
      to,
    ),
    offenders: db
      .all<{ network: string; bans: number; attempts: number }>(
        `SELECT network, count(*) AS bans, coalesce(sum(json_extract(reasons, '$.attempts')), 0) AS attempts ${BEGAN}
           GROUP BY network ORDER BY bans DESC, attempts DESC, network LIMIT ${LISTED}`,
        from,
        to,
      )
      .map((row) => ({ ...row })),
    services: counted(
      `SELECT each.value AS name, count(*) AS count ${BEGAN.replace('FROM bans', "FROM bans, json_each(reasons, '$.services') AS each")}`,
      from,
      to,
    ),
    countries: counted(
      `SELECT each.value AS name, count(*) AS count ${STARTED}`,
      from,
      to,
      '$.ban.offenders[0].country',
    ),
    jails: counted(`SELECT jail AS name, count(*) AS count ${BEGAN}`, from, to),
    knownUsers: counted(
      `SELECT json_extract(each.value, '$.name') AS name, count(*) AS count ${STARTED}`,
      from,
      to,
      '$.ban.known_users',
    ),
    endReasons: counted(
      `SELECT end_reason AS name, count(*) AS count FROM bans
         WHERE state = 'ended' AND adopted = 0 AND ended_at >= ?1 AND ended_at < ?2`,
      from,
      to,
    ),
    decisions: counted(
      `SELECT state AS name, count(*) AS count FROM decisions
         WHERE by = 'policy' AND state NOT IN ('due', 'over') AND decided_at >= ?1 AND decided_at < ?2`,
      from,
      to,
    ),
  };
}

/** How many bans began in each of `parts` equal parts of [from, to). */
export function bansOverTime(db: Database, from: number, to: number, parts: number): number[] {
  const values = Array.from({ length: parts }, () => 0);
  const rows = db.all<{ part: number; n: number }>(
    `SELECT CAST((started_at - ?1) * ?3 / (?2 - ?1) AS INTEGER) AS part, count(*) AS n ${BEGAN} GROUP BY part`,
    from,
    to,
    parts,
  );
  for (const { part, n } of rows) values[part] = n;
  return values;
}

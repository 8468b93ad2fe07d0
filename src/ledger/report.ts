import type { Database } from './database.ts';

/** How many, of what. */
export interface Counted {
  name: string;
  count: number;
}

export interface Totals {
  bans: number;
  networks: number;
  attempts: number;
  /** Bans of networks that own users log in from. */
  ownUsers: number;
  /** Bans that ended before their time, in this stretch. */
  lifted: number;
  rejects: number;
}

/** A network that was banned, and where it was last known to be; what is left out is unknown. */
export interface BannedNetwork {
  network: string;
  bans: number;
  attempts: number;
  country?: string;
  asn?: number;
  as_name?: string;
}

/** What happened in a stretch of time; its begin is part of it, its end is not. Lists have ten entries at most. */
export interface Report extends Totals {
  /** Bans that stand at its end. */
  standing: number;
  offenders: BannedNetwork[];
  services: Counted[];
  /** Of the worst offender of each ban. */
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
const ATTEMPTS = `coalesce(sum(json_extract(reasons, '$.attempts')), 0) AS attempts`;
const QUARTER_MS = 900_000;

/** Sums up what the ledger holds of [from, to), in ms since the epoch. */
export function reportOf(db: Database, from: number, to: number): Report {
  const { networks, offenders } = networksOf(db, from, to);
  const { bans, attempts, jails, services, countries } = kindsOf(db, from, to);
  const users = ownUsersOf(db, from, to);
  const counted = (sql: string) =>
    db
      .all<Counted>(`${sql} GROUP BY name ORDER BY count DESC, name LIMIT ${LISTED}`, from, to)
      .map((row) => ({ ...row }));
  return {
    bans,
    networks,
    attempts,
    ownUsers: users.bans,
    ...liftedAndRejects(db, from, to),
    standing: standingAt(db, to),
    offenders: offenders.map((each) => ({ ...each, ...originOf(db, each.network, to) })),
    services: mostOf(services),
    countries: mostOf(countries),
    jails: mostOf(jails),
    knownUsers: mostOf(users.names),
    endReasons: counted(
      `SELECT end_reason AS name, count(*) AS count FROM bans
         WHERE state = 'ended' AND adopted = 0 AND ended_at >= ?1 AND ended_at < ?2`,
    ),
    decisions: counted(
      `SELECT state AS name, count(*) AS count FROM decisions
         WHERE by = 'policy' AND state NOT IN ('due', 'over') AND decided_at >= ?1 AND decided_at < ?2`,
    ),
  };
}

/** The totals of `reportOf` alone, to compare with. */
export function totalsOf(db: Database, from: number, to: number): Totals {
  const sums = db.get<{ bans: number; networks: number; attempts: number }>(
    `SELECT count(*) AS bans, count(DISTINCT network) AS networks, ${ATTEMPTS} ${BEGAN}`,
    from,
    to,
  );
  return {
    bans: sums?.bans ?? 0,
    networks: sums?.networks ?? 0,
    attempts: sums?.attempts ?? 0,
    ownUsers: ownUsersOf(db, from, to).bans,
    ...liftedAndRejects(db, from, to),
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

/** How many bans began in each quarter of an hour in which some did, oldest first: every time zone is whole quarters off. */
export function bansByQuarter(db: Database, from: number, to: number): { at: number; count: number }[] {
  return db
    .all<{ at: number; count: number }>(
      `SELECT started_at / ${QUARTER_MS} * ${QUARTER_MS} AS at, count(*) AS count ${BEGAN} GROUP BY 1 ORDER BY 1`,
      from,
      to,
    )
    .map((row) => ({ ...row }));
}

/** One pass over the bans: there may be a hundred thousand. */
function kindsOf(db: Database, from: number, to: number) {
  const rows = db.all<{
    jail: string;
    services: string | null;
    country: string | null;
    bans: number;
    attempts: number;
  }>(
    `SELECT jail, json_extract(reasons, '$.services') AS services,
       json_extract(reasons, '$.offenders[0].country') AS country, count(*) AS bans, ${ATTEMPTS} ${BEGAN}
       GROUP BY 1, 2, 3`,
    from,
    to,
  );
  const jails = new Map<string, number>();
  const services = new Map<string, number>();
  const countries = new Map<string, number>();
  let bans = 0;
  let attempts = 0;
  for (const row of rows) {
    bans += row.bans;
    attempts += row.attempts;
    add(jails, row.jail, row.bans);
    for (const service of JSON.parse(row.services ?? '[]') as string[]) add(services, service, row.bans);
    if (row.country !== null) add(countries, row.country, row.bans);
  }
  return { bans, attempts, jails, services, countries };
}

function networksOf(db: Database, from: number, to: number): { networks: number; offenders: BannedNetwork[] } {
  const rows = db.all<{ network: string; bans: number; attempts: number; networks: number }>(
    `SELECT network, count(*) AS bans, ${ATTEMPTS}, count(*) OVER () AS networks ${BEGAN}
       GROUP BY network ORDER BY bans DESC, attempts DESC, network LIMIT ${LISTED}`,
    from,
    to,
  );
  return {
    networks: rows[0]?.networks ?? 0,
    offenders: rows.map(({ network, bans, attempts }) => ({ network, bans, attempts })),
  };
}

/** Where the worst offender inside a network is from, as far as it was known last. */
function originOf(db: Database, network: string, before: number): Pick<BannedNetwork, 'country' | 'asn' | 'as_name'> {
  const row = db.get<{ country: string | null; asn: number | null; as_name: string | null }>(
    `SELECT json_extract(reasons, '$.offenders[0].country') AS country, json_extract(reasons, '$.offenders[0].asn') AS asn,
       json_extract(reasons, '$.offenders[0].as_name') AS as_name FROM bans
       WHERE network = ? AND started_at < ? AND coalesce(country, asn) IS NOT NULL ORDER BY started_at DESC LIMIT 1`,
    network,
    before,
  );
  const { country, asn, as_name } = row ?? { country: null, asn: null, as_name: null };
  return {
    ...(country !== null && { country }),
    ...(asn !== null && { asn }),
    ...(as_name !== null && { as_name }),
  };
}

/** Bans that hit own users, and whom: as they were told. */
function ownUsersOf(db: Database, from: number, to: number): { bans: number; names: Map<string, number> } {
  const names = new Map<string, number>();
  let bans = 0;
  // Most bans hit nobody: to look for the text is cheap, and a stranger's text cannot be it, as its quotes are escaped.
  const rows = db.each<{ users: string | null }>(
    `SELECT json_extract(json, '$.ban.known_users') AS users FROM events
       WHERE at >= ?1 AND at < ?2 AND type = 'ban.started' AND instr(json, '"known_users":[]') = 0`,
    from,
    to,
  );
  for (const { users } of rows) {
    const known = JSON.parse(users ?? '[]') as { name: string }[];
    if (known.length > 0) bans++;
    for (const { name } of known) add(names, name, 1);
  }
  return { bans, names };
}

function liftedAndRejects(db: Database, from: number, to: number): Pick<Totals, 'lifted' | 'rejects'> {
  const one = (sql: string) => db.get<{ n: number | null }>(sql, from, to)?.n ?? 0;
  return {
    lifted: one(
      `SELECT count(*) AS n FROM bans
         WHERE state = 'ended' AND end_reason LIKE 'lifted%' AND ended_at >= ?1 AND ended_at < ?2`,
    ),
    rejects: one(
      `SELECT sum(json_extract(json, '$.rejects.total')) AS n FROM events
         WHERE type = 'reject.summary' AND at >= ?1 AND at < ?2`,
    ),
  };
}

function standingAt(db: Database, time: number): number {
  const sql = `SELECT count(*) AS n FROM bans
     WHERE state != 'suspected' AND started_at < ?1 AND (state = 'open' OR ended_at >= ?1)`;
  return db.get<{ n: number }>(sql, time)?.n ?? 0;
}

function add(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}

/** The most first, and then as SQLite sorts names. */
function mostOf(counts: Map<string, number>): Counted[] {
  return [...counts]
    .map(([name, count]) => ({ name, count }))
    .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
    .slice(0, LISTED);
}

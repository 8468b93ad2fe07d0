import { type Figure, figure, METRICS, OTHER, UNKNOWN } from '../core/metrics.ts';
import type { Database } from './database.ts';

/** What stands in the ledger now: each is read by an index, so that its size hardly matters. */
export function standingFigures(db: Database): Figure[] {
  const denylisted = db.get<{ n: number }>(`SELECT count(*) AS n FROM admin_lists WHERE list = 'denylist'`)?.n ?? 0;
  return [...activeBans(db), ...topOffenders(db), figure('fail2ban_denylist_entries', {}, denylisted)];
}

/** The jails with most bans by name, all others together. */
function activeBans(db: Database): Figure[] {
  const rows = db.all<{ jail: string; n: number }>(
    `SELECT jail, count(*) AS n FROM bans WHERE state = 'open' GROUP BY jail ORDER BY n DESC, jail`,
  );
  const named = METRICS.fail2ban_active_bans.most - 1;
  const rest = rows.slice(named).reduce((sum, { n }) => sum + n, 0);
  const shown = rows.slice(0, named).map(({ jail, n }) => figure('fail2ban_active_bans', { jail }, n));
  return rest > 0 ? [...shown, figure('fail2ban_active_bans', { jail: OTHER }, rest)] : shown;
}

function topOffenders(db: Database): Figure[] {
  return db
    .all<{ network: string; bans: number; country: string | null }>(
      `SELECT network, bans,
         (SELECT json_extract(reasons, '$.offenders[0].country') FROM bans
            WHERE bans.network = offenders.network ORDER BY started_at DESC LIMIT 1) AS country
       FROM offenders ORDER BY bans DESC, network LIMIT ?`,
      METRICS.fail2ban_top_offender_bans.most,
    )
    .map(({ network, bans, country }) =>
      figure('fail2ban_top_offender_bans', { network, country: country ?? UNKNOWN }, bans),
    );
}

/**
 * The ledger's schema, one entry a version, applied in order and never edited once released. Times are milliseconds
 * since the epoch; `ip` is an address as 16 bytes that sort as addresses do.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE cursors (watcher TEXT PRIMARY KEY, cursor TEXT NOT NULL) STRICT, WITHOUT ROWID;

  -- suspected: a source says so and another is still to confirm or to explain it; open: told; ended: over
  CREATE TABLE bans (
    id          TEXT PRIMARY KEY,
    jail        TEXT NOT NULL,
    network     TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('suspected', 'open', 'ended')),
    started_at  INTEGER NOT NULL,
    until       INTEGER,
    permanent   INTEGER NOT NULL DEFAULT 0,
    told_until  INTEGER,
    ended_at    INTEGER,
    end_reason  TEXT,
    repeats     INTEGER NOT NULL DEFAULT 0,
    logged      INTEGER NOT NULL DEFAULT 0,
    confirmed   INTEGER NOT NULL DEFAULT 0,
    claimed     INTEGER NOT NULL DEFAULT 0,
    late        INTEGER NOT NULL DEFAULT 0,
    adopted     INTEGER NOT NULL DEFAULT 0,
    leaving     INTEGER NOT NULL DEFAULT 0,
    seen_at     INTEGER NOT NULL,
    due_at      INTEGER,
    sources     TEXT NOT NULL DEFAULT '[]',
    reasons     TEXT
  ) STRICT;
  CREATE UNIQUE INDEX bans_standing ON bans (jail, network) WHERE state != 'ended';
  CREATE INDEX bans_due ON bans (due_at) WHERE due_at IS NOT NULL;
  CREATE INDEX bans_by_network ON bans (network, started_at);
  CREATE INDEX bans_by_end ON bans (ended_at) WHERE state = 'ended';
  CREATE INDEX bans_by_start ON bans (started_at);

  CREATE TABLE evidence (
    id       INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    ip       BLOB NOT NULL,
    address  TEXT NOT NULL,
    jail     TEXT,
    service  TEXT,
    rule     TEXT,
    account  TEXT,
    line     TEXT,
    times    INTEGER NOT NULL DEFAULT 1
  ) STRICT;
  CREATE INDEX evidence_by_ip ON evidence (ip, at);
  CREATE INDEX evidence_by_time ON evidence (at);

  CREATE TABLE denylist (
    network       TEXT PRIMARY KEY,
    since         INTEGER NOT NULL,
    missing_since INTEGER
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE events (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    id   TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    at   INTEGER NOT NULL,
    json TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_by_time ON events (at);

  CREATE TABLE outbox (
    consumer TEXT NOT NULL,
    seq      INTEGER NOT NULL REFERENCES events (seq),
    delivery TEXT,
    PRIMARY KEY (consumer, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX outbox_owed ON outbox (consumer, seq) WHERE delivery IS NULL;
  CREATE INDEX outbox_by_delivery ON outbox (delivery) WHERE delivery IS NOT NULL;
  CREATE INDEX outbox_by_event ON outbox (seq);

  CREATE TABLE deliveries (
    id          TEXT PRIMARY KEY,
    consumer    TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('claimed', 'delivered', 'parked')),
    events      INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    claimed_at  INTEGER NOT NULL,
    finished_at INTEGER,
    error       TEXT
  ) STRICT;
  CREATE UNIQUE INDEX deliveries_claimed ON deliveries (consumer) WHERE state = 'claimed';
  CREATE INDEX deliveries_by_state ON deliveries (state, consumer);

  CREATE TABLE sources_down (name TEXT PRIMARY KEY, since INTEGER NOT NULL, reason TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  -- views: how often each source told of the attempt; key: what makes it the same attempt in every source
  ALTER TABLE evidence ADD COLUMN views TEXT NOT NULL DEFAULT '{}';
  ALTER TABLE evidence ADD COLUMN key TEXT;
  ALTER TABLE evidence ADD COLUMN session TEXT;

  -- how often each log said so
  ALTER TABLE bans ADD COLUMN tells TEXT NOT NULL DEFAULT '{}';

  CREATE TABLE rejects (
    window_at INTEGER NOT NULL,
    ip        BLOB NOT NULL,
    service   TEXT NOT NULL,
    reason    TEXT NOT NULL,
    dnsbl     TEXT NOT NULL,
    address   TEXT NOT NULL,
    count     INTEGER NOT NULL,
    temporary INTEGER NOT NULL,
    first_at  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    line      TEXT,
    PRIMARY KEY (window_at, ip, service, reason, dnsbl)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX rejects_by_ip ON rejects (ip, last_at);

  CREATE TABLE known_users (
    ip       BLOB NOT NULL,
    name     TEXT NOT NULL,
    logins   INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (ip, name)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX known_users_by_time ON known_users (last_at);

  CREATE TABLE rate_limits (
    account    TEXT NOT NULL,
    name       TEXT NOT NULL,
    due_at     INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    addresses  TEXT NOT NULL,
    PRIMARY KEY (account, name)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX rate_limits_due ON rate_limits (due_at);

  CREATE TABLE admin_lists (
    list          TEXT NOT NULL,
    entry         TEXT NOT NULL,
    since         INTEGER NOT NULL,
    missing_since INTEGER,
    PRIMARY KEY (list, entry)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO admin_lists SELECT 'denylist', network, since, missing_since FROM denylist;
  DROP TABLE denylist;
  `,
  `
  -- urgent: passes the quiet hours of its consumer
  ALTER TABLE outbox ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX outbox_urgent ON outbox (consumer, seq) WHERE delivery IS NULL AND urgent = 1;

  -- lanes whose far side takes nothing until a person acts
  CREATE TABLE parked_lanes (consumer TEXT PRIMARY KEY, since INTEGER NOT NULL, reason TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  -- What was decided about a ban, and how far it was carried out. due: not yet looked at; lifting: decided, and not yet
  -- seen to be gone
  CREATE TABLE decisions (
    ban_id      TEXT PRIMARY KEY,
    jail        TEXT NOT NULL,
    network     TEXT NOT NULL,
    first       BLOB NOT NULL,
    last        BLOB NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('due', 'kept', 'suggested', 'lifting', 'lifted', 'failed', 'over')),
    due_at      INTEGER NOT NULL,
    decided_at  INTEGER,
    sent_at     INTEGER,
    finished_at INTEGER,
    by          TEXT NOT NULL DEFAULT 'policy'
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX decisions_due ON decisions (due_at) WHERE state = 'due';
  CREATE INDEX decisions_lifting ON decisions (ban_id) WHERE state = 'lifting';
  CREATE INDEX decisions_by_time ON decisions (decided_at);

  -- json: what led to it, as it is shown
  CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    by      TEXT NOT NULL,
    action  TEXT NOT NULL,
    network TEXT NOT NULL,
    jail    TEXT,
    ban_id  TEXT,
    json    TEXT NOT NULL
  ) STRICT;
  CREATE INDEX audit_by_time ON audit (at);

  -- entries of the server's allowlist that cowbell made, and when it takes them off
  CREATE TABLE allowances (
    jail    TEXT NOT NULL,
    network TEXT NOT NULL,
    until   INTEGER NOT NULL,
    by      TEXT NOT NULL,
    PRIMARY KEY (jail, network)
  ) STRICT, WITHOUT ROWID;

  -- opinion: JSON, or null where the source has none
  CREATE TABLE opinions (
    source     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    opinion    TEXT,
    checked_at INTEGER NOT NULL,
    PRIMARY KEY (source, subject)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX opinions_by_time ON opinions (checked_at);

  -- calls made in a day (UTC, as days since the epoch), and until when there are no more
  CREATE TABLE budgets (
    source TEXT NOT NULL,
    call   TEXT NOT NULL,
    day    INTEGER NOT NULL,
    used   INTEGER NOT NULL,
    none_until INTEGER,
    PRIMARY KEY (source, call)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- until: the end of the ban that was decided on, as the server had it: one with another end is another ban; allow_ms: how
  -- long its network is on the allowlist then
  ALTER TABLE decisions ADD COLUMN until INTEGER;
  ALTER TABLE decisions ADD COLUMN allow_ms INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX audit_by_ban ON audit (ban_id) WHERE ban_id IS NOT NULL;
  CREATE INDEX audit_lifts ON audit (at) WHERE action IN ('lift', 'would-lift');
  `,
  `
  -- subject: an address of the ban, or its network; reported: somebody outside was told of it, else it was decided not to
  CREATE TABLE abuse_reports (
    ban_id   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    at       INTEGER NOT NULL,
    reported INTEGER NOT NULL,
    PRIMARY KEY (ban_id, subject)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX abuse_reports_by_subject ON abuse_reports (subject, at) WHERE reported = 1;
  CREATE INDEX abuse_reports_by_time ON abuse_reports (at);
  `,
  `
  -- totals that only grow; labels: JSON, the values of the metric's labels in their order
  CREATE TABLE tallies (
    metric TEXT NOT NULL,
    labels TEXT NOT NULL,
    value  INTEGER NOT NULL,
    PRIMARY KEY (metric, labels)
  ) STRICT, WITHOUT ROWID;

  -- when an event was written down; its \`at\` is when it happened
  ALTER TABLE events ADD COLUMN recorded_at INTEGER;

  -- how many calls the last one was allowed in a day
  ALTER TABLE budgets ADD COLUMN daily INTEGER;

  CREATE INDEX bans_open ON bans (jail) WHERE state = 'open';

  -- how many of the bans that were told each network has; kept by the triggers, also where bans are pruned
  CREATE TABLE offenders (network TEXT PRIMARY KEY, bans INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX offenders_by_bans ON offenders (bans DESC, network);
  INSERT INTO offenders SELECT network, count(*) FROM bans WHERE state != 'suspected' AND adopted = 0 GROUP BY network;
  CREATE TRIGGER offenders_told AFTER UPDATE OF state ON bans
    WHEN old.state = 'suspected' AND new.state != 'suspected' AND new.adopted = 0
    BEGIN
      INSERT INTO offenders VALUES (new.network, 1) ON CONFLICT DO UPDATE SET bans = bans + 1;
    END;
  CREATE TRIGGER offenders_forgotten AFTER DELETE ON bans WHEN old.state != 'suspected' AND old.adopted = 0
    BEGIN
      UPDATE offenders SET bans = bans - 1 WHERE network = old.network;
      DELETE FROM offenders WHERE network = old.network AND bans <= 0;
    END;
  `,
  `
  -- the id that the far side saw last: it changes with what a delivery holds
  ALTER TABLE deliveries ADD COLUMN sent_as TEXT;
  `,
  `
  -- logins are counted by the day, days since the epoch: what is too old need not count with what is not
  CREATE TABLE known_users_by_day (
    ip       BLOB NOT NULL,
    name     TEXT NOT NULL,
    day      INTEGER NOT NULL,
    logins   INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (ip, name, day)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO known_users_by_day SELECT ip, name, last_at / 86400000, logins, last_at FROM known_users;
  DROP TABLE known_users;
  ALTER TABLE known_users_by_day RENAME TO known_users;
  CREATE INDEX known_users_by_time ON known_users (last_at);
  `,
];

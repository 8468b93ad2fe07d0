import { createHmac, randomBytes } from 'node:crypto';
import { addressKey, type Ip, type Network, networkRange } from '../core/network.ts';
import { safeText } from '../core/text.ts';
import type { Database } from './database.ts';

const LISTED = 10;
/** Accounts remembered for one network; the one that was there longest ago makes room. */
const MOST_NAMES = 50;
const LONGEST_NAME = 128;

const DAY_MS = 86_400_000;

interface Pending {
  ip: Uint8Array;
  name: string;
  /** Since the epoch, UTC. */
  day: number;
  logins: number;
  lastAt: number;
}

export interface KnownUser {
  name: string;
  logins: number;
  /** ms since the epoch. */
  lastAt: number;
}

/**
 * Accounts that have logged in, by the network they came from: a single IPv4 address, and the /64 of an IPv6 address, as
 * devices change the rest of it daily. Logins are counted by the day, so that old ones need not count. What one transaction adds is written once, at its end.
 */
export class KnownUsers {
  readonly #db: Database;
  readonly #pending = new Map<string, Pending>();
  #salt: string | undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * From now on names are kept as they are, or as a hash that tells them apart and cannot be turned back without this
   * ledger; those that are there already become hashes as well.
   */
  setHashed(isHashed: boolean): void {
    this.#salt = isHashed ? this.#readSalt() : undefined;
    if (!isHashed) return;
    this.#db.transaction(() => {
      for (const { name } of this.#db.all<{ name: string }>(
        `SELECT DISTINCT name FROM known_users WHERE name NOT LIKE 'user-%' OR length(name) != 17`,
      )) {
        this.#db.run('UPDATE OR REPLACE known_users SET name = ? WHERE name = ?', this.#nameOf(name), name);
      }
    });
  }

  add(ip: Ip, account: string, at: number): void {
    const day = Math.floor(at / DAY_MS);
    const key = `${day} ${ip} ${account}`;
    const known = this.#pending.get(key);
    if (known !== undefined) {
      known.logins++;
      known.lastAt = Math.max(known.lastAt, at);
      return;
    }
    this.#pending.set(key, { ip: placeOf(ip), name: this.#nameOf(account), day, logins: 1, lastAt: at });
  }

  /** Writes what was added; part of the transaction that added it. */
  flush(): void {
    for (const { ip, name, day, logins, lastAt } of this.#pending.values()) {
      const isKnown = this.#db.run(
        'UPDATE known_users SET logins = logins + ?, last_at = max(last_at, ?) WHERE ip = ? AND name = ? AND day = ?',
        logins,
        Math.round(lastAt),
        ip,
        name,
        day,
      );
      if (isKnown > 0) continue;
      this.#db.run(
        `DELETE FROM known_users WHERE ip = ?1 AND name IN
           (SELECT name FROM known_users WHERE ip = ?1 AND name != ?2
              GROUP BY name ORDER BY max(last_at) DESC LIMIT -1 OFFSET ?3)`,
        ip,
        name,
        MOST_NAMES - 1,
      );
      this.#db.run(
        'INSERT INTO known_users (ip, name, day, logins, last_at) VALUES (?, ?, ?, ?, ?)',
        ip,
        name,
        day,
        logins,
        Math.round(lastAt),
      );
    }
    this.#pending.clear();
  }

  /** Forgets what a rolled back transaction added. */
  forget(): void {
    this.#pending.clear();
  }

  /** Who has logged in from inside a network since a time, the last one first, ten at most. */
  inside(network: Network, since: number): KnownUser[] {
    return this.#db
      .all<KnownUser>(
        `SELECT name, sum(logins) AS logins, max(last_at) AS lastAt FROM known_users
         WHERE ip BETWEEN ? AND ? AND last_at >= ? GROUP BY name ORDER BY 3 DESC, 1 LIMIT ${LISTED}`,
        // An address belongs to whoever holds its /64.
        placeOf(hostPart(network)),
        networkRange(network).last,
        Math.floor(since),
      )
      .map((row) => ({ ...row }));
  }

  #nameOf(account: string): string {
    const name = safeText(account, LONGEST_NAME);
    if (this.#salt === undefined) return name;
    return `user-${createHmac('sha256', this.#salt).update(name.toLowerCase()).digest('hex').slice(0, 12)}`;
  }

  #readSalt(): string {
    const made = randomBytes(16).toString('hex');
    this.#db.run('INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)', 'known_users_salt', made);
    return this.#db.get<{ value: string }>('SELECT value FROM meta WHERE key = ?', 'known_users_salt')?.value ?? made;
  }
}

/** The key of the network that an address is remembered by. */
function placeOf(ip: Ip): Uint8Array {
  const key = addressKey(ip);
  return ip.includes(':') ? key.fill(0, 8) : key;
}

function hostPart(network: Network): Ip {
  return network.slice(0, network.indexOf('/')) as Ip;
}

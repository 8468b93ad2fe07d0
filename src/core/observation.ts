import type { Ip, Network } from './network.ts';

/** Where a login or a delivery was tried. A rule or line that names none of these has no service. */
export type Service =
  | 'smtp'
  | 'submission'
  | 'smtps'
  | 'postscreen'
  | 'imap'
  | 'pop3'
  | 'sieve'
  | 'dovecot'
  | 'sogo'
  | 'ui'
  | 'rspamd-ui';

/** What may be known of any observation. Text fields are raw: they are sanitised where they are stored or shown. */
interface Facts {
  /** When it happened, in milliseconds since the epoch, by the best clock there is (Docker's stamp, the hash's epoch). */
  at: number;
  jail?: string;
  ip?: Ip;
  service?: Service;
  /** The number of mailcow's rule that matched. Ids move between releases: for reading, never for deciding. */
  rule?: string;
  /** The account that was tried, as the client wrote it. */
  account?: string;
  /** Why, in the source's own words; for `cleared` the cause of the restart, if the log told it. */
  reason?: string;
  /** The admin's own pattern that the line matched, by its name. */
  pattern?: string;
  /** The line that says so, passwords and hashes taken out: evidence. */
  line?: string;
}

export interface Banned extends Facts {
  kind: 'banned';
  jail: string;
  network: Network;
  /** Length as the log prints it; mailcow rounds down to whole minutes. */
  minutes?: number;
  /** End of the ban in ms since the epoch, where the source knows it exactly; Infinity for a ban without an end. */
  until?: number;
  /** A ban that the server put back after its own restart: state, never an alert. */
  restored?: boolean;
  /** The address that was counted is not the first one in the line it was counted for: an innocent one may be banned. */
  claimed?: boolean;
}

export interface Unbanned extends Facts {
  kind: 'unbanned';
  jail: string;
  network: Network;
}

export interface Denylisted extends Facts {
  kind: 'denylisted' | 'undenylisted';
  network: Network;
}

/** Every ban of the jail is gone at once: a restart, a flush. */
export interface Cleared extends Facts {
  kind: 'cleared';
  jail: string;
}

export interface AuthFailed extends Facts {
  kind: 'auth-failed';
  ip: Ip;
  /** The network that this failure is counted for, where the source says so. */
  network?: Network;
  /** The line names another address than the one that was counted: the client may have written the one that was. */
  claimed?: boolean;
  /** SASL mechanism, `PLAIN`. */
  mechanism?: string;
  /** The server's name for the connection: several lines about one attempt share it. */
  session?: string;
  /** The line is about a whole connection with so many attempts, of which other lines may tell one by one. */
  attempts?: number;
}

/** A client was turned away, or failed a test: no ban, and no failed login. */
export interface Rejected extends Facts {
  kind: 'rejected';
  ip: Ip;
  service: Service;
  /** In the server's words, without anything of the client's: `Relay access denied`, `PREGREET`. */
  reason: string;
  /** Reply and enhanced status, `450 4.7.1`; a first digit of 4 says that the client may try again. */
  code?: string;
  /** The list that the client is on. */
  dnsbl?: string;
  /** These four are the client's own words. */
  sender?: string;
  recipient?: string;
  helo?: string;
  /** Name that the address resolves to; chosen by whoever holds the address. */
  hostname?: string;
}

/** Mail that an account sent was held back, because it sends too much. */
export interface RateLimited extends Facts {
  kind: 'rate-limited';
  /** The limit that was hit, as it is named: `limit_mailbox`. */
  limit: string;
  recipients?: number;
}

/** A login that succeeded. */
export interface Authenticated extends Facts {
  kind: 'authenticated';
  ip: Ip;
  account: string;
  mechanism?: string;
}

/** One fact from one watcher. */
export type Observation =
  | Banned
  | Unbanned
  | Denylisted
  | Cleared
  | AuthFailed
  | Rejected
  | RateLimited
  | Authenticated;

export type ObservationKind = Observation['kind'];

type WithoutTime<T> = T extends Observation ? Omit<T, 'at'> : never;

/** What a line says, before the time of the line is added to it. */
export type Statement = WithoutTime<Observation>;

import type { AuthFailed, Service } from '../core/observation.ts';

/**
 * When two lines tell of one attempt. Netfilter quotes the lines of postfix, dovecot and SOGo; these are read as well, in
 * their own logs and on F2B_CHANNEL: each source tells of an attempt once, within seconds of the others.
 */

/** How far apart sources may put one attempt: netfilter's records are rounded, and a channel is read late under load. */
const NEAR_MS = 15_000;
/** A line that sums up a connection comes at its end: dovecot lets one go on for three minutes. */
const CONNECTION_MS = 200_000;
/** Backends that are asked in turn answer one attempt of a session within this time; the next attempt has to wait longer. */
export const ONE_ATTEMPT_MS = 1_000;
/** Dovecot cuts a name after 61 characters. */
const LONGEST_KEY = 60;

export type Attempt = Pick<AuthFailed, 'at' | 'jail' | 'service' | 'account' | 'reason' | 'session' | 'attempts'>;

/** A recorded attempt, as far as it matters here. */
export interface KnownAttempt {
  jail: string | null;
  service: string | null;
  key: string | null;
  /** JSON: how often each source told of it. */
  views: string;
}

/** How far before and after a line the same attempt may have been told. */
export function reachOf({ at, attempts }: Attempt): { from: number; to: number } {
  return { from: at - (attempts === undefined ? NEAR_MS : CONNECTION_MS), to: at + NEAR_MS };
}

/** The name under which a source tells of attempts; its lines about whole connections tell of them once more. */
export function viewOf(source: string, { attempts }: Attempt): string {
  return attempts === undefined ? source : `${source} connections`;
}

/**
 * What an attempt has in common wherever it is told: the account, as far as syslog-ng leaves it alone, else the reason.
 * Null where a source knows neither, or where what stands in the place of odd characters is each program's own choice.
 */
export function keyOf({ account, reason }: Attempt): string | null {
  const text = account === undefined || account === '' ? reason : account;
  if (text === undefined || /[?\ufffd\p{Cc}]/u.test(text.slice(0, LONGEST_KEY))) return null;
  const plain = text
    .slice(0, 2 * LONGEST_KEY)
    .toLowerCase()
    .replace(/[^\p{L}\p{N}@.+=-]+/gu, '_');
  return `${text === account ? 'a' : 'r'}:${plain.slice(0, LONGEST_KEY)}`;
}

/** Whether a source that has not told of the known attempt may now be telling of it. */
export function mayBeSame(known: KnownAttempt, told: Attempt): boolean {
  if (known.jail !== null && told.jail !== undefined && known.jail !== told.jail) return false;
  const key = keyOf(told);
  if (known.key === null || key === null) return isNamedAlike(known.service, told.service);
  return known.key === key && isAlike(known.service, told.service);
}

/** The more telling of two names of where it was tried. */
export function betterService(known: string | null, told: Service | undefined): string | null {
  if (told === undefined) return known;
  const isVague = known === null || known === 'dovecot' || (known === 'smtp' && told !== 'dovecot');
  return isVague ? told : known;
}

const FAMILIES: Readonly<Record<string, string>> = { submission: 'smtp', smtps: 'smtp', postscreen: 'smtp' };
/** What dovecot is asked about. */
const BEHIND_DOVECOT = new Set(['smtp', 'imap', 'pop3', 'sieve', 'dovecot']);

function isNamedAlike(a: string | null, b: string | undefined): boolean {
  return a !== null && b !== undefined && isAlike(a, b);
}

function isAlike(a: string | null, b: string | undefined): boolean {
  if (a === null || b === undefined) return true;
  const first = FAMILIES[a] ?? a;
  const second = FAMILIES[b] ?? b;
  if (first === second) return true;
  return (first === 'dovecot' && BEHIND_DOVECOT.has(second)) || (second === 'dovecot' && BEHIND_DOVECOT.has(first));
}

import { type Network, parseNetwork } from '../core/network.ts';

/** What `F2B_ACTIVE_BANS` holds: network → end in ms since the epoch, undefined where the value is no time. */
export type ActiveBans = ReadonlyMap<Network, number | undefined>;

export interface ActiveHash {
  bans: ActiveBans;
  /** Fields that are spelled otherwise than their networks, with host bits set or without a prefix length. */
  spellings: ReadonlyMap<Network, string>;
  /** What is no network, or has no time. */
  garbage: readonly string[];
}

/**
 * A field of the hash is the banned network, its value the epoch second of its end. Others may have left garbage there:
 * a field that is no network is passed over; a network without a time stands, as netfilter would have it.
 */
export function readActiveBans(hash: Readonly<Record<string, string>>): ActiveHash {
  const bans = new Map<Network, number | undefined>();
  const spellings = new Map<Network, string>();
  const garbage: string[] = [];
  for (const [field, value] of Object.entries(hash)) {
    const network = parseNetwork(field);
    const until = readSeconds(value);
    if (network === undefined || until === undefined) garbage.push(field);
    if (network === undefined) continue;
    const other = bans.get(network);
    bans.set(network, other === undefined || until === undefined ? (until ?? other) : Math.max(until, other));
    if (network !== field) spellings.set(network, field);
  }
  return { bans, spellings, garbage };
}

/** An epoch second as ms; undefined for anything else. */
export function readSeconds(value: string | null | undefined): number | undefined {
  return typeof value === 'string' && /^\d{1,11}$/.test(value) ? Number(value) * 1000 : undefined;
}

/** Longest name of a host, https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4. */
const HOST_NAME = /^[\w.-]{1,253}$/;

/** Entries of a list that a person keeps: networks in canonical spelling, and names of hosts; anything else is passed over. */
export function readEntries(fields: readonly string[]): string[] {
  return [
    ...new Set(fields.flatMap((field) => parseNetwork(field) ?? (HOST_NAME.test(field) ? field.toLowerCase() : []))),
  ];
}

/** Whether two answers of HGETALL say the same; nothing is parsed for it. */
export function isSameHash(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  let count = 0;
  for (const field in a) {
    if (a[field] !== b[field]) return false;
    count++;
  }
  for (const _field in b) count--;
  return count === 0;
}

import { z } from 'zod';
import { type Network, parseNetwork } from '../core/network.ts';
import { otherShape } from './mailcow-api-answer.ts';
import type { ApiAnswer } from './mailcow-api-client.ts';
import { readEntries } from './redis-state.ts';

/** What `GET /api/v1/get/fail2ban` says. */
export interface ApiState {
  /** Network → time that was left when mailcow answered, in ms, negative if overdue; undefined where it says none. */
  bans: ReadonlyMap<Network, number | undefined>;
  /** Those that are spelt otherwise than their networks. */
  spellings: ReadonlyMap<Network, string>;
  denylist: string[];
  allowlist: string[];
  /** Entries that are no networks. */
  garbage: string[];
}

/** PHP writes a list as a list, as an object if there are gaps in it, and leaves it out, or writes "", if there is none. */
const List = z.union([z.array(z.unknown()), z.record(z.string(), z.unknown()), z.literal('')]).nullish();
const Lines = z.string().nullish();

/** It has many more fields; some of them are in any answer that holds good, so that an error is not taken for no bans. */
const Answer = z
  .object({ active_bans: List, perm_bans: List, whitelist: Lines, blacklist: Lines, ban_time: z.unknown().optional() })
  .refine((answer) => typeof answer.whitelist === 'string' || answer.ban_time !== undefined);

const Entry = z.union([
  z.object({ network: z.string(), banned_until: z.unknown().optional() }),
  z.object({ ip: z.string(), banned_until: z.unknown().optional() }),
]);

/**
 * Reads the state. No bans means no key `active_bans`; numbers may be texts; the end of a ban is the time that is left.
 * Throws `TransientError` for any other answer.
 */
export function readApiState({ json }: Pick<ApiAnswer, 'json'>): ApiState {
  const answer = Answer.safeParse(json);
  if (!answer.success) throw otherShape('the bans', json);
  const { active_bans, perm_bans, whitelist, blacklist } = answer.data;
  const bans = new Map<Network, number | undefined>();
  const spellings = new Map<Network, string>();
  const garbage: string[] = [];
  for (const each of valuesOf(active_bans)) {
    const entry = Entry.safeParse(typeof each === 'string' ? { network: each } : each);
    const name = entry.success ? nameOf(entry.data) : (JSON.stringify(each) ?? '');
    const network = parseNetwork(name);
    if (network === undefined) {
      garbage.push(name);
      continue;
    }
    if (network !== name) spellings.set(network, name);
    const left = readTimeLeft(entry.data?.banned_until);
    const other = bans.get(network);
    bans.set(network, other === undefined || left === undefined ? (left ?? other) : Math.max(left, other));
  }
  const denied = valuesOf(perm_bans).flatMap((each) => {
    const entry = Entry.safeParse(typeof each === 'string' ? { network: each } : each);
    return entry.success ? [nameOf(entry.data)] : [];
  });
  return {
    bans,
    spellings,
    denylist: readEntries([...denied, ...linesOf(blacklist)]),
    allowlist: readEntries(linesOf(whitelist)),
    garbage,
  };
}

/** `00h 30m 00s`, `111h 06m 40s`, `00h 00m -5s` in ms; undefined for anything else. */
export function readTimeLeft(text: unknown): number | undefined {
  const parts = typeof text === 'string' ? /^(-?\d{1,8})h (-?\d{1,2})m (-?\d{1,2})s$/.exec(text) : null;
  if (parts === null) return undefined;
  const [, hours, minutes, seconds] = parts.map(Number) as [number, number, number, number];
  return (hours * 3_600 + minutes * 60 + seconds) * 1_000;
}

function nameOf(entry: z.infer<typeof Entry>): string {
  return 'network' in entry ? entry.network : entry.ip;
}

function valuesOf(list: z.infer<typeof List>): unknown[] {
  return typeof list === 'object' && list !== null ? Object.values(list) : [];
}

function linesOf(text: string | null | undefined): string[] {
  return (text ?? '').split(/[\r\n,;]+/).map((line) => line.trim());
}

/** Mailcow and cowbell each cut off parts of a second, and an answer takes its time. */
const ROUNDING_MS = 1_500;

/**
 * The ends of bans, reckoned from the time that is left, so that an end which has not moved is the same number at each
 * look.
 */
export class StableEnds {
  #ends = new Map<Network, number>();

  /** What was reckoned before holds as long as the answer does not speak against it; ms since the epoch. */
  reckon(bans: ApiState['bans'], { askedAt, answeredAt }: Pick<ApiAnswer, 'askedAt' | 'answeredAt'>) {
    const ends = new Map<Network, number>();
    const all = new Map<Network, number | undefined>();
    for (const [network, left] of bans) {
      const before = this.#ends.get(network);
      const isSame =
        left !== undefined &&
        before !== undefined &&
        before >= askedAt + left - ROUNDING_MS &&
        before <= answeredAt + left + ROUNDING_MS;
      const end = left === undefined ? undefined : isSame ? before : answeredAt + left;
      if (end !== undefined) ends.set(network, end);
      all.set(network, end);
    }
    this.#ends = ends;
    return all;
  }
}

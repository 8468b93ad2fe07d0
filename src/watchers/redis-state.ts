import { z } from 'zod';
import { type Network, parseNetwork } from '../core/network.ts';

/** What `F2B_ACTIVE_BANS` holds: network → end in ms since the epoch, undefined where the value is no time. */
export type ActiveBans = ReadonlyMap<Network, number | undefined>;

/** A field of the hash is the banned network, its value the epoch second of its end. Others may have left garbage there. */
export function readActiveBans(hash: Record<string, string>): {
  bans: Map<Network, number | undefined>;
  garbage: string[];
} {
  const bans = new Map<Network, number | undefined>();
  const garbage: string[] = [];
  for (const field of Object.keys(hash)) {
    const network = parseNetwork(field);
    if (network === undefined) garbage.push(field);
    else bans.set(network, readSeconds(hash[field]));
  }
  return { bans, garbage };
}

/** An epoch second as ms; undefined for anything else. */
export function readSeconds(value: string | null | undefined): number | undefined {
  return typeof value === 'string' && /^\d{1,11}$/.test(value) ? Number(value) * 1000 : undefined;
}

export function readNetworks(fields: readonly string[]): Network[] {
  return fields.flatMap((field) => parseNetwork(field) ?? []);
}

export function isSameBans(a: ActiveBans, b: ActiveBans): boolean {
  if (a.size !== b.size) return false;
  for (const [network, until] of a) if (!b.has(network) || b.get(network) !== until) return false;
  return true;
}

const LogRecord = z.object({ time: z.coerce.number(), message: z.string() });

/** Netfilter rounds the time of a record to the nearest second. */
const ROUNDING_MS = 500;

/** Messages of `NETFILTER_LOG` since a time, the newest first, as Redis has them. */
export function messagesSince(records: readonly string[], since: number): string[] {
  const messages: string[] = [];
  for (const text of records) {
    const record = LogRecord.safeParse(parseJson(text));
    if (record.success && record.data.time * 1000 + ROUNDING_MS >= since) messages.push(record.data.message);
  }
  return messages;
}

/** Why every ban may be gone, if netfilter's last messages say that it was restarted or stopped. */
export function clearReason(messages: readonly string[]): string | undefined {
  if (messages.includes('Watching Redis channel F2B_CHANNEL')) return 'netfilter restarted';
  return messages.includes('Clearing all bans') ? 'netfilter was stopped' : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

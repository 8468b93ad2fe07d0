import type { Redis } from 'ioredis';
import { z } from 'zod';

/** The first record of each life of netfilter: it has dropped every ban of the life before. */
export const RESTART_MARKER = 'Watching Redis channel F2B_CHANNEL';
/** Netfilter was asked to stop; it lifts every ban one by one. */
export const STOP_MARKER = 'Clearing all bans';

const LogRecord = z.object({ time: z.coerce.number(), message: z.string() });

/** Netfilter rounds the time of a record to the nearest second. */
const ROUNDING_MS = 500;
/** Mailcow trims the list to 10 000; read in parts, as mostly the newest few are all that is wanted. */
const MOST_RECORDS = 10_000;
const AT_ONCE = 256;

/**
 * Messages of `NETFILTER_LOG` since a time in ms, the newest first; none after `until` says that it has been found. A
 * message is one record whatever an attacker put into it, so that a whole message can be trusted.
 */
export async function readMessages(
  client: Redis,
  since: number,
  until: (message: string) => boolean = () => false,
): Promise<string[]> {
  const messages: string[] = [];
  for (let start = 0; start < MOST_RECORDS; start += AT_ONCE) {
    const records = await client.lrange('NETFILTER_LOG', start, start + AT_ONCE - 1);
    for (const text of records) {
      const record = LogRecord.safeParse(parseJson(text));
      if (!record.success) continue;
      if (record.data.time * 1000 + ROUNDING_MS < since) return messages;
      messages.push(record.data.message);
      if (until(record.data.message)) return messages;
    }
    if (records.length < AT_ONCE) break;
  }
  return messages;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

import { z } from 'zod';

/** The first record of each life of netfilter: it has dropped every ban of the life before. */
export const RESTART_MARKER = 'Watching Redis channel F2B_CHANNEL';
/** Netfilter was asked to stop; it lifts every ban one by one. */
export const STOP_MARKER = 'Clearing all bans';

const LogRecord = z.object({ time: z.coerce.number(), message: z.string() });

/** Netfilter rounds the time of a record to the nearest second. */
const ROUNDING_MS = 500;

/**
 * Adds the messages of netfilter's records, the newest first, to `messages`. Returns true when what is looked for is
 * found: a message that `isLast` accepts, or a record from before `since`, in ms. A message is one record whatever an
 * attacker put into it, so that a whole message can be trusted.
 */
export function takeMessages(
  records: readonly unknown[],
  messages: string[],
  since: number,
  isLast: (message: string) => boolean,
): boolean {
  for (const each of records) {
    const record = LogRecord.safeParse(each);
    if (!record.success) continue;
    if (record.data.time * 1000 + ROUNDING_MS < since) return true;
    messages.push(record.data.message);
    if (isLast(record.data.message)) return true;
  }
  return false;
}

import type { Redis } from 'ioredis';
import { takeMessages } from './netfilter-messages.ts';

/** Mailcow trims the list to 10 000; read in parts, as mostly the newest few are all that is wanted. */
const MOST_RECORDS = 10_000;
const AT_ONCE = 256;

/** Messages of `NETFILTER_LOG` since a time in ms, the newest first; none after `until` says that it has been found. */
export async function readMessages(
  client: Redis,
  since: number,
  until: (message: string) => boolean = () => false,
): Promise<string[]> {
  const messages: string[] = [];
  for (let start = 0; start < MOST_RECORDS; start += AT_ONCE) {
    const records = await client.lrange('NETFILTER_LOG', start, start + AT_ONCE - 1);
    if (takeMessages(records.map(parseJson), messages, since, until) || records.length < AT_ONCE) break;
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

import type { Clock } from '../core/clock.ts';
import type { NetfilterWords } from './clear-reasons.ts';
import { otherShape } from './mailcow-api-answer.ts';
import type { ApiAnswer, MailcowApi } from './mailcow-api-client.ts';
import { RESTART_MARKER, takeMessages } from './netfilter-messages.ts';

/** Records that are asked for, the next number where the one before was not enough; mailcow keeps 10 000. */
export const RECORD_COUNTS = [100, 1_000, 10_000] as const;
/** Times of records are whole seconds, and so is what is known of mailcow's clock. */
const CLOCK_MS = 1_000;
/** Between the end of all bans and the word that netfilter has started. */
const START_MS = 1_500;

/** The records of one of mailcow's logs, the newest first: a list, or `{}` if there are none. */
export function readRecords({ json }: Pick<ApiAnswer, 'json'>): unknown[] {
  if (Array.isArray(json)) return json;
  if (typeof json === 'object' && json !== null && Object.keys(json).length === 0) return [];
  throw otherShape('the records of a log', json);
}

/** Netfilter's log as the API gives it out; times that it is asked for are ours. */
export function createApiWords(api: MailcowApi, clock: Clock, signal: AbortSignal): NetfilterWords {
  const words: NetfilterWords = {
    async messages(since, isLast) {
      let messages: string[] = [];
      for (const count of RECORD_COUNTS) {
        const answer = await api.get(`logs/netfilter/${count}`, signal);
        if (answer === undefined) break;
        const records = readRecords(answer);
        messages = [];
        const from = since + answer.aheadMs - CLOCK_MS;
        if (takeMessages(records, messages, from, isLast) || records.length < count) break;
      }
      return messages;
    },
    async isStarting(since) {
      await clock.sleep(START_MS, signal);
      const isMarker = (message: string) => message === RESTART_MARKER;
      return (await words.messages(since, isMarker)).some(isMarker);
    },
  };
  return words;
}

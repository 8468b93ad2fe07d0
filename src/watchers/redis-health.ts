import type { Redis } from 'ioredis';
import type { HealthReport } from '../core/watcher.ts';
import { messagesSince } from './redis-state.ts';

const CHANNEL = 'F2B_CHANNEL';
/** Records of netfilter's log that are looked through for what went wrong. */
const RECORDS = 64;
const PUBSUB_ERROR = 'Error reading log line from pubsub';

/**
 * Whether netfilter listens. It can live, unban, and never ban again: then nobody is subscribed to its channel, and
 * nothing else in mailcow notices.
 */
export class NetfilterHealth {
  readonly #deafAfterMs: number;
  #silentSince: number | undefined;
  #isTold = false;

  constructor(deafAfterMs: number) {
    this.#deafAfterMs = deafAfterMs;
  }

  /** A report if it changed since the last look. */
  async check(client: Redis, now: number): Promise<HealthReport | undefined> {
    const [, listeners] = (await client.pubsub('NUMSUB', CHANNEL)) as [string, number | string];
    if (Number(listeners) > 0) {
      this.#silentSince = undefined;
      if (!this.#isTold) return undefined;
      this.#isTold = false;
      return { source: 'netfilter', up: true };
    }
    this.#silentSince ??= now;
    if (this.#isTold || now - this.#silentSince < this.#deafAfterMs) return undefined;
    this.#isTold = true;
    const records = await client.lrange('NETFILTER_LOG', 0, RECORDS - 1);
    return { source: 'netfilter', up: false, reason: deafReason(messagesSince(records, this.#silentSince - 5_000)) };
  }
}

function deafReason(messages: readonly string[]): string {
  const trouble = messages.find((message) => message.startsWith(PUBSUB_ERROR));
  const isAlive = messages.some((message) => !message.startsWith(PUBSUB_ERROR));
  const what = isAlive
    ? 'netfilter is deaf: it runs and lifts bans, but listens to no log and will not ban anyone'
    : 'netfilter is down or deaf: nothing listens for failed logins, so nobody will be banned';
  return `${what}; restart netfilter-mailcow${trouble === undefined ? '' : `. Its last trouble: ${trouble}`}`;
}

import type { Redis } from 'ioredis';
import { cutText } from '../core/text.ts';
import type { HealthReport } from '../core/watcher.ts';
import { RESTART_MARKER } from './netfilter-messages.ts';
import { readMessages } from './redis-log.ts';

const CHANNEL = 'F2B_CHANNEL';
const SOURCE = 'netfilter';
/** How often it is looked at. */
export const HEALTH_EVERY_MS = 5_000;
/** Netfilter writes its options anew every ten seconds as long as it runs, deaf or not. */
const OPTIONS_EVERY_SECONDS = 10;
/** A record's time is rounded to the nearest second: this much later it is later for sure. */
const SURELY_LATER_MS = 1_001;
const TROUBLE = /^(?:Error reading log line from pubsub|MAILCOW target |Error loading F2B )/;
const LONGEST_TROUBLE = 200;

/**
 * Whether netfilter listens. It can live, unban, and never ban again: then nobody is subscribed to its channel, and
 * nothing else in mailcow notices.
 */
export class NetfilterHealth {
  readonly #deafAfterMs: number;
  #silentSince: number | undefined;
  #told: 'up' | 'down' | undefined;

  constructor(deafAfterMs: number) {
    this.#deafAfterMs = deafAfterMs;
  }

  /** Redis was not seen for a while: whoever listens to it needs time to come back as well. */
  begin(): void {
    this.#silentSince = undefined;
  }

  /** A report if it differs from the last one, or is the first. */
  async check(client: Redis, now: number): Promise<HealthReport | undefined> {
    const [, listeners] = (await client.pubsub('NUMSUB', CHANNEL)) as [string, number | string];
    if (Number(listeners) > 0) {
      this.#silentSince = undefined;
      if (this.#told === 'up') return undefined;
      this.#told = 'up';
      return { source: SOURCE, up: true };
    }
    if (this.#silentSince === undefined || this.#silentSince > now) this.#silentSince = now;
    if (this.#told === 'down' || now - this.#silentSince < this.#deafAfterMs) return undefined;
    const reason = await this.#reason(client, this.#silentSince, now);
    this.#told = 'down';
    return { source: SOURCE, up: false, reason };
  }

  async #reason(client: Redis, silentSince: number, now: number): Promise<string> {
    const since = await readMessages(client, silentSince + SURELY_LATER_MS);
    // It fell silent at some time since the check before.
    const around = await readMessages(client, silentSince - 2 * HEALTH_EVERY_MS);
    const trouble = around.find((message) => TROUBLE.test(message));
    let what = 'netfilter is down or deaf: nothing listens for failed logins, so nobody will be banned';
    if (since.includes(RESTART_MARKER)) what = 'netfilter starts and ends again and again, so hardly anybody is banned';
    else if (since.length > 0 || (await isWritingOptions(client, now - silentSince))) {
      what = 'netfilter is deaf: it runs and lifts bans, but listens to no log and will not ban anyone';
    }
    const cited = trouble === undefined ? '' : `. Its last trouble: ${cutText(trouble, LONGEST_TROUBLE)}`;
    return `${what}; restart netfilter-mailcow${cited}`;
  }
}

/** Whether its options were touched although it does not listen. False where Redis does not keep that. */
async function isWritingOptions(client: Redis, silentForMs: number): Promise<boolean> {
  if (silentForMs <= (OPTIONS_EVERY_SECONDS + 1) * 1000) return false;
  const idle = await client.object('IDLETIME', 'F2B_OPTIONS').catch(() => undefined);
  return typeof idle === 'number' && idle <= OPTIONS_EVERY_SECONDS;
}

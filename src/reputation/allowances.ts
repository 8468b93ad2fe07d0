import { type Clock, toRfc3339 } from '../core/clock.ts';
import { messageOf, PermanentError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Unbanner } from '../core/unbanner.ts';
import type { Allowance } from '../ledger/allowances.ts';
import type { Ledger } from '../ledger/ledger.ts';

const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 600_000;
/** Another process may have noted down one meanwhile. */
const LONGEST_SLEEP_MS = 60_000;

export interface AllowancesOptions {
  ledger: Ledger;
  clock: Clock;
  logger: Logger;
  /** Throws `PermanentError` where nothing is configured for this jail. */
  required(jail: string): Unbanner;
}

interface Retry {
  at: number;
  afterMs: number;
}

/**
 * Entries of the server's allowlist that have an end: servers know no such thing, so cowbell takes them off itself. It
 * touches none but those that it has put there, and forgets none across restarts.
 */
export class Allowances {
  readonly #options: AllowancesOptions;
  readonly #retries = new Map<string, Retry>();
  #isBusy = false;

  constructor(options: AllowancesOptions) {
    this.#options = options;
  }

  /**
   * Puts a network on the allowlist until then; one that it has put there before gets the new end. False where somebody else
   * has: that one stays. Throws as `Unbanner.allow` does, and `PermanentError` where entries cannot be taken off again. `banId`
   * is the ban on whose account it is done.
   */
  async allow(allowance: Allowance, signal: AbortSignal, banId?: string): Promise<boolean> {
    const { ledger, clock } = this.#options;
    const { jail, network } = allowance;
    const unbanner = this.#options.required(jail);
    if (unbanner.cannotDisallow !== undefined) {
      throw new PermanentError(`nothing is allowed for a time here: ${unbanner.cannotDisallow}`);
    }
    let isNoted = false;
    try {
      // Noted down before it is done: what is on the list and is not in the ledger would stay there for ever.
      const isNew = await unbanner.allow(jail, network, signal, () => {
        ledger.allowances.add(allowance);
        isNoted = true;
      });
      if (!isNew && isNoted) ledger.allowances.remove(allowance);
      if (!isNew && (isNoted || ledger.allowances.of(jail, network) === undefined)) return false;
    } catch (error) {
      // Whether it is there now is not known: it is taken off at once.
      if (isNoted) ledger.allowances.add({ ...allowance, until: Math.min(allowance.until, clock.now()) });
      throw error;
    }
    ledger.transaction(() => {
      ledger.allowances.add(allowance);
      this.#audit('allow', allowance, { means: unbanner.name, until: toRfc3339(allowance.until) }, banId);
    });
    return true;
  }

  /** When `tick` is next needed, in ms since the epoch; undefined while it is at work. */
  nextDueAt(): number | undefined {
    if (this.#isBusy) return undefined;
    const times = this.#options.ledger.allowances
      .standing()
      .map((each) => Math.max(each.until, this.#retryOf(each)?.at ?? 0));
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Takes off what has come to its end. What cannot be taken off is told in the log, and tried again later; never throws. */
  async tick(signal: AbortSignal): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      const { ledger, clock } = this.#options;
      for (const each of ledger.allowances.due(clock.now())) {
        if (signal.aborted) break;
        if ((this.#retryOf(each)?.at ?? 0) <= clock.now()) await this.#takeOff(each, signal);
      }
    } catch (error) {
      this.#options.logger.error({ err: error }, 'what is on the allowlist for a time could not be read; trying again');
    } finally {
      this.#isBusy = false;
    }
  }

  /** Takes off what has come to its end until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.tick(signal);
      await clock.sleep(Math.min(Math.max(this.#msUntilDue(), 1_000), LONGEST_SLEEP_MS), signal);
    }
  }

  #msUntilDue(): number {
    try {
      return (this.nextDueAt() ?? Number.POSITIVE_INFINITY) - this.#options.clock.now();
    } catch {
      // `tick` tells of it.
      return FIRST_RETRY_MS;
    }
  }

  async #takeOff(allowance: Allowance, signal: AbortSignal): Promise<void> {
    const { ledger, clock, logger, required } = this.#options;
    const { jail, network } = allowance;
    const key = keyOf(allowance);
    try {
      const unbanner = required(jail);
      const wasThere = await unbanner.disallow(jail, network, signal);
      ledger.transaction(() => {
        ledger.allowances.remove(allowance);
        if (wasThere) this.#audit('disallow', allowance, { means: unbanner.name, until: toRfc3339(allowance.until) });
      });
      this.#retries.delete(key);
      logger.info({ network, jail, wasThere }, 'the time of a network on the allowlist is over');
    } catch (error) {
      if (signal.aborted) return;
      const afterMs = Math.min((this.#retryOf(allowance)?.afterMs ?? FIRST_RETRY_MS / 2) * 2, LONGEST_RETRY_MS);
      this.#retries.set(key, { at: clock.now() + afterMs, afterMs });
      const until = toRfc3339(allowance.until);
      logger.warn(
        { network, jail, until, reason: messageOf(error), retryInMs: afterMs },
        'a network is still on the allowlist though its time is over; trying again',
      );
    }
  }

  /** One that lies farther ahead than any wait was made before the clock was set back. */
  #retryOf(allowance: Allowance): Retry | undefined {
    const retry = this.#retries.get(keyOf(allowance));
    return retry === undefined || retry.at - this.#options.clock.now() > LONGEST_RETRY_MS ? undefined : retry;
  }

  #audit(action: 'allow' | 'disallow', { jail, network, by }: Allowance, details: object, banId?: string): void {
    const { ledger, clock } = this.#options;
    ledger.audit.add({ at: clock.now(), by, action, network, jail, banId, details });
  }
}

function keyOf({ jail, network }: Allowance): string {
  return `${jail} ${network}`;
}

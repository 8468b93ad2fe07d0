import { toRfc3339 } from '../core/clock.ts';
import type { BanEvent } from '../core/event.ts';
import type { RateLimited, Rejected } from '../core/observation.ts';
import { type Ledger, REJECTS_TOLD } from '../ledger/ledger.ts';
import type { RateLimitCount } from '../ledger/rate-limits.ts';

/** A window is told this long after its end. */
const SETTLE_MS = 2_000;

export interface SummarySettings {
  /** Length of the windows in which rejects are counted. */
  rejectWindowMs: number;
  /** How long what an account runs into is counted before it is told of again. */
  rateLimitWindowMs: number;
}

/** What comes by the thousand and is told as counts: refused clients and mails, rate limits. */
export class Summaries {
  readonly #ledger: Ledger;
  readonly #settings: SummarySettings;
  readonly #publish: (event: BanEvent) => void;
  readonly #envelope: (at: number) => { id: string; at: string; host: string };

  constructor(
    ledger: Ledger,
    settings: SummarySettings,
    publish: (event: BanEvent) => void,
    envelope: (at: number) => { id: string; at: string; host: string },
  ) {
    this.#ledger = ledger;
    this.#settings = settings;
    this.#publish = publish;
    this.#envelope = envelope;
  }

  /** Counted in the window in which it is read: what was caught up late is told too, and no window is told twice. */
  addReject(seen: Rejected, now: number): void {
    const { rejectWindowMs } = this.#settings;
    this.#ledger.rejects.add(seen, Math.floor(now / rejectWindowMs) * rejectWindowMs);
  }

  addRateLimit(seen: RateLimited, now: number): void {
    const first = this.#ledger.rateLimits.add(seen, now + this.#settings.rateLimitWindowMs);
    if (first !== undefined) this.#tellRateLimit(first, seen.at);
  }

  nextDueAt(): number | undefined {
    const windowAt = this.#ledger.rejects.firstWindow(this.#toldUntil());
    const rateLimitAt = this.#ledger.rateLimits.nextDueAt();
    const windowEnd = windowAt === undefined ? undefined : windowAt + this.#settings.rejectWindowMs + SETTLE_MS;
    if (windowEnd === undefined || rateLimitAt === undefined) return windowEnd ?? rateLimitAt;
    return Math.min(windowEnd, rateLimitAt);
  }

  /** Tells of the windows that are over. */
  tick(now: number): void {
    for (const limited of this.#ledger.rateLimits.takeDue(now, now + this.#settings.rateLimitWindowMs)) {
      this.#tellRateLimit(limited, now);
    }
    this.#tellWindows(now - this.#settings.rejectWindowMs - SETTLE_MS, now);
  }

  /** Tells of every window, over or not: nothing more will come. */
  finish(now: number): void {
    this.#tellWindows(Number.MAX_SAFE_INTEGER, now);
  }

  #toldUntil(): number {
    return Number(this.#ledger.meta(REJECTS_TOLD) ?? -1);
  }

  #tellWindows(last: number, now: number): void {
    for (;;) {
      const windowAt = this.#ledger.rejects.firstWindow(this.#toldUntil());
      if (windowAt === undefined || windowAt > last) return;
      const { firstAt, lastAt, ...totals } = this.#ledger.rejects.totals(windowAt);
      this.#ledger.setMeta(REJECTS_TOLD, String(windowAt));
      this.#publish({
        ...this.#envelope(now),
        type: 'reject.summary',
        rejects: { since: toRfc3339(firstAt), until: toRfc3339(lastAt), ...totals },
      });
    }
  }

  #tellRateLimit({ account, limit, count, recipients, firstAt, lastAt, addresses }: RateLimitCount, at: number): void {
    this.#publish({
      ...this.#envelope(at),
      type: 'ratelimit.applied',
      ratelimit: {
        ...(account !== '' && { account }),
        limit,
        count,
        recipients,
        since: toRfc3339(firstAt),
        until: toRfc3339(lastAt),
        addresses,
      },
    });
  }
}

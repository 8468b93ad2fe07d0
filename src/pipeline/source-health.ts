import { randomUUID } from 'node:crypto';
import { type Clock, toRfc3339 } from '../core/clock.ts';
import type { BanEvent } from '../core/event.ts';
import { safeText } from '../core/text.ts';

/** After an event that could not be recorded. */
const RETRY_MS = 5_000;

export interface SourceHealthOptions {
  host: string;
  clock: Clock;
  /** Told to be down before the last stop, and not yet to be up. */
  down: readonly { name: string; since: number; reason: string }[];
  /** Publishes `source.down` and `source.up`, and keeps which of them was last. */
  announce(event: Extract<BanEvent, { type: 'source.down' | 'source.up' }>): void;
}

export interface SourceState {
  name: string;
  up: boolean;
  /** ms since the epoch: since when it is up, or when it was last well. */
  since: number;
  reason?: string;
}

interface Source {
  state: 'new' | 'up' | 'failing' | 'down';
  since: number;
  reason: string;
  graceTimer: AbortController | undefined;
}

/** Keeps which sources can be read, and tells of one that cannot: once, after its grace time, and once when it is back. */
export class SourceHealth {
  readonly #options: SourceHealthOptions;
  readonly #sources = new Map<string, Source>();

  constructor(options: SourceHealthOptions) {
    this.#options = options;
    for (const { name, since, reason } of options.down) {
      this.#sources.set(name, { state: 'down', since, reason, graceTimer: undefined });
    }
  }

  /** It cannot be read. Told after `graceMs` of this, at once when that is 0. */
  failing(name: string, reason: string, graceMs: number): void {
    const source = this.#source(name);
    source.reason = safeText(reason, 500);
    if (source.state === 'down') return;
    if (source.state !== 'failing') {
      // One that was never well is failing since it is known.
      if (source.state === 'up') source.since = this.#options.clock.now();
      source.state = 'failing';
      if (graceMs > 0) this.#startGrace(name, source, graceMs);
    }
    if (graceMs === 0) this.#tellDown(name, source);
  }

  /** It is being read. `read` is what came from the time before, to be counted as caught up. */
  healthy(name: string, read = 0): void {
    const source = this.#source(name);
    source.graceTimer?.abort();
    source.graceTimer = undefined;
    if (source.state === 'down') {
      const { host, clock, announce } = this.#options;
      announce({
        id: randomUUID(),
        at: toRfc3339(clock.now()),
        host,
        type: 'source.up',
        source: {
          name,
          reason: source.reason,
          since: toRfc3339(source.since),
          ...(read > 0 && { caught_up: read }),
        },
      });
    }
    if (source.state !== 'up') source.since = this.#options.clock.now();
    source.state = 'up';
  }

  /** Whether it is being read now. */
  isReady(name: string): boolean {
    return this.#sources.get(name)?.state === 'up';
  }

  states(): SourceState[] {
    return [...this.#sources].map(([name, { state, since, reason }]) => ({
      name,
      up: state !== 'down',
      since,
      ...(state !== 'up' && reason !== '' && { reason }),
    }));
  }

  /** Ends the grace times that run. */
  stop(): void {
    for (const source of this.#sources.values()) source.graceTimer?.abort();
  }

  #source(name: string): Source {
    let source = this.#sources.get(name);
    if (source === undefined) {
      source = { state: 'new', since: this.#options.clock.now(), reason: '', graceTimer: undefined };
      this.#sources.set(name, source);
    }
    return source;
  }

  #startGrace(name: string, source: Source, graceMs: number): void {
    const timer = new AbortController();
    source.graceTimer = timer;
    void this.#options.clock.sleep(graceMs, timer.signal).then(() => {
      if (!timer.signal.aborted && source.state === 'failing') this.#tellDown(name, source);
    });
  }

  #tellDown(name: string, source: Source): void {
    source.graceTimer?.abort();
    source.graceTimer = undefined;
    const { host, clock, announce } = this.#options;
    try {
      announce({
        id: randomUUID(),
        at: toRfc3339(clock.now()),
        host,
        type: 'source.down',
        source: { name, reason: source.reason, since: toRfc3339(source.since) },
      });
      source.state = 'down';
    } catch {
      // It could not be written down, so it is not told yet: the ledger's own trouble is told by whoever records.
      this.#startGrace(name, source, RETRY_MS);
    }
  }
}

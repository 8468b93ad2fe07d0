import { randomUUID } from 'node:crypto';
import { type Clock, toRfc3339 } from '../core/clock.ts';
import type { BanEvent } from '../core/event.ts';
import { safeText } from '../core/text.ts';

/** After an event that could not be recorded. */
const RETRY_MS = 5_000;
/** A source that is back has caught up when this long nothing more came from it … */
const QUIET_MS = 1_000;
/** … or, where it is never quiet, after this many times as long. */
const QUIET_ROUNDS = 10;

type SourceEvent = Extract<BanEvent, { type: 'source.down' | 'source.up' }>;

export interface SourceHealthOptions {
  host: string;
  clock: Clock;
  /** Told to be down before the last stop, and not yet to be up. */
  down: readonly { name: string; since: number; reason: string }[];
  /** Publishes `source.down` and `source.up`, and keeps which of them was last. Tried again when it throws. */
  announce(event: SourceEvent): void;
  /** `announce` threw. */
  onError?: (error: unknown) => void;
}

export interface SourceState {
  name: string;
  /** `starting`: not read yet; `failing`: within its grace; `back`: well again, and catching up. */
  state: 'starting' | 'up' | 'failing' | 'down' | 'back';
  /** It can be relied on: false once its grace is over. */
  up: boolean;
  /** ms since the epoch: since when it is up, or when it was last well. */
  since: number;
  reason?: string;
}

interface Source {
  /** `back`: well again, and catching up before that is told. */
  state: 'new' | 'up' | 'failing' | 'down' | 'back';
  since: number;
  backSince: number;
  reason: string;
  /** It failed for longer than its grace, and that could not be written down yet. */
  isOverdue: boolean;
  /** When it must have been read for the first time. */
  expectedAt: number;
  caughtUp: number;
  timer: AbortController | undefined;
}

/** Keeps which sources can be read, and tells of one that cannot: once, after its grace time, and once when it is back. */
export class SourceHealth {
  readonly #options: SourceHealthOptions;
  readonly #sources = new Map<string, Source>();

  constructor(options: SourceHealthOptions) {
    this.#options = options;
    for (const { name, since, reason } of options.down) this.#add(name, { state: 'down', since, reason });
  }

  /** It is about to be read, for the first time: within the grace, or something is wrong. */
  expect(name: string, graceMs: number): void {
    const source = this.#source(name);
    source.expectedAt = this.#options.clock.now() + graceMs;
  }

  /** It cannot be read. Told after `graceMs` of this, at once when that is 0. */
  failing(name: string, reason: string, graceMs: number): void {
    const source = this.#source(name);
    source.reason = safeText(reason, 500);
    if (source.state === 'down') return;
    if (source.state === 'back') {
      // It was told to be down, and nobody was told otherwise.
      this.#stopTimer(source);
      source.state = 'down';
      return;
    }
    if (source.state !== 'failing') {
      source.since = this.#options.clock.now();
      source.state = 'failing';
      if (graceMs > 0) this.#after(graceMs, source, () => this.#tellDown(name, source));
    }
    if (graceMs === 0) this.#tellDown(name, source);
  }

  /**
   * It is well. `read` says how much came of it just now, so that what it catches up on is counted before it is told to
   * be up; that is told at once where `read` is left out.
   */
  healthy(name: string, read?: number): void {
    const source = this.#source(name);
    if (source.state === 'up') return;
    const now = this.#options.clock.now();
    if (source.state === 'back') {
      source.caughtUp += read ?? 0;
    } else if (source.state === 'down') {
      source.state = 'back';
      source.backSince = now;
      source.caughtUp = read ?? 0;
      if (read === undefined) this.#tellUp(name, source);
      else this.#tellUpWhenQuiet(name, source, QUIET_ROUNDS);
    } else {
      this.#stopTimer(source);
      source.state = 'up';
      source.isOverdue = false;
      source.since = now;
    }
  }

  /** Whether it is being read now. */
  isReady(name: string): boolean {
    const state = this.#sources.get(name)?.state;
    return state === 'up' || state === 'back';
  }

  states(): SourceState[] {
    const now = this.#options.clock.now();
    return [...this.#sources].map(([name, { state, since, backSince, reason, isOverdue, expectedAt }]) => {
      const isLate = state === 'new' && now > expectedAt;
      const why = isLate ? 'nothing was read of it yet' : reason;
      const isWell = state === 'up' || state === 'back';
      return {
        name,
        state: state === 'new' ? 'starting' : state,
        up: state !== 'down' && !isOverdue && !isLate,
        since: state === 'back' ? backSince : since,
        ...(!isWell && why !== '' && { reason: why }),
      };
    });
  }

  /** Ends the waits that run. A source that is back is told so now. */
  stop(): void {
    for (const [name, source] of this.#sources) {
      if (source.state === 'back') this.#tellUp(name, source);
      this.#stopTimer(source);
    }
  }

  #source(name: string): Source {
    return this.#sources.get(name) ?? this.#add(name, { state: 'new', since: this.#options.clock.now(), reason: '' });
  }

  #add(name: string, start: Pick<Source, 'state' | 'since' | 'reason'>): Source {
    const source: Source = {
      ...start,
      backSince: start.since,
      isOverdue: false,
      expectedAt: Number.POSITIVE_INFINITY,
      caughtUp: 0,
      timer: undefined,
    };
    this.#sources.set(name, source);
    return source;
  }

  #stopTimer(source: Source): void {
    source.timer?.abort();
    source.timer = undefined;
  }

  /** One wait at a time for each source; a new one takes the place of the last. */
  #after(ms: number, source: Source, work: () => void): void {
    this.#stopTimer(source);
    const timer = new AbortController();
    source.timer = timer;
    void this.#options.clock.sleep(ms, timer.signal).then(() => {
      if (!timer.signal.aborted) work();
    });
  }

  #tellDown(name: string, source: Source): void {
    this.#stopTimer(source);
    const { reason } = source;
    const isTold = this.#announce({
      ...this.#envelope(),
      type: 'source.down',
      source: { name, reason, since: toRfc3339(source.since) },
    });
    source.isOverdue = !isTold;
    if (isTold) source.state = 'down';
    else this.#after(RETRY_MS, source, () => this.#tellDown(name, source));
  }

  #tellUpWhenQuiet(name: string, source: Source, rounds: number): void {
    const before = source.caughtUp;
    this.#after(QUIET_MS, source, () => {
      if (source.caughtUp === before || rounds <= 1) this.#tellUp(name, source);
      else this.#tellUpWhenQuiet(name, source, rounds - 1);
    });
  }

  #tellUp(name: string, source: Source): void {
    this.#stopTimer(source);
    const { reason, caughtUp } = source;
    const isTold = this.#announce({
      ...this.#envelope(),
      type: 'source.up',
      source: { name, reason, since: toRfc3339(source.since), ...(caughtUp > 0 && { caught_up: caughtUp }) },
    });
    if (!isTold) return this.#after(RETRY_MS, source, () => this.#tellUp(name, source));
    source.state = 'up';
    source.since = source.backSince;
  }

  #envelope() {
    const { host, clock } = this.#options;
    return { id: randomUUID(), at: toRfc3339(clock.now()), host };
  }

  #announce(event: SourceEvent): boolean {
    try {
      this.#options.announce(event);
      return true;
    } catch (error) {
      // It could not be written down, so nobody was told.
      this.#options.onError?.(error);
      return false;
    }
  }
}

import type { Batch, Watcher } from '../core/watcher.ts';
import { sourceNameOf } from './supervise.ts';

/** A lag that nothing follows is over: what was late is read, and all is quiet. */
const QUIET_MS = 60_000;

interface Reading {
  /** Of a log: how long its last line was on its way; undefined of a state. */
  lagMs: number | undefined;
  readAt: number;
}

/** How far behind each source is; costs nothing for a line, and little for a batch. */
export class SourceLag {
  readonly #readings = new Map<string, Reading>();

  /** A batch was recorded at `now`, in ms since the epoch. */
  note(watcher: Watcher, { stampedAt, observations }: Batch, now: number): void {
    const name = sourceNameOf(watcher);
    if (watcher.authority === 'state') {
      this.#readings.set(name, { lagMs: undefined, readAt: now });
      return;
    }
    const at = stampedAt ?? observations.at(-1)?.at;
    // A clock that is ahead is no lag.
    if (at !== undefined) this.#readings.set(name, { lagMs: Math.max(0, now - at), readAt: now });
    else if (!this.#readings.has(name)) this.#readings.set(name, { lagMs: 0, readAt: now });
  }

  /** By source. A log: from the stamp of its last line to when it was recorded; else since the last look. */
  lagsMs(now: number): [source: string, lagMs: number][] {
    return [...this.#readings].map(([source, { lagMs, readAt }]) => {
      const quietMs = Math.max(0, now - readAt);
      if (lagMs === undefined) return [source, quietMs];
      return [source, quietMs > QUIET_MS ? 0 : lagMs];
    });
  }
}

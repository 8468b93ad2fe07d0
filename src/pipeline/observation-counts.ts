import type { Observation, ObservationKind } from '../core/observation.ts';

/** How many observations each watcher gave since the start, by kind. */
export class ObservationCounts {
  readonly #counts = new Map<string, Map<ObservationKind, number>>();

  add(watcher: string, observations: readonly Observation[]): void {
    if (observations.length === 0) return;
    const counts = this.#counts.get(watcher) ?? new Map<ObservationKind, number>();
    this.#counts.set(watcher, counts);
    for (const { kind } of observations) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }

  all(): { watcher: string; kind: ObservationKind; count: number }[] {
    return [...this.#counts].flatMap(([watcher, counts]) =>
      [...counts].map(([kind, count]) => ({ watcher, kind, count })),
    );
  }
}

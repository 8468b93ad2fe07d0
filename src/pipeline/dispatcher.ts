import type { Lane, LaneState } from './lane.ts';

/** All lanes: each on its own, so that one's trouble never delays another. */
export interface Dispatcher {
  /** Something is owed to these consumers, or may be to all. */
  wake(consumers?: ReadonlySet<string>): void;
  states(): LaneState[];
  /** Ends all lanes; none takes longer than `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

export function createDispatcher(lanes: readonly Lane[]): Dispatcher {
  return {
    wake(consumers) {
      for (const lane of lanes) if (consumers === undefined || consumers.has(lane.consumer)) lane.wake();
    },
    states: () => lanes.map((lane) => lane.state()),
    async stop(deadlineMs) {
      await Promise.all(lanes.map((lane) => lane.stop(deadlineMs)));
    },
  };
}

import type { Lane, LaneState } from './lane.ts';
import type { LanePast } from './lane-rest.ts';

/** Longest that an attempt under way may take when its lane is replaced. */
const REPLACE_MS = 7_000;

/** A lane that there shall be. */
export interface LanePlan {
  consumer: string;
  /** Two plans of one consumer with the same version are the same lane. */
  version: string;
  /** `past`: of the lane whose place it takes. */
  create(past: LanePast | undefined): Lane;
}

/** All lanes: each on its own, so that one's trouble never delays another. */
export interface Dispatcher {
  /** Something is owed to these consumers, or may be to all. */
  wake(consumers?: ReadonlySet<string>): void;
  states(): LaneState[];
  /**
   * Makes these the lanes: what is unchanged goes on, what changed or is gone ends, what is new begins. What is owed to
   * whom stays in the outbox. Of one consumer there are never two lanes at a time.
   */
  update(plans: readonly LanePlan[]): Promise<void>;
  /** Ends all lanes; none takes longer than `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

export function createDispatcher(first: readonly Lane[] = []): Dispatcher {
  const lanes = new Map(first.map((lane) => [lane.consumer, { version: '', lane }]));

  async function replace(consumer: string, plan: LanePlan | undefined): Promise<void> {
    const before = lanes.get(consumer);
    if (before !== undefined && before.version === plan?.version) return;
    await before?.lane.stop(REPLACE_MS);
    lanes.delete(consumer);
    if (plan === undefined) return;
    const lane = plan.create(before?.lane.past());
    lanes.set(consumer, { version: plan.version, lane });
    lane.wake();
  }

  return {
    wake(consumers) {
      for (const { lane } of lanes.values()) {
        if (consumers === undefined || consumers.has(lane.consumer)) lane.wake();
      }
    },
    states: () => [...lanes.values()].map(({ lane }) => lane.state()),
    async update(plans) {
      const planned = new Map(plans.map((plan) => [plan.consumer, plan]));
      const consumers = new Set([...lanes.keys(), ...planned.keys()]);
      // None waits for another: one may hang for as long as it is given.
      await Promise.all([...consumers].map((consumer) => replace(consumer, planned.get(consumer))));
    },
    async stop(deadlineMs) {
      await Promise.all([...lanes.values()].map(({ lane }) => lane.stop(deadlineMs)));
    },
  };
}

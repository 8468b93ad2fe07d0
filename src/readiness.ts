import { toRfc3339 } from './core/clock.ts';
import { messageOf } from './core/errors.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { Readiness } from './ops/health-server.ts';
import type { LaneState } from './pipeline/lane.ts';
import type { SourceState } from './pipeline/source-health.ts';

/** Parts of a running cowbell that can be well or not. */
export interface WatchedParts {
  health: { states(): SourceState[] };
  alerts: { states(): LaneState[] };
  ledger: Pick<Ledger, 'writeProblem'>;
}

/** Each source, each lane and the ledger with its state, and whether all of them are well. */
export function readinessOf({ health, alerts, ledger }: WatchedParts): Readiness {
  const sources = health.states();
  const problem = ledger.writeProblem();
  const { lanes, trouble } = statesOf(alerts);
  const reason = trouble ?? problem;
  return {
    ready: reason === undefined && sources.every(({ up }) => up) && lanes.every(({ down }) => down !== true),
    sources: sources.map((source) => ({ ...source, since: toRfc3339(source.since) })),
    lanes: lanes.map(describeLane),
    ledger: { up: reason === undefined, ...(reason !== undefined && { reason }) },
  };
}

function statesOf(alerts: WatchedParts['alerts']): { lanes: LaneState[]; trouble?: string } {
  try {
    return { lanes: alerts.states() };
  } catch (error) {
    return { lanes: [], trouble: messageOf(error) };
  }
}

function describeLane({ consumer, owed, oldestAt, failingSince, lastError, nextAttemptAt, parked, down }: LaneState) {
  return {
    name: consumer,
    state: parked ? 'parked' : down ? 'down' : failingSince === undefined ? 'up' : 'failing',
    up: down !== true,
    owed,
    ...(oldestAt !== undefined && { oldest: toRfc3339(oldestAt) }),
    ...(failingSince !== undefined && { since: toRfc3339(failingSince) }),
    ...(nextAttemptAt !== undefined && { next_attempt: toRfc3339(nextAttemptAt) }),
    ...reasonOf(lastError, down),
  };
}

function reasonOf(lastError: string | undefined, isDown: boolean | undefined): { reason?: string } {
  if (lastError !== undefined) return { reason: lastError };
  return isDown ? { reason: 'what it owes is not sent' } : {};
}

import type { Clock } from '../core/clock.ts';
import { messageOf, PermanentError, TransientError } from '../core/errors.ts';
import { formatDuration } from '../core/text.ts';
import type { StandingBan, Unbanner } from '../core/unbanner.ts';
import type { BanRecord } from '../ledger/bans.ts';
import type { Decision } from '../ledger/decisions.ts';

const LOOK_EVERY_MS = 1_000;
/** On top of what the server takes at most. */
const SLACK_MS = 3_000;
/** How long an order that cannot be given is tried again. */
const SEND_FOR_MS = 30_000;
/** The end of one ban, as two looks at it have it. */
const SAME_END_MS = 5_000;
/** The same, where one of them is a log line: netfilter gives the length in whole minutes, cut off. */
const LOGGED_END_MS = 65_000;

/** Between two looks; what takes longer, or no time, is a clock that was set. */
const LONGEST_STEP_MS = 30_000;

/** How a lift ended. `over`: the ban was gone before anything was done. */
export type LiftOutcome = { kind: 'lifted' | 'over' } | { kind: 'failed'; reason: string };

export interface Lift {
  decision: Pick<Decision, 'jail' | 'network' | 'sentAt'>;
  /** The end of the ban that is meant, in ms since the epoch; undefined where it has none, or whichever stands is meant. */
  until: number | undefined;
  unbanner: Unbanner;
  clock: Clock;
  /**
   * The order is about to be given: what is not noted down before would be forgotten by a crash. Undefined: it was refused.
   */
  onOrder(at: number | undefined): void;
  signal: AbortSignal;
}

/** Whether what stands ends when the ban that is meant does: else it went on failing, or was banned anew. */
export function isSameBan(standing: StandingBan, until: number | undefined, toleranceMs = SAME_END_MS): boolean {
  return standing.until === undefined || until === undefined || Math.abs(standing.until - until) <= toleranceMs;
}

/** Whether what stands is the ban that the ledger knows. */
export function isKnownBan(
  standing: StandingBan,
  { until, confirmed }: Pick<BanRecord, 'until' | 'confirmed'>,
): boolean {
  return isSameBan(standing, until, confirmed ? SAME_END_MS : LOGGED_END_MS);
}

/**
 * Gives the order to lift a ban and sees that it is gone; undefined where `signal` aborts. To begin it twice does no harm. A
 * ban that ends at another time than the one that is meant is never ordered to be lifted, and proves nothing.
 */
export async function liftAndVerify(lift: Lift): Promise<LiftOutcome | undefined> {
  const { decision, unbanner, clock, onOrder, signal } = lift;
  const { jail, network } = decision;
  const verifyForMs = unbanner.takesMs + SLACK_MS;
  const sinceBegin = stopwatch(clock);
  let sinceOrder: (() => number) | undefined;
  /** An order whose answer was lost may have been carried out. */
  let orderedAt = decision.sentAt;
  const order = async () => {
    const before = orderedAt;
    orderedAt = clock.now();
    onOrder(orderedAt);
    try {
      const isGiven = await unbanner.lift(jail, network, signal);
      if (!isGiven) orderedAt = before;
      return isGiven;
    } catch (error) {
      if (!signal.aborted && wasRefused(error)) {
        orderedAt = before;
        onOrder(before);
      }
      throw error;
    }
  };
  while (!signal.aborted) {
    const passedMs = sinceBegin();
    try {
      const standing = await unbanner.look(jail, network, signal);
      if (signal.aborted) return undefined;
      if (standing === undefined) return { kind: orderedAt === undefined ? 'over' : 'lifted' };
      const isMeant = isSameBan(standing, lift.until);
      if (sinceOrder === undefined) {
        if (!isMeant) return { kind: 'failed', reason: ANOTHER };
        if (!(await order())) return { kind: orderedAt === undefined ? 'over' : 'lifted' };
        sinceOrder = stopwatch(clock);
      } else if (sinceOrder() > verifyForMs) {
        const waited = `${formatDuration(verifyForMs)} after ${unbanner.name} was asked to lift it`;
        return { kind: 'failed', reason: isMeant ? `the ban still stands ${waited}` : `${waited}: ${ANOTHER}` };
      }
    } catch (error) {
      const isLate = passedMs > SEND_FOR_MS && (sinceOrder?.() ?? verifyForMs) >= verifyForMs;
      // What will never work is not tried again: at mailcow's API a refused key counts as a failed login.
      if (!signal.aborted && (isLate || error instanceof PermanentError))
        return { kind: 'failed', reason: `${unbanner.name} could not be asked: ${messageOf(error)}` };
    }
    await clock.sleep(unbanner.lookEveryMs ?? LOOK_EVERY_MS, signal);
  }
  return undefined;
}

const ANOTHER = 'a ban that ends at another time stands, as it went on failing, or was banned anew';

function wasRefused(error: unknown): boolean {
  return error instanceof PermanentError || (error instanceof TransientError && error.isRefusal);
}

/** Milliseconds that have passed, read at least once a look: a clock that is set does not hurry it, or hold it up. */
function stopwatch(clock: Clock): () => number {
  let last = clock.now();
  let passed = 0;
  return () => {
    const step = clock.now() - last;
    last = clock.now();
    passed += step >= 0 && step <= LONGEST_STEP_MS ? step : LOOK_EVERY_MS;
    return passed;
  };
}

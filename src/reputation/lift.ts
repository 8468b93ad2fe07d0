import type { Clock } from '../core/clock.ts';
import { messageOf, PermanentError } from '../core/errors.ts';
import { formatDuration } from '../core/text.ts';
import type { StandingBan, Unbanner } from '../core/unbanner.ts';
import type { Decision } from '../ledger/decisions.ts';

const LOOK_EVERY_MS = 1_000;
/** On top of what the server takes at most. */
const SLACK_MS = 3_000;
/** How long an order that cannot be given is tried again. */
const SEND_FOR_MS = 30_000;
/** The end of one ban, as two sources have it. */
const SAME_END_MS = 5_000;

/** How a lift ended. `over`: the ban was gone, or another, before anything was done. */
export type LiftOutcome = { kind: 'lifted' | 'over' } | { kind: 'failed'; reason: string };

export interface Lift {
  decision: Pick<Decision, 'jail' | 'network' | 'sentAt'>;
  /** The end of the ban as it is known, in ms since the epoch. */
  until: number | undefined;
  unbanner: Unbanner;
  clock: Clock;
  /** The order was given. */
  onSent(): void;
  signal: AbortSignal;
}

/** Whether what stands is the ban that is meant, and not one that began since. */
export function isSameBan(standing: StandingBan, until: number | undefined): boolean {
  return standing.until === undefined || until === undefined || Math.abs(standing.until - until) <= SAME_END_MS;
}

/** Gives the order to lift a ban and sees that it is gone; undefined where `signal` aborts. To begin it twice does no harm. */
export async function liftAndVerify({
  decision,
  until,
  unbanner,
  clock,
  onSent,
  signal,
}: Lift): Promise<LiftOutcome | undefined> {
  const { jail, network, sentAt } = decision;
  const now = clock.now();
  const isRecent = sentAt !== undefined && sentAt <= now && now - sentAt < unbanner.takesMs;
  let sent = isRecent ? sentAt : undefined;
  const giveUpAt = now + SEND_FOR_MS;
  let problem = '';
  while (!signal.aborted) {
    try {
      const standing = await unbanner.look(jail, network, signal);
      if (signal.aborted) return undefined;
      const isMeant = standing !== undefined && isSameBan(standing, until);
      if (!isMeant) return { kind: sent === undefined && sentAt === undefined ? 'over' : 'lifted' };
      if (sent === undefined) {
        if (!(await unbanner.lift(jail, network, signal))) return { kind: 'over' };
        sent = clock.now();
        onSent();
      } else if (clock.now() - sent > unbanner.takesMs + SLACK_MS) {
        const waited = formatDuration(unbanner.takesMs + SLACK_MS);
        return { kind: 'failed', reason: `the ban still stands ${waited} after ${unbanner.name} was asked to lift it` };
      }
      problem = '';
    } catch (error) {
      problem = messageOf(error);
      const isOver = clock.now() > (sent ?? 0) + unbanner.takesMs + SLACK_MS && clock.now() > giveUpAt;
      // What will never work is not tried again: at mailcow's API a refused key counts as a failed login.
      if (!signal.aborted && (isOver || error instanceof PermanentError))
        return { kind: 'failed', reason: `${unbanner.name} could not be asked: ${problem}` };
    }
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
  return undefined;
}

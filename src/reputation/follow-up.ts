import type { Clock } from '../core/clock.ts';
import { messageOf, PermanentError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Decision } from '../ledger/decisions.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Allowances } from './allowances.ts';

const TRIES = 10;
const TRY_AGAIN_MS = 3_000;

export interface FollowUpOptions {
  ledger: Ledger;
  clock: Clock;
  logger: Logger;
  allowances: Pick<Allowances, 'allow'>;
}

/**
 * Puts the network of a ban that was lifted on the allowlist, where that was decided: once, however often it is called. That it
 * cannot is written down; the lift stays what it is. Never throws.
 */
export function createFollowUp({ ledger, clock, logger, allowances }: FollowUpOptions) {
  return async function follow({ banId, jail, network, allowMs }: Decision, signal: AbortSignal): Promise<void> {
    if (allowMs === 0 || ledger.audit.of(banId).some(({ action }) => action === 'allow')) return;
    const until = clock.now() + allowMs;
    // A person has seen to it, and for longer.
    if ((ledger.allowances.of(jail, network)?.until ?? 0) >= until) return;
    for (let tries = 1; !signal.aborted; tries++) {
      try {
        await allowances.allow({ jail, network, until, by: 'policy' }, signal, banId);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const reason = messageOf(error);
        if (error instanceof PermanentError || tries >= TRIES) {
          ledger.audit.add({
            at: clock.now(),
            by: 'policy',
            action: 'not-allowed',
            network,
            jail,
            banId,
            details: { reason },
          });
          logger.warn({ network, jail, reason }, 'a network whose ban was lifted could not be put on the allowlist');
          return;
        }
      }
      await clock.sleep(TRY_AGAIN_MS, signal);
    }
  };
}

import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Ban, BanEvent } from '../core/event.ts';
import type { Logger } from '../core/logger.ts';
import type { Delivery, Notifier } from '../core/notifier.ts';
import type { StandingBan, Unbanner } from '../core/unbanner.ts';
import type { Decision, DecisionState } from '../ledger/decisions.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { createFollowUp, type FollowUpOptions } from './follow-up.ts';
import type { Judge, Judgement } from './judge.ts';
import { isKnownBan, liftAndVerify } from './lift.ts';

/** Decisions that are made, and lifts that are carried out, at a time. */
const AT_ONCE = 16;
/** How long the server may not be asked for a ban before it is left to stand. */
const LOOK_FOR_MS = 60_000;
const LOOK_AGAIN_MS = 5_000;
const LONGEST_SLEEP_MS = 60_000;
const HOUR_MS = 3_600_000;

export type Mode = 'suggest' | 'dry_run' | 'enforce';

export interface AutoUnbanOptions {
  ledger: Ledger;
  clock: Clock;
  logger: Logger;
  mode: Mode;
  /** From the begin of a ban to the decision. */
  delayMs: number;
  /** Tell of every ban that stays, not only of own users'. */
  tellsAll: boolean;
  judge: Judge;
  unbannerOf(jail: string): Unbanner | undefined;
  allowances: FollowUpOptions['allowances'];
  /** Gives a ban the evidence that has come since it was told. */
  explain(banId: string): void;
  /** A ban as it is told now. */
  describe(banId: string): Ban | undefined;
  /** Publishes an event in one transaction with what else is to be written. */
  announce(event: BanEvent, alsoWrite: () => void): void;
  envelope(at: number): { id: string; at: string; host: string };
}

/**
 * Decides on each ban, lifts what should not stand, and sees that it is gone. Each step is in the ledger before the next
 * one is made: after a crash it goes on where it was, asks the server at most for the same once more, and tells nothing twice.
 */
export class AutoUnban {
  readonly #options: AutoUnbanOptions;
  readonly #busy = new Map<string, Promise<void>>();
  readonly #allow: ReturnType<typeof createFollowUp>;
  #wake = new AbortController();

  constructor(options: AutoUnbanOptions) {
    this.#options = options;
    this.#allow = createFollowUp(options);
  }

  /** Its side of the lane that hands it bans. */
  consumer(): Notifier {
    const { ledger, delayMs } = this.#options;
    return {
      notify: async ({ events }: Delivery) => {
        ledger.transaction(() => {
          for (const event of events) {
            if (event.type !== 'ban.started' || event.test) continue;
            const record = ledger.bans.byId(event.ban.id);
            if (record !== undefined) ledger.decisions.expect(record, Date.parse(event.ban.started_at) + delayMs);
          }
        });
        this.#wake.abort();
      },
    };
  }

  /** Works until `signal` aborts; what is under way then goes on after the next start. */
  async run(signal: AbortSignal): Promise<void> {
    const { ledger, clock, logger, delayMs } = this.#options;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      const now = clock.now();
      try {
        for (const decision of ledger.decisions.open(now, now + delayMs + LOOK_FOR_MS, AT_ONCE))
          this.#begin(decision, signal);
        const dueAt = this.#busy.size < AT_ONCE ? (ledger.decisions.nextDueAt() ?? Number.POSITIVE_INFINITY) : Infinity;
        const sleepMs = Math.min(Math.max(dueAt - clock.now(), 0) || LOOK_AGAIN_MS, LONGEST_SLEEP_MS);
        await clock.sleep(sleepMs, AbortSignal.any([signal, this.#wake.signal]));
      } catch (error) {
        logger.error({ err: error }, 'what is to be decided on bans could not be read; trying again');
        await clock.sleep(LOOK_AGAIN_MS, signal);
      }
    }
    await Promise.all(this.#busy.values());
  }

  #begin(decision: Decision, signal: AbortSignal): void {
    if (this.#busy.has(decision.banId) || this.#busy.size >= AT_ONCE) return;
    const work = decision.state === 'lifting' ? this.#lift(decision, signal) : this.#decide(decision, signal);
    const done = work
      .catch((error: unknown) => {
        if (signal.aborted) return undefined;
        this.#options.logger.error(
          { err: error, network: decision.network },
          'a ban could not be decided on; trying again',
        );
        return this.#options.clock.sleep(LOOK_AGAIN_MS, signal);
      })
      .then(() => {
        this.#busy.delete(decision.banId);
        this.#wake.abort();
      });
    this.#busy.set(decision.banId, done);
  }

  async #decide(decision: Decision, signal: AbortSignal): Promise<void> {
    const { ledger, judge, mode, unbannerOf, explain } = this.#options;
    const { banId, jail, network } = decision;
    if (!this.#stands(banId)) return this.#finish(decision, 'over');
    if (this.#isEarly(banId)) return;
    const unbanner = unbannerOf(jail);
    if (unbanner === undefined) return this.#keep(decision, [`nothing is configured that can lift bans of ${jail}`]);
    let live: StandingBan | undefined;
    try {
      live = await unbanner.look(jail, network, signal);
    } catch (error) {
      if (signal.aborted || this.#postpone(banId)) return;
      return this.#keep(decision, [`the server could not be asked about it: ${messageOf(error)}`]);
    }
    const record = ledger.bans.byId(banId);
    if (record === undefined || (record.confirmed && live === undefined)) return this.#finish(decision, 'over');
    if (live !== undefined && !isKnownBan(live, record)) {
      // Soon the ledger knows it, too.
      if (this.#postpone(banId)) return;
      return this.#keep(decision, ['its end moves: it goes on failing, or was banned anew']);
    }
    explain(banId);
    const ready = await judge.prepare(banId, live, mode !== 'enforce', signal);
    // From here to the commit nothing waits: no other decision comes in between, and caps hold.
    if (signal.aborted) return;
    if (ready === undefined || !this.#stands(banId)) return this.#finish(decision, 'over');
    // A person has seen to it meanwhile.
    if (ledger.decisions.of(banId)?.state !== 'due') return;
    const judgement = limitAllowance(ready.decide(), unbanner);
    if (judgement.action === 'keep') return this.#tell(decision, 'kept', 'keep', judgement);
    if (mode !== 'enforce') return this.#tell(decision, 'suggested', 'would-lift', judgement);
    const { allowMs } = judgement;
    this.#tell(decision, 'lifting', 'lift', judgement, { until: live?.until ?? record.until, allowMs });
    judge.lifted(network);
    // Comes back as one to be carried out.
  }

  /** The delay that is configured now is longer than the one that it fell due by: it is put off. */
  #isEarly(banId: string): boolean {
    const { ledger, clock, delayMs } = this.#options;
    const startedAt = ledger.bans.byId(banId)?.startedAt ?? 0;
    // Before its begin, the clock was set back: then nobody knows how long it has waited, and it is due.
    if (clock.now() < startedAt || clock.now() >= startedAt + delayMs) return false;
    ledger.decisions.postpone(banId, startedAt + delayMs);
    return true;
  }

  /** Looks again soon, while it is not too late for that; false if it is. */
  #postpone(banId: string): boolean {
    const { ledger, clock, delayMs } = this.#options;
    const startedAt = ledger.bans.byId(banId)?.startedAt ?? 0;
    if (clock.now() >= startedAt + delayMs + LOOK_FOR_MS) return false;
    ledger.decisions.postpone(banId, clock.now() + LOOK_AGAIN_MS);
    return true;
  }

  async #lift(decision: Decision, signal: AbortSignal): Promise<void> {
    const { ledger, clock, mode, unbannerOf } = this.#options;
    const { banId, jail, until, sentAt } = decision;
    const unbanner = unbannerOf(jail);
    if (unbanner === undefined) return this.#fail(decision, `nothing is configured that can lift bans of ${jail}`);
    if (mode !== 'enforce' && sentAt === undefined) return this.#fail(decision, `the mode is ${mode} by now`);
    const outcome = await liftAndVerify({
      decision,
      until,
      unbanner,
      clock,
      onOrder: (at) => ledger.decisions.sent(banId, at),
      signal,
    });
    if (outcome === undefined) return;
    if (outcome.kind === 'failed') return this.#fail(decision, outcome.reason);
    if (outcome.kind === 'lifted') await this.#allow(decision, signal);
    if (!signal.aborted) this.#finish(decision, outcome.kind);
  }

  #stands(banId: string): boolean {
    const record = this.#options.ledger.bans.byId(banId);
    return record !== undefined && record.state === 'open' && !record.leaving;
  }

  #keep(decision: Decision, reasons: string[]): void {
    this.#tell(decision, 'kept', 'keep', { action: 'keep', reasons, allowMs: 0, reputation: undefined });
  }

  /** Writes a decision down and, where somebody should know, tells it, in one. */
  #tell(
    decision: Decision,
    state: DecisionState,
    action: 'lift' | 'would-lift' | 'keep',
    { reasons, reputation, allowMs }: Judgement,
    lift?: Pick<Decision, 'until' | 'allowMs'>,
  ): void {
    const { ledger, clock, mode, tellsAll, announce, envelope, describe } = this.#options;
    const { banId, network, jail } = decision;
    const now = clock.now();
    const ban = describe(banId);
    const allowed = allowMs > 0 ? { allowlist_hours: allowMs / HOUR_MS } : {};
    const write = () => {
      const isFirst =
        lift === undefined ? ledger.decisions.move(banId, 'due', state, now) : ledger.decisions.lift(banId, lift, now);
      if (!isFirst) throw new Error(`${banId} was decided on already`);
      const details = { mode, reasons, reputation, ...allowed };
      ledger.audit.add({ at: now, by: 'policy', action, network, jail, banId, details });
    };
    if (ban === undefined || (action === 'keep' && !tellsAll && ban.known_users.length === 0))
      return ledger.transaction(write);
    const told = { ...ban, ...(reputation !== undefined && { reputation }) };
    const what = { action, mode, reasons, ...allowed };
    announce({ ...envelope(now), type: 'unban.decided', ban: told, decision: what }, write);
  }

  #fail(decision: Decision, reason: string): void {
    const { clock, announce, envelope, describe } = this.#options;
    const ban = describe(decision.banId);
    const write = () => this.#write(decision, 'failed', { reason });
    if (ban === undefined) return this.#options.ledger.transaction(write);
    announce({ ...envelope(clock.now()), type: 'unban.failed', ban, failure: { reason } }, write);
  }

  #finish(decision: Decision, state: 'lifted' | 'over'): void {
    this.#options.ledger.transaction(() => this.#write(decision, state, {}));
  }

  #write({ banId, state: from, network, jail }: Decision, state: DecisionState, details: object): void {
    const { ledger, clock } = this.#options;
    const now = clock.now();
    if (!ledger.decisions.move(banId, from, state, now)) return;
    // A ban that ended before anything was decided is nothing to look back at.
    if (from === 'due') return;
    ledger.audit.add({ at: now, by: 'policy', action: state, network, jail, banId, details });
  }
}

/** What cannot be taken off the allowlist again is not put there. */
function limitAllowance(judgement: Judgement, { cannotDisallow }: Unbanner): Judgement {
  if (judgement.allowMs === 0 || cannotDisallow === undefined) return judgement;
  return { ...judgement, allowMs: 0, reasons: [...judgement.reasons, `not put on the allowlist: ${cannotDisallow}`] };
}

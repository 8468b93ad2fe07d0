import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Ban, BanEvent } from '../core/event.ts';
import type { Logger } from '../core/logger.ts';
import type { Delivery, Notifier } from '../core/notifier.ts';
import type { Unbanner } from '../core/unbanner.ts';
import type { Decision, DecisionState } from '../ledger/decisions.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Judge } from './judge.ts';
import { isSameBan, liftAndVerify } from './lift.ts';

/** Decisions that are made, and lifts that are carried out, at a time. */
const AT_ONCE = 16;
/** How long the server may not be asked for a ban before it is left to stand. */
const LOOK_FOR_MS = 60_000;
const LOOK_AGAIN_MS = 5_000;
const LONGEST_SLEEP_MS = 60_000;

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
  #wake = new AbortController();

  constructor(options: AutoUnbanOptions) {
    this.#options = options;
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
    const { ledger, clock, judge, mode, unbannerOf } = this.#options;
    const { banId, jail, network } = decision;
    if (!this.#stands(banId)) return this.#finish(decision, 'over');
    const unbanner = unbannerOf(jail);
    if (unbanner === undefined) return this.#keep(decision, [`nothing is configured that can lift bans of ${jail}`]);
    let isStanding: boolean;
    try {
      const live = await unbanner.look(jail, network, signal);
      const record = ledger.bans.byId(banId);
      if (record === undefined || (record.confirmed && live === undefined)) return this.#finish(decision, 'over');
      isStanding = live !== undefined && isSameBan(live, record.until);
    } catch (error) {
      if (signal.aborted) return;
      if (clock.now() < (ledger.bans.byId(banId)?.startedAt ?? 0) + this.#options.delayMs + LOOK_FOR_MS)
        return ledger.decisions.postpone(banId, clock.now() + LOOK_AGAIN_MS);
      return this.#keep(decision, [`the server could not be asked about it: ${messageOf(error)}`]);
    }
    const ready = await judge.prepare(banId, isStanding, mode !== 'enforce', signal);
    // From here to the commit nothing waits: no other decision comes in between, and caps hold.
    if (signal.aborted) return;
    if (ready === undefined || !this.#stands(banId)) return this.#finish(decision, 'over');
    const { action, reasons, reputation } = ready.decide();
    if (action === 'keep') return this.#keep(decision, reasons, reputation);
    const isDone = mode === 'enforce';
    this.#tell(decision, isDone ? 'lifting' : 'suggested', {
      action: isDone ? 'lift' : 'would-lift',
      reasons,
      reputation,
    });
    if (isDone) judge.lifted(network);
    // Comes back as one to be carried out.
  }

  async #lift(decision: Decision, signal: AbortSignal): Promise<void> {
    const { ledger, clock, unbannerOf } = this.#options;
    const { banId, jail } = decision;
    const unbanner = unbannerOf(jail);
    const until = ledger.bans.byId(banId)?.until;
    if (unbanner === undefined) return this.#fail(decision, `nothing is configured that can lift bans of ${jail}`);
    const outcome = await liftAndVerify({
      decision,
      until,
      unbanner,
      clock,
      onSent: () => ledger.decisions.sent(banId, clock.now()),
      signal,
    });
    if (outcome === undefined) return;
    if (outcome.kind === 'failed') return this.#fail(decision, outcome.reason);
    this.#finish(decision, outcome.kind);
  }

  #stands(banId: string): boolean {
    const record = this.#options.ledger.bans.byId(banId);
    return record !== undefined && record.state === 'open' && !record.leaving;
  }

  #keep(decision: Decision, reasons: string[], reputation?: Ban['reputation']): void {
    this.#tell(decision, 'kept', { action: 'keep', reasons, reputation });
  }

  /** Writes a decision down and, where somebody should know, tells it, in one. */
  #tell(
    decision: Decision,
    state: DecisionState,
    {
      action,
      reasons,
      reputation,
    }: { action: 'lift' | 'would-lift' | 'keep'; reasons: string[]; reputation: Ban['reputation'] },
  ): void {
    const { ledger, clock, mode, tellsAll, announce, envelope, describe } = this.#options;
    const { banId, network, jail } = decision;
    const now = clock.now();
    const ban = describe(banId);
    const write = () => {
      if (!ledger.decisions.move(banId, 'due', state, now)) throw new Error(`${banId} was decided on already`);
      ledger.audit.add({ at: now, by: 'policy', action, network, jail, banId, details: { mode, reasons, reputation } });
    };
    if (ban === undefined || (action === 'keep' && !tellsAll && ban.known_users.length === 0))
      return ledger.transaction(write);
    const told = { ...ban, ...(reputation !== undefined && { reputation }) };
    announce({ ...envelope(now), type: 'unban.decided', ban: told, decision: { action, mode, reasons } }, write);
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

import type { Clock } from '../core/clock.ts';
import { messageOf, PermanentError, TransientError } from '../core/errors.ts';
import type { Ip, Network } from '../core/network.ts';
import type { Opinion, ReputationSource } from '../core/reputation.ts';
import type { Opinions } from '../ledger/opinions.ts';
import type { Answer } from './judge.ts';

/** A source that has just failed is not asked again for this long, so that not every ban waits for it. */
const PAUSE_MS = 30_000;
const FOR_GOOD = Number.POSITIVE_INFINITY;

export interface AskerOptions {
  sources: readonly ReputationSource[];
  /** What they said, across restarts. */
  opinions: Opinions;
  clock: Clock;
}

/** Asks all sources about one address or network, each at most once for the same at a time, and no more than it must. */
export class Asker {
  readonly #options: AskerOptions;
  readonly #underWay = new Map<string, Promise<Opinion | undefined>>();
  /** Sources that are left alone, by what they are asked about, until when, and why. */
  readonly #paused = new Map<string, { until: number; reason: string }>();

  constructor(options: AskerOptions) {
    this.#options = options;
  }

  /** Whether there is anybody to be asked. */
  get knowsAnybody(): boolean {
    return this.#options.sources.length > 0;
  }

  /** What all of them say, and which could not be asked. Never throws. */
  async ask(subject: Ip | Network, signal: AbortSignal): Promise<Answer> {
    const opinions: Opinion[] = [];
    const problems: { source: string; reason: string }[] = [];
    const work = this.#options.sources.map(async (source) => {
      try {
        const opinion = await this.#one(source, subject, signal);
        if (opinion !== undefined) opinions.push(opinion);
      } catch (error) {
        problems.push({ source: source.name, reason: messageOf(error) });
      }
    });
    await Promise.all(work);
    return { opinions, problems };
  }

  async #one(source: ReputationSource, subject: Ip | Network, signal: AbortSignal): Promise<Opinion | undefined> {
    const { opinions, clock } = this.#options;
    const { name, cacheMs } = source;
    const kept = cacheMs > 0 ? opinions.get(name, subject) : undefined;
    const now = clock.now();
    if (kept !== undefined && kept.checkedAt <= now && now - kept.checkedAt < cacheMs) return kept.opinion;
    const key = `${name} ${subject}`;
    const already = this.#underWay.get(key);
    if (already !== undefined) return await already;
    const paused = this.#paused.get(callOf(name, subject));
    if (paused !== undefined && paused.until > now) throw new TransientError(paused.reason);
    const call = this.#call(source, subject, signal).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, call);
    return await call;
  }

  async #call(source: ReputationSource, subject: Ip | Network, signal: AbortSignal): Promise<Opinion | undefined> {
    const { opinions, clock } = this.#options;
    const call = callOf(source.name, subject);
    try {
      const opinion = isNetwork(subject)
        ? await source.lookUpNetwork?.(subject, signal)
        : await source.lookUp(subject, signal);
      this.#paused.delete(call);
      if (source.cacheMs > 0) opinions.put(source.name, subject, { opinion, checkedAt: clock.now() });
      return opinion;
    } catch (error) {
      const isOfThis = error instanceof PermanentError && error.isPayload;
      if (!signal.aborted && !isOfThis) this.#pause(call, error);
      throw error;
    }
  }

  #pause(call: string, error: unknown): void {
    const now = this.#options.clock.now();
    const asked = error instanceof TransientError ? (error.retryAfterMs ?? 0) : 0;
    const until = error instanceof PermanentError ? FOR_GOOD : now + Math.max(PAUSE_MS, asked);
    this.#paused.set(call, { until, reason: messageOf(error) });
  }
}

function isNetwork(subject: Ip | Network): subject is Network {
  return subject.includes('/');
}

/** Addresses and networks are asked about in ways of their own: one of them may fail alone. */
function callOf(name: string, subject: Ip | Network): string {
  return `${name} ${isNetwork(subject) ? 'network' : 'address'}`;
}

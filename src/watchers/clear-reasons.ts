import type { Network } from '../core/network.ts';
import { RESTART_MARKER, STOP_MARKER } from './netfilter-messages.ts';

/** A marker may be this much older than the look that saw every ban still stand: a stop takes its time. */
const BEFORE_MS = 2_000;
/** A stop that lifts thousands of bans one by one goes on until none was lifted for this long. */
const STOP_GOES_ON_MS = 10_000;

const RESTARTED = 'netfilter restarted';
const STOPPED = 'netfilter was stopped';
const VANISHED = 'all of them vanished from Redis at once';

/** More than this of a ban's time left means that it did not just expire: netfilter looks every ten seconds. */
const PURGE_TICK_MS = 10_000;

/** Bans that stood at the last look, had time left, and are gone. */
export interface Loss {
  networks: readonly Network[];
  /** Nothing that had time left is still there. */
  isAll: boolean;
  /** When all of them were last seen, in ms since the epoch. */
  lastSeenAt: number;
}

/** What was lost between two looks; undefined if nothing that had time left. */
export function lossBetween(
  before: ReadonlyMap<Network, number | undefined>,
  after: ReadonlyMap<Network, unknown>,
  { lastSeenAt, now }: { lastSeenAt: number; now: number },
): Loss | undefined {
  const networks: Network[] = [];
  let isAll = true;
  for (const [network, until] of before) {
    if (until === undefined || now >= until - PURGE_TICK_MS) continue;
    if (after.has(network)) isAll = false;
    else networks.push(network);
  }
  return networks.length === 0 ? undefined : { networks, isAll, lastSeenAt };
}

/** What netfilter itself says, by whichever way it is read. */
export interface NetfilterWords {
  /** Messages of its log since a time in ms, the newest first; none is needed behind one that `isLast` accepts. */
  messages(since: number, isLast: (message: string) => boolean): Promise<readonly string[]>;
  /** Whether it is just about to start: it drops every ban a while before it says so. */
  isStarting(since: number): Promise<boolean>;
}

/** Tells bans that netfilter dropped, all at once, from those that a person lifted. */
export class ClearReasons {
  readonly #words: NetfilterWords;
  #stoppingUntil = 0;

  constructor(words: NetfilterWords) {
    this.#words = words;
  }

  /** Why they are gone, for a person; undefined if they were lifted one by one. */
  async ofLoss(loss: Loss, now: number): Promise<string | undefined> {
    const since = loss.lastSeenAt - BEFORE_MS;
    const messages = await this.#words.messages(since, isMarker);
    const marker = messages.at(-1);
    if (marker === RESTART_MARKER) return RESTARTED;
    if (marker === STOP_MARKER || now < this.#stoppingUntil) {
      this.#stoppingUntil = now + STOP_GOES_ON_MS;
      return STOPPED;
    }
    const said = new Set(messages);
    if (!loss.isAll || loss.networks.every((network) => said.has(`Unbanning ${network}`))) return undefined;
    if (loss.networks.length > 1) return VANISHED;
    return (await this.#words.isStarting(since)) ? RESTARTED : undefined;
  }

  /** Why bans may be missing that stood when cowbell was last here. */
  async ofAbsence(since: number): Promise<string | undefined> {
    const marker = (await this.#words.messages(since, isMarker)).at(-1);
    if (marker === RESTART_MARKER) return RESTARTED;
    return marker === STOP_MARKER ? STOPPED : undefined;
  }
}

/** The newest of the two says what happened last. */
function isMarker(message: string): boolean {
  return message === RESTART_MARKER || message === STOP_MARKER;
}

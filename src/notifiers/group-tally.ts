import type { Ban, BanEvent, EndReason } from '../core/event.ts';
import { type Network, parseNetwork, prefixOf } from '../core/network.ts';
import type { OtherEvent } from './compose-other.ts';
import type { UnbanTold } from './compose-unban.ts';

/** Bans of strangers that one message lists; the rest is counted. */
export const LISTED = 10;
/** Bans of own users, and pieces of news, that one message lists. */
export const MOST_LISTED = 20;

/** What a person must not miss among many. */
const NEWS: readonly BanEvent['type'][] = ['source.down', 'source.up', 'notifier.down', 'notifier.up', 'bans.cleared'];

/**
 * What a message about many events says of them, taken in one pass: the counts are exact, of the events themselves only
 * those that will be listed are kept.
 */
export class GroupTally {
  total = 0;
  tests = 0;
  started = 0;
  extended = 0;
  ended = 0;
  /** How those of the bans that started here ended, where they did; undefined while they stand. */
  readonly endOf = new Map<string, EndReason | undefined>();
  /** Bans that started and ended: they are told once. */
  over = 0;
  own = 0;
  attempts = 0;
  late = 0;
  claimed = 0;
  unconfirmed = 0;
  others = 0;
  firstAt = Number.POSITIVE_INFINITY;
  lastAt = Number.NEGATIVE_INFINITY;
  readonly hosts = new Set<string>();
  readonly services = new Map<string, number>();
  readonly countries = new Map<string, number>();
  /** Bans of which it is not known. */
  ofNoService = 0;
  ofNoCountry = 0;
  /** Of the networks that were banned, by /24 and /48. */
  readonly neighbourhoods = new Map<string, number>();
  readonly endReasons = new Map<EndReason, number>();
  readonly otherTypes = new Map<OtherEvent['type'], number>();
  /** The first of them. */
  readonly ownBans: Ban[] = [];
  /** The worst first. */
  readonly worst: Ban[] = [];
  /** The first of those that had started before. */
  readonly endedBans: Ban[] = [];
  /** What was decided on bans, by what was decided; `failed` is a lift that did not work. */
  readonly decisions = new Map<'lift' | 'would-lift' | 'keep' | 'failed', number>();
  /** The first of them. */
  readonly decided: UnbanTold[] = [];
  /** Bans that are lifted here: that they then ended is not told twice. */
  readonly #lifting = new Set<string>();
  #liftedHere = 0;
  newsCount = 0;
  readonly news: OtherEvent[] = [];
  readonly quiet: OtherEvent[] = [];

  add(event: BanEvent): void {
    const at = Date.parse(event.at);
    this.total++;
    this.firstAt = Math.min(this.firstAt, at);
    this.lastAt = Math.max(this.lastAt, at);
    if (event.test) this.tests++;
    if (this.hosts.size < LISTED) this.hosts.add(event.host);
    if (event.type === 'ban.started') this.#start(event.ban);
    else if (event.type === 'ban.ended') this.#end(event.ban);
    else if (event.type === 'ban.extended') this.extended++;
    else if ('ban' in event) this.#decide(event);
    else this.#other(event);
  }

  /** Those that ended, and whose beginning is not told in the same message. */
  get endedAlone(): number {
    return this.ended - this.over - this.#liftedHere;
  }

  #start(ban: Ban): void {
    this.started++;
    this.attempts += ban.attempts;
    this.endOf.set(ban.id, undefined);
    if (ban.late) this.late++;
    if (ban.claimed) this.claimed++;
    if (!ban.confirmed) this.unconfirmed++;
    for (const service of ban.services) count(this.services, service);
    const country = ban.offenders[0]?.country;
    if (country === undefined) this.ofNoCountry++;
    else count(this.countries, country);
    if (ban.services.length === 0) this.ofNoService++;
    count(this.neighbourhoods, neighbourhoodOf(ban.network as Network));
    if (ban.known_users.length > 0) {
      this.own++;
      if (this.ownBans.length < MOST_LISTED) this.ownBans.push(ban);
      return;
    }
    const place = this.worst.findIndex((each) => each.attempts < ban.attempts);
    if (place === -1 && this.worst.length >= LISTED) return;
    this.worst.splice(place === -1 ? this.worst.length : place, 0, ban);
    this.worst.length = Math.min(this.worst.length, LISTED);
  }

  #end(ban: Ban): void {
    const reason = ban.end_reason ?? 'expired';
    this.ended++;
    count(this.endReasons, reason);
    if (this.endOf.has(ban.id) && this.endOf.get(ban.id) === undefined) {
      this.over++;
      this.endOf.set(ban.id, reason);
    } else if (this.#lifting.has(ban.id)) {
      this.#liftedHere++;
    } else if (this.endedBans.length < LISTED) {
      this.endedBans.push(ban);
    }
  }

  #decide(event: UnbanTold): void {
    count(this.decisions, event.type === 'unban.failed' ? 'failed' : event.decision.action);
    if (event.type === 'unban.decided' && event.decision.action === 'lift') this.#lifting.add(event.ban.id);
    if (this.decided.length < LISTED) this.decided.push(event);
  }

  #other(event: OtherEvent): void {
    this.others++;
    count(this.otherTypes, event.type);
    const isNews = NEWS.includes(event.type);
    if (isNews) this.newsCount++;
    const list = isNews ? this.news : this.quiet;
    if (list.length < (isNews ? MOST_LISTED : LISTED)) list.push(event);
  }
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** The commonest first. */
export function commonest<K>(counts: ReadonlyMap<K, number>, most: number): [K, number][] {
  return [...counts].sort((a, b) => b[1] - a[1]).slice(0, most);
}

/** The /24 or /48 that a network lies in, or itself where it is wider: about what a provider gives to one customer. */
function neighbourhoodOf(network: Network): Network {
  const prefix = network.includes(':') ? 48 : 24;
  if (prefixOf(network) <= prefix) return network;
  return parseNetwork(`${network.slice(0, network.lastIndexOf('/'))}/${prefix}`) ?? network;
}

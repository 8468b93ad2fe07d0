import type { Ban, BanEvent, BanEventType } from '../core/event.ts';
import { type Network, networkWithin, parseNetwork } from '../core/network.ts';

/** Which events a consumer is sent. What an event does not know, no condition on it keeps it from being sent. */
export interface Route {
  /** The consumer's own name: nobody is told of his own trouble. */
  name: string;
  events: readonly BanEventType[];
  filter?: BanFilter | undefined;
  /** Networks that nothing is told of. */
  mute?: readonly string[] | undefined;
}

/** Conditions on bans, all of which must hold; other events pass. Empty lists hold. */
export interface BanFilter {
  jails: readonly string[];
  services: readonly string[];
  networks: readonly string[];
  except_networks: readonly string[];
  /** Of any offender; ISO 3166-1 alpha-2. A ban whose country is unknown passes. */
  countries: readonly string[];
  except_countries: readonly string[];
  known_users: 'any' | 'only' | 'never';
  /** Bans of the network in the window of the history, this one included. */
  min_bans: number;
  /** Reputation; a ban whose score is unknown passes. */
  min_score?: number | undefined;
  max_score?: number | undefined;
}

/** The test of a route, with its networks read once. */
export function createRoute({ name, events, filter, mute = [] }: Route): (event: BanEvent) => boolean {
  const wanted = new Set(events);
  const muted = networksOf(mute);
  const holds = filter === undefined ? () => true : createFilter(filter);
  return (event) => {
    if (!wanted.has(event.type) || isAbout(event, name)) return false;
    if ('ban' in event) return !isInside(event.ban.network, muted) && holds(event.ban);
    if ('denylist' in event) return !isInside(event.denylist.network, muted);
    if ('allowlist' in event) return !isInside(event.allowlist.network, muted);
    return event.type !== 'bans.cleared' || filter === undefined || isIn(filter.jails, event.cleared.jail);
  };
}

function isAbout(event: BanEvent, name: string): boolean {
  if ('notifier' in event) return event.notifier.name === name;
  return 'refused' in event && event.refused.name === name;
}

function createFilter(filter: BanFilter): (ban: Ban) => boolean {
  const inside = networksOf(filter.networks);
  const outside = networksOf(filter.except_networks);
  const { jails, services, countries, except_countries, known_users, min_bans, min_score, max_score } = filter;
  return (ban) => {
    const score = ban.reputation?.score;
    const found = ban.offenders.flatMap(({ country }) => country ?? []);
    const isOwn = ban.known_users.length > 0;
    return (
      isIn(jails, ban.jail) &&
      (services.length === 0 || ban.services.some((service) => services.includes(service))) &&
      (inside.length === 0 || isInside(ban.network, inside)) &&
      !isInside(ban.network, outside) &&
      (countries.length === 0 || found.length === 0 || found.some((country) => countries.includes(country))) &&
      !(found.length > 0 && found.every((country) => except_countries.includes(country))) &&
      (known_users === 'any' || isOwn === (known_users === 'only')) &&
      (ban.history?.bans ?? min_bans) >= min_bans &&
      (min_score === undefined || score === undefined || score >= min_score) &&
      (max_score === undefined || score === undefined || score <= max_score)
    );
  };
}

function isIn(list: readonly string[], value: string): boolean {
  return list.length === 0 || list.includes(value);
}

function networksOf(list: readonly string[]): Network[] {
  return list.flatMap((text) => parseNetwork(text) ?? []);
}

/** A name, as the denylist may hold, is inside no network. */
function isInside(text: string, networks: readonly Network[]): boolean {
  if (networks.length === 0) return false;
  const network = parseNetwork(text);
  return network !== undefined && networks.some((each) => networkWithin(network, each));
}

/** What passes quiet hours: kinds of events, and the bans of own users where `own_users` is among them. */
export function createUrgency(urgent: readonly string[]): (event: BanEvent) => boolean {
  const kinds = new Set(urgent);
  return (event) =>
    kinds.has(event.type) ||
    (kinds.has('own_users') && event.type === 'ban.started' && event.ban.known_users.length > 0);
}

import { type Network, networkWithin, prefixOf } from '../core/network.ts';
import { formatDuration, plural } from '../core/text.ts';

/** What a person has decided about lifting bans. */
export interface PolicySettings {
  /** The worst offender may have this score at most. */
  max_score: number;
  /** Logins of own users from inside the network; 0 asks for none. */
  min_known_logins: number;
  /** Older logins do not count. */
  known_user_max_age_days: number;
  /** Which of the two has to hold: a good reputation, known users. */
  require: 'any' | 'all';
  /** Only bans for failures on these; empty means on any. */
  services: readonly string[];
  /** Only where all offenders come from these, ISO 3166-1 alpha-2; empty means from any. */
  countries: readonly string[];
  /** Never lifted where it overlaps one of these. */
  never: readonly Network[];
  /** Lifted without a look at reputation, users, services, countries and history, where it lies inside one of these. */
  always: readonly Network[];
  /** Shortest prefix: a wider network stays banned. */
  max_prefix: { ipv4: number; ipv6: number };
  /** Bans of the network in the window of the history, this one not counted. */
  max_previous_bans: number;
  max_lifts_per_network: number;
  /** The window of `max_lifts_per_network`, and of what failed again after a lift. */
  lift_window_hours: number;
  max_lifts_per_hour: number;
  /** What is done with a network whose ban is lifted. */
  then: 'nothing' | 'allowlist';
  /** How long it is on the allowlist. */
  allowlist_hours: number;
}

/** All that a decision is made from; what is undefined is unknown. Times in ms since the epoch. */
export interface PolicyInput {
  now: number;
  ban: {
    network: Network;
    startedAt: number;
    permanent: boolean;
    /** The address comes from what the client wrote. */
    claimed: boolean;
    services: readonly string[];
  };
  /** The server itself has the ban now: more than a log line says so. */
  isStanding: boolean;
  /** Of the worst offender; undefined where it is not known of each of them. */
  score: number | undefined;
  /** Who gave the score, or why there is none; for a person. */
  scoreNote: string;
  /** Of each offender; undefined where one of them is not known. */
  countries: readonly string[] | undefined;
  /** Who logs in from inside the network. */
  knownUsers: readonly { logins: number; lastAt: number }[];
  previousBans: number | undefined;
  /** When networks that overlap this one were lifted, within the window. */
  lifts: readonly number[];
  /** Lifts of any network within the last hour. */
  liftsInHour: number;
}

export interface Verdict {
  action: 'keep' | 'lift';
  /** For a person, the weightiest first; at least one. */
  reasons: string[];
  /** How long its network is on the allowlist then, in ms; 0 where it is not put there. */
  allowMs: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Decides about one ban. It stays unless everything speaks for lifting it, and whatever is unknown speaks against. */
export function decide(input: PolicyInput, settings: PolicySettings): Verdict {
  const isAlways = settings.always.some((each) => networkWithin(input.ban.network, each));
  const problems = [
    ...standingProblems(input),
    ...networkProblems(input.ban.network, settings),
    ...liftProblems(input, settings),
    ...(isAlways ? [] : banProblems(input, settings)),
  ];
  if (problems.length > 0) return { action: 'keep', reasons: problems, allowMs: 0 };
  if (isAlways) return lift(['it lies in a network that is always lifted'], settings, true);
  const users = knownUsersOf(input, settings);
  const reputation = reputationOf(input, settings);
  // A score that nobody asked for explains nothing.
  const conditions = input.score === undefined ? [...users, reputation] : [reputation, ...users];
  const met = conditions.filter(({ holds }) => holds);
  const unmet = conditions.filter(({ holds }) => !holds);
  const isMet = settings.require === 'all' ? unmet.length === 0 : met.length > 0;
  // What decided it stands first.
  const reasons = (isMet ? met : [...unmet, ...met]).map(({ text }) => text);
  if (!isMet) return { action: 'keep', reasons, allowMs: 0 };
  return lift(
    reasons,
    settings,
    users.some(({ holds }) => holds),
  );
}

/** A good score lets nobody guess passwords for hours: only where somebody is known is a network put on the allowlist. */
function lift(reasons: string[], { then, allowlist_hours }: PolicySettings, isKnown: boolean): Verdict {
  if (then === 'nothing') return { action: 'lift', reasons, allowMs: 0 };
  if (isKnown) return { action: 'lift', reasons, allowMs: allowlist_hours * HOUR_MS };
  return {
    action: 'lift',
    reasons: [...reasons, 'not put on the allowlist: it is known by its score alone'],
    allowMs: 0,
  };
}

/** Whether asking for reputation, which tells countries too, can change the verdict: it costs calls. */
export function needsScore(input: PolicyInput, settings: PolicySettings): boolean {
  const worst = { ...input, score: undefined };
  const best = { ...input, score: 0, countries: input.countries ?? settings.countries };
  return decide(best, settings).action !== decide(worst, settings).action;
}

function standingProblems({ ban, isStanding }: PolicyInput): string[] {
  return [
    ...(isStanding ? [] : ['only a log line says that it is banned']),
    ...(ban.claimed ? ['the address comes from what the client wrote, and may be somebody else’s'] : []),
    ...(ban.permanent ? ['the ban is meant to have no end'] : []),
  ];
}

function networkProblems(network: Network, { never, max_prefix }: PolicySettings): string[] {
  const narrowest = network.includes(':') ? max_prefix.ipv6 : max_prefix.ipv4;
  const isNever = never.some((each) => networkWithin(network, each) || networkWithin(each, network));
  return [
    ...(isNever ? ['it touches a network that is never lifted'] : []),
    ...(prefixOf(network) >= narrowest ? [] : [`it is wider than /${narrowest}`]),
  ];
}

/** Against whoever would use the policy to be let in over and over. */
function liftProblems({ now, ban, lifts, liftsInHour }: PolicyInput, settings: PolicySettings): string[] {
  const window = formatDuration(settings.lift_window_hours * HOUR_MS);
  // One that is said to come is as good as one that was: the clock was set back.
  const failedAgain = lifts.some((at) => !(at > ban.startedAt) || at > now);
  return [
    ...(failedAgain ? [`it failed again after it was lifted in the last ${window}`] : []),
    ...(lifts.length < settings.max_lifts_per_network
      ? []
      : [`it was lifted ${timesOf(lifts.length)} in the last ${window}, as often as is allowed`]),
    ...(liftsInHour < settings.max_lifts_per_hour
      ? []
      : [`as many bans were lifted in the last hour as are allowed: ${liftsInHour}`]),
  ];
}

function banProblems({ ban, countries, previousBans }: PolicyInput, settings: PolicySettings): string[] {
  const { services } = ban;
  const foreign = services.filter((service) => !settings.services.includes(service));
  const isService = settings.services.length === 0 || (services.length > 0 && foreign.length === 0);
  const isCountry =
    settings.countries.length === 0 ||
    (countries !== undefined &&
      countries.length > 0 &&
      countries.every((country) => settings.countries.includes(country)));
  const hasHistory = previousBans !== undefined && previousBans <= settings.max_previous_bans;
  return [
    ...(isService ? [] : [services.length === 0 ? 'it is not known on which service it failed' : 'of another service']),
    ...(isCountry ? [] : [(countries ?? []).length === 0 ? 'its country is not known' : 'it is in another country']),
    ...(hasHistory
      ? []
      : [
          previousBans === undefined
            ? 'its history is not known'
            : `banned ${timesOf(previousBans)} before, at most ${settings.max_previous_bans} allowed`,
        ]),
  ];
}

interface Condition {
  holds: boolean;
  text: string;
}

function reputationOf({ score, scoreNote }: PolicyInput, { max_score }: PolicySettings): Condition {
  // Not a number is no score.
  const isKnown = score !== undefined && score >= 0 && score <= 100;
  if (!isKnown) return { holds: false, text: `no score: ${scoreNote}` };
  const holds = score <= max_score;
  return { holds, text: `score ${score} of 100 (${scoreNote}), ${holds ? 'within' : 'above'} ${max_score}` };
}

/** Left out where no login is asked for: nothing would hold it up. */
function knownUsersOf({ now, knownUsers }: PolicyInput, settings: PolicySettings): Condition[] {
  const { min_known_logins, known_user_max_age_days } = settings;
  if (min_known_logins === 0) return [];
  const since = now - known_user_max_age_days * DAY_MS;
  const recent = knownUsers.filter(({ lastAt }) => lastAt >= since && lastAt <= now);
  const logins = recent.reduce((sum, user) => sum + user.logins, 0);
  const holds = logins >= min_known_logins;
  const from = `own users logged in ${timesOf(logins)} in ${plural(known_user_max_age_days, 'day')}`;
  return [{ holds, text: holds ? from : `${from}, at least ${min_known_logins} needed` }];
}

function timesOf(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

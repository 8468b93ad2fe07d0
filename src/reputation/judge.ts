import type { Clock } from '../core/clock.ts';
import { toRfc3339 } from '../core/clock.ts';
import type { Ban } from '../core/event.ts';
import { holdingOf, hostOf, type Ip, type Network, networksOverlap } from '../core/network.ts';
import type { Opinion } from '../core/reputation.ts';
import type { StandingBan } from '../core/unbanner.ts';
import type { BanRecord } from '../ledger/bans.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { decide, needsScore, type PolicyInput, type PolicySettings, type Verdict } from './policy.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Offenders that a ban names; where there are more, the network as a whole is asked about, too. */
const NAMED = 10;

/** What all sources together say of an address or a network. */
export interface Answer {
  opinions: readonly Opinion[];
  /** Sources that could not be asked, and why. */
  problems: readonly { source: string; reason: string }[];
}

export type AskAbout = (subject: Ip | Network, signal: AbortSignal) => Promise<Answer>;

export interface Judgement extends Verdict {
  /** The opinion on the worst offender, if there is one. */
  reputation: Ban['reputation'];
}

/** Decides by what the ledger and the sources of reputation know. */
export interface Judge {
  /**
   * Gathers what a decision on this ban is made from, as the server has it now; undefined if there is no such ban. What may change meanwhile, how much
   * was lifted, is looked at by `decide`, which does not wait.
   */
  prepare(
    banId: string,
    standing: StandingBan | undefined,
    withSuggested: boolean,
    signal: AbortSignal,
  ): Promise<{ decide(): Judgement } | undefined>;
  /** The policy has lifted a ban of this network. */
  lifted(network: Network): void;
}

export interface JudgeOptions {
  ledger: Ledger;
  clock: Clock;
  settings: PolicySettings;
  historyDays: number;
  /** Undefined where nobody is to be asked. */
  ask: AskAbout | undefined;
  /** Milliseconds that run on evenly, whatever is done to the clock. */
  uptime?: () => number;
}

export function createJudge({
  ledger,
  clock,
  settings,
  historyDays,
  ask,
  uptime = () => performance.now(),
}: JudgeOptions): Judge {
  const windowMs = settings.lift_window_hours * HOUR_MS;
  /** Lifts of this process: a clock that is set forward does not bring them out of their window. */
  let recent: { at: number; network: Network }[] = [];

  const liftsOf = ({ jail, network }: BanRecord, now: number, withSuggested: boolean) => {
    recent = recent.filter(({ at }) => uptime() - at < Math.max(windowMs, HOUR_MS));
    const holding = holdingOf(network);
    const recorded = ledger.decisions
      .liftsOf(holding, now - windowMs, withSuggested)
      // A network is banned anew only once it was lifted: then this ban is the later one, whatever the clock says.
      .map((lift) => (lift.jail === jail && lift.network === network ? Number.NaN : lift.at));
    const mine = recent.filter((each) => uptime() - each.at < windowMs && networksOverlap(each.network, holding));
    // One that the ledger no longer counts was made before the clock was set: it is of no known time.
    const lost = Array.from({ length: Math.max(0, mine.length - recorded.length) }, () => Number.NaN);
    const inHour = recent.filter(({ at }) => uptime() - at < HOUR_MS).length;
    return {
      lifts: [...recorded, ...lost],
      liftsInHour: Math.max(inHour, ledger.audit.liftsSince(now - HOUR_MS, withSuggested)),
    };
  };

  return {
    async prepare(banId, standing, withSuggested, signal) {
      const found = ledger.bans.byId(banId);
      if (found === undefined) return undefined;
      const gather = (record: BanRecord): PolicyInput => {
        const now = clock.now();
        const { network } = record;
        const { bans } = ledger.bans.history(network, now - historyDays * DAY_MS);
        return {
          now,
          ban: {
            network,
            startedAt: record.startedAt,
            permanent: record.permanent || standing?.until === Number.POSITIVE_INFINITY,
            claimed: record.claimed,
            services: record.reasons?.services ?? [],
          },
          isStanding: standing !== undefined,
          score: undefined,
          scoreNote: ask === undefined ? 'nobody is asked' : 'not asked, as it would change nothing',
          countries: countriesOf(record),
          knownUsers: ledger.knownUsers.inside(network, now - settings.known_user_max_age_days * DAY_MS),
          previousBans: bans - 1,
          ...liftsOf(record, now, withSuggested),
        };
      };
      const subjects = subjectsOf(found);
      const isAsked = ask !== undefined && needsScore(gather(found), settings);
      const known = isAsked ? await askAll(subjects, ask, signal) : undefined;
      return {
        decide() {
          const record = ledger.bans.byId(banId) ?? found;
          const isOfAll = subjectsOf(record).every((subject) => subjects.includes(subject));
          const { reputation, countries, ...score } = (isOfAll ? known : OTHERS) ?? { reputation: undefined };
          const gathered = gather(record);
          const input = { ...gathered, ...score, countries: gathered.countries ?? countries };
          return { ...decide(input, settings), reputation };
        },
      };
    },
    lifted(network) {
      recent.push({ at: uptime(), network });
    },
  };
}

const OTHERS = {
  score: undefined,
  scoreNote: 'others offended while it was asked for',
  countries: undefined,
  reputation: undefined,
};

/** Who is asked about: the host, or the offenders of a wider network; all of it where they are not known, or too many. */
export function subjectsOf({ network, reasons }: BanRecord): (Ip | Network)[] {
  const host = hostOf(network);
  if (host !== undefined) return [host];
  const offenders = (reasons?.offenders ?? []).map(({ ip }) => ip as Ip);
  return offenders.length === 0 || offenders.length >= NAMED ? [...offenders, network] : offenders;
}

/** By the databases on this machine; undefined where one of them knows nothing, or more have offended than are named. */
export function countriesOf({ reasons }: BanRecord): string[] | undefined {
  const offenders = reasons?.offenders ?? [];
  const countries = offenders.flatMap(({ country }) => country ?? []);
  return offenders.length > 0 && offenders.length < NAMED && countries.length === offenders.length
    ? countries
    : undefined;
}

/** The worst of all decides; where one of them cannot be told, nothing is known. */
async function askAll(subjects: readonly (Ip | Network)[], ask: AskAbout, signal: AbortSignal) {
  const answers = await Promise.all(subjects.map(async (subject) => ({ subject, ...(await ask(subject, signal)) })));
  const worst = answers.flatMap(({ opinions }) => opinions).sort((a, b) => b.score - a.score)[0];
  const problem = answers.flatMap(({ problems }) => problems)[0];
  const unknown = answers.find(({ opinions }) => opinions.length === 0);
  const countries = answers.map(({ opinions }) => opinions.find(({ country }) => country !== undefined)?.country);
  const why =
    problem !== undefined
      ? `${problem.source}: ${problem.reason}`
      : unknown !== undefined
        ? `nobody knows ${unknown.subject}`
        : undefined;
  return {
    score: why === undefined ? worst?.score : undefined,
    scoreNote: why ?? [...new Set(answers.flatMap(({ opinions }) => opinions.map(({ source }) => source)))].join(', '),
    countries: countries.every((country) => country !== undefined) ? (countries as string[]) : undefined,
    reputation:
      worst === undefined
        ? undefined
        : {
            source: worst.source,
            score: worst.score,
            ...(worst.reports !== undefined && { reports: worst.reports }),
            checked_at: toRfc3339(worst.checkedAt),
          },
  };
}

import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { messageOf, PermanentError, TransientError } from '../core/errors.ts';
import type { HttpClient } from '../core/http.ts';
import type { Logger } from '../core/logger.ts';
import type { Network } from '../core/network.ts';
import type { Observation } from '../core/observation.ts';
import { plural, safeText } from '../core/text.ts';
import type { Batch, Cursor, MailcowApiAddress, Watcher, WatcherDefinition } from '../core/watcher.ts';
import { ClearReasons, lossBetween, type NetfilterWords } from './clear-reasons.ts';
import { createMailcowApi, type MailcowApi, mailcowApiOf } from './mailcow-api-client.ts';
import { type ApiLook, ApiLooks } from './mailcow-api-looks.ts';
import { readApiState, StableEnds } from './mailcow-api-state.ts';
import { createApiWords } from './mailcow-api-words.ts';
import { untilNextPoll } from './poll-times.ts';

const Options = z.object({
  poll_interval_seconds: z
    .int()
    .min(10)
    .max(3_600)
    .default(30)
    .describe('How often mailcow is asked; every call costs it a line in its API log'),
});

/** The bans as mailcow's API tells them, for a host that reaches neither Docker nor Redis. */
export const mailcowApiWatcher: WatcherDefinition<typeof Options> = {
  type: 'mailcow-api',
  summary: "The state of all bans by mailcow's API, for a host that reaches neither its Docker nor its Redis",
  options: Options,
  reads: 'api',
  byDefault: true,
  tellsOf: (jail) => jail === JAIL,
  create: (name, options, tools) => {
    const { http, clock, logger } = tools;
    const address = mailcowApiOf(name, tools);
    return new MailcowApiWatcher({
      name,
      everyMs: options.poll_interval_seconds * 1_000,
      address,
      http,
      clock,
      logger,
    });
  },
  probe: async (_options, tools, signal) => {
    const { http, clock } = tools;
    const { bans, denylist } = await ask(
      createMailcowApi({ address: mailcowApiOf('mailcow-api', tools), http, clock }),
      signal,
    );
    return `mailcow's API answers: ${plural(bans.size, 'ban')}, ${plural(denylist.length, 'denylist entry', 'denylist entries')}`;
  },
};

const JAIL = 'netfilter';
/** Behind the polls of logs by the API, so that what a log says of a ban is known when the ban is seen. */
const BEHIND_LOGS_MS = 2_000;
const TOLD_GARBAGE = 100;

/** When the state was last read, so that a restart of netfilter while cowbell was away is noticed. */
const Position = z.object({ at: z.number() });

interface Setting {
  name: string;
  everyMs: number;
  address: MailcowApiAddress;
  http: HttpClient;
  clock: Clock;
  logger: Logger;
}

class MailcowApiWatcher implements Watcher {
  readonly name: string;
  readonly authority = 'state';
  readonly witness = {
    covers: (jail: string) => jail === JAIL,
    look: (_jail: string, network: Network, expected: ApiLook['expected']) => this.#looks.ask(network, expected),
  };
  readonly #setting: Setting;
  readonly #looks: ApiLooks;
  readonly #toldGarbage = new Set<string>();

  constructor(setting: Setting) {
    this.name = setting.name;
    this.#setting = setting;
    this.#looks = new ApiLooks(setting.clock);
  }

  async *watch(from: Cursor | undefined, signal: AbortSignal): AsyncIterable<Batch> {
    try {
      yield* this.#poll(readPosition(from), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async *#poll(lastAt: number | undefined, signal: AbortSignal): AsyncIterable<Batch> {
    const { clock, everyMs } = this.#setting;
    const api = createMailcowApi(this.#setting);
    const words = this.#wordsOf(api, signal);
    const clearReasons = new ClearReasons(words);
    const ends = new StableEnds();
    let seen: ReadonlyMap<Network, number | undefined> | undefined;
    let seenAt = lastAt;
    while (!signal.aborted) {
      const looks = this.#looks.take();
      const state = await ask(api, signal);
      this.#tellGarbage(state.garbage);
      const at = state.askedAt;
      const bans = ends.reckon(state.bans, state);
      let cleared: string | undefined;
      if (seen !== undefined && seenAt !== undefined) {
        const loss = lossBetween(seen, bans, { lastSeenAt: seenAt, now: at });
        if (loss !== undefined) cleared = await clearReasons.ofLoss(loss, at);
      } else if (seenAt !== undefined) {
        cleared = await clearReasons.ofAbsence(seenAt);
      }
      const observations = await answerLooks(looks, bans, { at, since: seenAt ?? at - everyMs, words });
      seen = bans;
      seenAt = at;
      yield {
        observations,
        snapshot: {
          at,
          jails: [JAIL],
          bans: [...bans].map(([network, until]) => ({ jail: JAIL, network, ...(until !== undefined && { until }) })),
          denylist: state.denylist,
          allowlist: state.allowlist,
          ...(cleared !== undefined && { cleared }),
        },
        cursor: JSON.stringify({ at } satisfies z.infer<typeof Position>),
      };
      await this.#looks.sleep(untilNextPoll(clock.now(), everyMs, BEHIND_LOGS_MS), at, signal);
    }
  }

  /** Netfilter's log; where mailcow does not give it out, the state is worth telling without its words. */
  #wordsOf(api: MailcowApi, signal: AbortSignal): NetfilterWords {
    const { clock, logger } = this.#setting;
    const words = createApiWords(api, clock, signal);
    let isRefused = false;
    return {
      ...words,
      messages: async (since, isLast) => {
        try {
          return isRefused ? [] : await words.messages(since, isLast);
        } catch (error) {
          if (!(error instanceof PermanentError) || error.isFinal) throw error;
          isRefused = true;
          logger.warn({ reason: messageOf(error) }, "mailcow's API does not give out netfilter's log");
          return [];
        }
      },
    };
  }

  #tellGarbage(entries: readonly string[]): void {
    for (const entry of entries) {
      if (this.#toldGarbage.size >= TOLD_GARBAGE) return;
      const shown = safeText(entry, 100);
      if (this.#toldGarbage.has(shown)) continue;
      this.#toldGarbage.add(shown);
      this.#setting.logger.warn({ entry: shown }, "mailcow's list of bans holds something that is no network");
    }
  }
}

async function ask(api: MailcowApi, signal: AbortSignal) {
  const answer = await api.get('fail2ban', signal);
  if (answer === undefined) throw new TransientError("mailcow's list of bans is longer than can be read");
  return { ...answer, ...readApiState(answer) };
}

/** A ban that the log told of, and that is over already, was one if netfilter's own records say so. */
async function answerLooks(
  looks: readonly ApiLook[],
  bans: ReadonlyMap<Network, number | undefined>,
  { at, since, words }: { at: number; since: number; words: NetfilterWords },
): Promise<Observation[]> {
  const isMissed = ({ network, expected }: ApiLook) => expected === 'banned' && !bans.has(network);
  const said = looks.some(isMissed) ? await words.messages(since, () => false) : [];
  return looks.flatMap((look): Observation[] => {
    const { network, expected } = look;
    const fact = { jail: JAIL, network, at };
    const until = bans.get(network);
    if (bans.has(network)) {
      // It is not gone, whoever said so; that it stands is in the state.
      return expected === 'banned' ? [] : [{ kind: 'banned', ...fact, ...(until !== undefined && { until }) }];
    }
    const wasOne = isMissed(look) && said.includes(`Unbanning ${network}`) && isToldAsBanned(said, network);
    return [...(wasOne ? [{ kind: 'banned' as const, ...fact }] : []), { kind: 'unbanned', ...fact }];
  });
}

function isToldAsBanned(said: readonly string[], network: Network): boolean {
  return said.some((message) => message.startsWith(`Banning ${network} for `));
}

function readPosition(cursor: Cursor | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  try {
    return Position.parse(JSON.parse(cursor)).at;
  } catch {
    return undefined;
  }
}

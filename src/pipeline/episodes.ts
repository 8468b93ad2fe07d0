import { randomUUID } from 'node:crypto';
import { type Clock, toRfc3339 } from '../core/clock.ts';
import type { Ban, BanEvent, EndReason } from '../core/event.ts';
import { parseNetwork } from '../core/network.ts';
import type { OriginOf } from '../core/origin.ts';
import type { BanRecord } from '../ledger/bans.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { boundUntil, EXTENSION_MS } from './ban-rules.ts';
import { describeBan } from './describe.ts';
import { joinReasons, weightOf, withOrigins } from './reasons.ts';

/** Networks that one message lists. */
const LISTED = 10;
const DAY_MS = 86_400_000;
/** A ban that no state confirms is taken to be over this long after its end, should its unban line never come. */
const OVERDUE_MS = 300_000;

export interface EpisodeSettings {
  host: string;
  /** Failures up to this long before a ban explain it. */
  retryWindowMs: number;
  historyDays: number;
  /** Logins up to this long ago make a user a known one. */
  knownUsersMs: number;
}

/** What happens to bans, each step written to the ledger together with the event that tells of it. */
export class Episodes {
  readonly #ledger: Ledger;
  readonly #settings: EpisodeSettings;
  readonly #clock: Clock;
  readonly #publish: (event: BanEvent) => void;
  readonly #originOf: OriginOf;

  constructor(
    ledger: Ledger,
    settings: EpisodeSettings,
    clock: Clock,
    publish: (event: BanEvent) => void,
    originOf: OriginOf,
  ) {
    this.#ledger = ledger;
    this.#settings = settings;
    this.#clock = clock;
    this.#publish = publish;
    this.#originOf = originOf;
  }

  /** A suspected ban stands: it is told, unless it was adopted. */
  start(ban: BanRecord): void {
    ban.state = 'open';
    ban.toldUntil = ban.until;
    ban.dueAt = ban.confirmed || ban.until === undefined ? undefined : ban.until + OVERDUE_MS;
    this.#explain(ban);
    this.#ledger.bans.save(ban);
    if (!ban.adopted) this.#tell('ban.started', ban, ban.startedAt);
  }

  /** The end of a standing ban is known, or has moved. */
  setUntil(ban: BanRecord, end: number | undefined): void {
    const until = boundUntil(end);
    if (until === undefined) return;
    ban.permanent = until === Number.POSITIVE_INFINITY;
    ban.until = ban.permanent ? undefined : until;
    if (ban.state !== 'open' || ban.until === undefined) return;
    if (ban.dueAt !== undefined && !ban.leaving) ban.dueAt = ban.until + OVERDUE_MS;
    const moved = ban.until - (ban.toldUntil ?? ban.until);
    if (ban.toldUntil !== undefined && moved <= EXTENSION_MS) return;
    ban.toldUntil = ban.until;
    if (moved <= 0) return;
    this.#explain(ban);
    this.#ledger.bans.save(ban);
    this.#tell('ban.extended', ban, this.#clock.now());
  }

  end(ban: BanRecord, at: number, reason: EndReason): void {
    const isOurs = reason === 'lifted' && this.#ledger.decisions.isLifted(ban.id);
    this.#close(ban, at, isOurs ? 'lifted-by-cowbell' : reason);
    if (!(ban.adopted && at < this.#firstStart())) this.#tell('ban.ended', ban, at);
  }

  /** A ban as it is told now; undefined if there is none. */
  describe(banId: string): Ban | undefined {
    const ban = this.#ledger.bans.byId(banId);
    return ban && this.#describe(ban);
  }

  /** Gives a ban the evidence that has come since it was last told. */
  explain(banId: string): void {
    const ban = this.#ledger.bans.byId(banId);
    if (ban === undefined) return;
    this.#explain(ban);
    this.#ledger.bans.save(ban);
  }

  /** All of these are gone at once: one event for all. */
  clear(jail: string, bans: readonly BanRecord[], at: number, reason: string | undefined): void {
    if (bans.length === 0) return;
    for (const ban of bans) this.#close(ban, at, 'cleared');
    if (at < this.#firstStart()) return;
    this.#publish({
      ...this.envelope(at),
      type: 'bans.cleared',
      cleared: {
        jail,
        count: bans.length,
        ...(reason !== undefined && { reason }),
        networks: bans.slice(0, LISTED).map((ban) => ban.network),
      },
    });
  }

  adopt(source: string, bans: readonly BanRecord[], denylisted: number): void {
    if (bans.length === 0 && denylisted === 0) return;
    this.#publish({
      ...this.envelope(this.#clock.now()),
      type: 'bans.adopted',
      adopted: { source, count: bans.length, denylisted, networks: bans.slice(0, LISTED).map((ban) => ban.network) },
    });
  }

  denylist(type: 'denylist.added' | 'denylist.removed', network: string, source: string, at: number): void {
    this.#publish({ ...this.envelope(at), type, denylist: { network, source } });
  }

  allowlist(type: 'allowlist.added' | 'allowlist.removed', network: string, source: string, at: number): void {
    const entry = parseNetwork(network);
    const until = entry && this.#ledger.allowances.of('netfilter', entry)?.until;
    const isTimed = type === 'allowlist.added' && until !== undefined;
    const allowlist = { network, source, ...(isTimed && { until: toRfc3339(until) }) };
    this.#publish({ ...this.envelope(at), type, allowlist });
  }

  envelope(at: number): { id: string; at: string; host: string } {
    return { id: randomUUID(), at: toRfc3339(at), host: this.#settings.host };
  }

  /** When cowbell first ran on this ledger: what ended before that is nobody's news. */
  #firstStart(): number {
    return Number(this.#ledger.meta('first_started_at') ?? 0);
  }

  #close(ban: BanRecord, at: number, reason: EndReason): void {
    ban.state = 'ended';
    ban.endedAt = at;
    ban.endReason = reason;
    ban.leaving = false;
    ban.dueAt = undefined;
    this.#explain(ban);
    this.#ledger.bans.save(ban);
  }

  /** Joins the evidence; what was known when more of it was kept is not given up. */
  #explain(ban: BanRecord): void {
    const since = ban.startedAt - this.#settings.retryWindowMs;
    const reasons = joinReasons(
      this.#ledger.evidence.reasons(ban.network, since, ban.jail),
      this.#ledger.rejects.inside(ban.network, since),
    );
    const before = ban.reasons;
    const weightier = before === undefined || weightOf(reasons) >= weightOf(before) ? reasons : before;
    ban.reasons = withOrigins(weightier, ban.network, before, this.#originOf);
  }

  #tell(type: 'ban.started' | 'ban.extended' | 'ban.ended', ban: BanRecord, at: number): void {
    this.#publish({ ...this.envelope(at), type, ban: this.#describe(ban) });
  }

  #describe(ban: BanRecord): Ban {
    const { host, historyDays, knownUsersMs } = this.#settings;
    const now = this.#clock.now();
    const context = {
      host,
      history: this.#ledger.bans.history(ban.network, now - historyDays * DAY_MS),
      historyDays,
      knownUsers: this.#ledger.knownUsers.inside(ban.network, Math.min(now, ban.startedAt) - knownUsersMs),
    };
    return describeBan(ban, context);
  }
}

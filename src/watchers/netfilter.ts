import { z } from 'zod';
import { type Ip, type Network, networkContains } from '../core/network.ts';
import type { AuthFailed, Cleared, Observation, Statement } from '../core/observation.ts';
import type { LogSource, Watcher, WatcherDefinition } from '../core/watcher.ts';
import { fromOption, logOptions, openLog } from './log-options.ts';
import { atOf, type LineReader, LONGEST_LINE, watchLog } from './log-watcher.ts';
import { type LifeSign, type NetfilterLine, parseNetfilterLine, readNetfilterLine } from './netfilter-line.ts';

/** How many failures are remembered for the ban or the count that follows them; they are adjacent but for a shutdown. */
const REMEMBERED_FAILURES = 16;

/** Longest name with line breaks that is followed. */
const OPEN_LINES = 64;

const LIST = 'NETFILTER_LOG';

const Options = z.object({
  ...logOptions('netfilter-mailcow', 'netfilter'),
  from: fromOption(LIST),
});

/** mailcow's netfilter by its log: bans, their ends, the failures that led to them, the denylist, restarts. */
export const netfilterWatcher: WatcherDefinition<typeof Options> = {
  type: 'netfilter',
  summary: "The log of mailcow's netfilter container",
  options: Options,
  reads: 'container',
  byDefault: true,
  list: LIST,
  tellsOf: (jail) => jail === 'netfilter',
  create: (name, options, tools) =>
    createNetfilterWatcher(name, openLog(name, options, tools, LIST), { isRecords: options.from !== 'docker' }),
  createParser: () => parseNetfilterLine,
  createFor: (name, source) => createNetfilterWatcher(name, source),
};

/**
 * What the log says, with each failure joined to the network it was counted for, a ban to its last failure, and a clear
 * to its cause. It is stricter than `parseNetfilterLine`: lines in the format before 2025-10 do not count once the
 * process has printed today's, and neither do the further lines of a name that has line breaks in it. `isRecords`: the
 * lines are netfilter's records, of which a start leaves one alone.
 */
export function createNetfilterWatcher(name: string, source: LogSource, { isRecords = false } = {}): Watcher {
  return watchLog({ name, source, createReader: () => new NetfilterReader(isRecords) });
}

class NetfilterReader implements LineReader {
  readonly #isRecords: boolean;
  /** How the process begins its lines, as far as is known. */
  #format: 'prefixed' | 'unprefixed' | undefined;
  #openLines = 0;
  #starting = false;
  #trouble: string | undefined;
  /** The last failures, the newest last. */
  readonly #failures: AuthFailed[] = [];
  /** Those of them that are not yet handed out, and so may still be completed. */
  readonly #completable = new Set<AuthFailed>();

  constructor(isRecords: boolean) {
    this.#isRecords = isRecords;
  }

  readLine(text: string, stamp: string, out: Observation[]): void {
    const line = readNetfilterLine(text);
    if (!this.#isOurs(text, line)) return;
    for (const sign of line.signs) {
      this.#noteSign(sign);
      if (sign.sign === 'listening' && this.#isRecords) {
        this.#starting = true;
        this.#say({ kind: 'cleared', jail: 'netfilter', line: text }, atOf(stamp), out);
      }
    }
    for (const statement of line.statements) this.#say(statement, atOf(stamp), out);
  }

  endChunk(): void {
    this.#completable.clear();
  }

  /** Whether the line is a message of netfilter's own, as far as the lines before it can tell. */
  #isOurs(text: string, line: NetfilterLine): boolean {
    if (this.#openLines > 0 && !(line.prefixed && this.#format === 'prefixed')) {
      this.#openLines = text.endsWith(')') ? 0 : this.#openLines - 1;
      return false;
    }
    const said = line.statements.length + line.signs.length > 0;
    const started = line.signs.some(({ sign }) => sign === 'started');
    if (!line.prefixed && this.#format === 'prefixed' && !started) return false;
    // Only a start can change the format: a client that manages to write one such line must not make us deaf to the others.
    if (started || (said && this.#format === undefined)) this.#format = line.prefixed ? 'prefixed' : 'unprefixed';
    this.#openLines = line.open && text.length < LONGEST_LINE ? OPEN_LINES : 0;
    return true;
  }

  #noteSign(sign: LifeSign): void {
    switch (sign.sign) {
      case 'started':
        this.#starting = true;
        break;
      case 'trouble':
        this.#trouble = sign.cause;
        break;
      case 'counted':
        this.#joinFailure(sign.network);
        break;
    }
  }

  #say(statement: Statement, at: number, out: Observation[]): void {
    switch (statement.kind) {
      case 'auth-failed': {
        const failure: AuthFailed = { ...statement, at };
        this.#remember(failure);
        out.push(failure);
        return;
      }
      case 'banned': {
        const cause = this.#joinFailure(statement.network);
        out.push({
          ...statement,
          at,
          ...(cause?.service && { service: cause.service }),
          ...(cause?.rule && { rule: cause.rule }),
          ...(cause?.claimed && { claimed: true }),
        });
        return;
      }
      case 'cleared':
        out.push({ ...statement, at, reason: this.#takeClearReason() } satisfies Cleared);
        return;
      default:
        out.push({ ...statement, at } as Observation);
    }
  }

  #takeClearReason(): string {
    const reason = this.#starting ? 'netfilter restarted' : 'netfilter was stopped';
    const trouble = this.#starting ? this.#trouble : undefined;
    this.#starting = false;
    this.#trouble = undefined;
    return trouble === undefined ? reason : `${reason}: ${trouble}`;
  }

  #remember(failure: AuthFailed): void {
    this.#failures.push(failure);
    this.#completable.add(failure);
    const dropped = this.#failures.length > REMEMBERED_FAILURES ? this.#failures.shift() : undefined;
    if (dropped !== undefined) this.#completable.delete(dropped);
  }

  /** The last failure from inside the network; it learns which network it was counted for, if it can still be told. */
  #joinFailure(network: Network): AuthFailed | undefined {
    const failure = this.#failures.findLast(({ ip }) => isInside(network, ip));
    if (failure !== undefined && this.#completable.has(failure)) failure.network = network;
    return failure;
  }
}

function isInside(network: Network, ip: Ip): boolean {
  return network.startsWith(`${ip}/`) || networkContains(network, ip);
}

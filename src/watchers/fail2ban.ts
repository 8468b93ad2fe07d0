import { z } from 'zod';
import type { Banned, Observation } from '../core/observation.ts';
import type { LogSource, Watcher, WatcherDefinition } from '../core/watcher.ts';
import {
  type Fail2banLine,
  type Fail2banSign,
  minutesOf,
  parseFail2banLine,
  readFail2banLine,
} from './fail2ban-line.ts';
import { atOf, type LineReader, watchLog } from './log-watcher.ts';

/** Jails whose ban time is remembered. */
const REMEMBERED_JAILS = 1_024;

const Options = z.object({
  service: z.string().min(1).default('fail2ban').describe('Compose service of fail2ban'),
  container: z
    .string()
    .min(1)
    .optional()
    .describe('Name of a container that compose did not make, in place of the service'),
});

/** fail2ban by its log, of every version and in every format in which a container prints it. */
export const fail2banWatcher: WatcherDefinition<typeof Options> = {
  type: 'fail2ban',
  summary: 'The log of a fail2ban container',
  options: Options,
  reads: 'container',
  byDefault: true,
  tellsOf: (jail) => jail !== 'netfilter',
  create: (name, options, tools) =>
    createFail2banWatcher(
      name,
      tools.containerLog(
        options.container === undefined ? { service: options.service } : { container: options.container },
      ),
    ),
  createParser: () => parseFail2banLine,
  lostPrefixes: [
    ' ',
    'fail2ban.actions [0]: ',
    'fail2ban.actions [0]: NOTICE ',
    'fail2ban.filter [0]: ',
    'fail2ban.filter [0]: INFO ',
    'fail2ban.observer [0]: ',
    'fail2ban.observer [0]: NOTICE ',
  ],
  createFor: (name, source) => createFail2banWatcher(name, source),
};

/**
 * What the log says, with two things that only the lines before tell: a ban's end, from the ban time that each jail
 * prints when it is configured, and that the unbans of a shutdown are none, as the next start restores those bans.
 */
export function createFail2banWatcher(name: string, source: LogSource): Watcher {
  return watchLog({ name, source, createReader: () => new Fail2banReader() });
}

class Fail2banReader implements LineReader {
  #stopping = false;
  #configuredJail: string | undefined;
  readonly #banSeconds = new Map<string, number>();

  readLine(text: string, stamp: string, out: Observation[]): void {
    const line = readFail2banLine(text);
    if (line === undefined) return;
    if (line.sign !== undefined) this.#noteSign(line.sign);
    for (const statement of line.statements) {
      if (this.#stopping && (statement.kind === 'unbanned' || statement.kind === 'cleared')) continue;
      const observation = { ...statement, at: atOf(stamp) } as Observation;
      if (observation.kind === 'banned') this.#addEnd(observation, line);
      out.push(observation);
    }
  }

  #noteSign(sign: Fail2banSign): void {
    switch (sign.sign) {
      case 'starting':
        this.#stopping = false;
        this.#banSeconds.clear();
        break;
      case 'stopping':
        this.#stopping = true;
        break;
      case 'stopped':
        this.#stopping = false;
        break;
      case 'jail-configured':
        this.#configuredJail = sign.jail;
        break;
      case 'jail-stopped':
        this.#banSeconds.delete(sign.jail);
        break;
      case 'ban-time':
        if (this.#configuredJail !== undefined && this.#banSeconds.size < REMEMBERED_JAILS) {
          this.#banSeconds.set(this.#configuredJail, sign.seconds);
        }
        break;
    }
  }

  #addEnd(ban: Banned, line: Fail2banLine): void {
    if (line.lastsMs !== undefined) ban.until = ban.at + line.lastsMs;
    const seconds = this.#banSeconds.get(ban.jail);
    if (seconds === undefined || line.verb === 'increase') return;
    if (seconds < 0) ban.until = Number.POSITIVE_INFINITY;
    else if (line.verb === 'ban') {
      ban.until = ban.at + seconds * 1000;
      ban.minutes = minutesOf(seconds);
    }
  }
}

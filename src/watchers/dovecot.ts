import { z } from 'zod';
import type { AuthFailed, Observation } from '../core/observation.ts';
import type { LogSource, Watcher, WatcherDefinition } from '../core/watcher.ts';
import { isOfPam } from './dovecot-auth.ts';
import { dovecotMessageOf, parseDovecotLine } from './dovecot-line.ts';
import { fromOption, logOptions, openLog } from './log-options.ts';
import { atOf, type LineReader, watchLog } from './log-watcher.ts';

const LIST = 'DOVECOT_MAILLOG';

/** PAM's line comes before that of the backend that asked it, at most so long: a failed login is answered late on purpose. */
const PAM_MS = 10_000;
const REMEMBERED_PAM_LINES = 256;

const Options = z.object({ ...logOptions('dovecot-mailcow', 'dovecot'), from: fromOption(LIST) });

/** dovecot by its log: failed and good logins over IMAP, POP3, ManageSieve and submission. */
export const dovecotWatcher: WatcherDefinition<typeof Options> = {
  type: 'dovecot',
  summary: 'The log of dovecot: failed and good logins over IMAP, POP3, ManageSieve and submission',
  options: Options,
  reads: 'container',
  byDefault: true,
  list: LIST,
  tellsOf: () => false,
  create: (name, options, tools) => createDovecotWatcher(name, openLog(name, options, tools, LIST)),
  createParser: () => parseDovecotLine,
  lostPrefixes: ['Jan  1 00:00:00 ', 'Jan  1 00:00:00 host ', 'Jan  1 00:00:00 host dovecot: '],
  createFor: (name, source) => createDovecotWatcher(name, source),
};

/** What the log says; of an attempt that PAM and then dovecot tell of, once. */
export function createDovecotWatcher(name: string, source: LogSource): Watcher {
  return watchLog({ name, source, createReader: () => new DovecotReader() });
}

class DovecotReader implements LineReader {
  /** Attempts that PAM has told of, and dovecot not yet; the oldest first. */
  readonly #toldByPam = new Map<string, number>();

  readLine(text: string, stamp: string, out: Observation[]): void {
    const statement = parseDovecotLine(text);
    if (statement === undefined) return;
    const observation = { ...statement, at: atOf(stamp) } as Observation;
    if (observation.kind === 'auth-failed' && observation.attempts === undefined && this.#isTold(observation, text))
      return;
    out.push(observation);
  }

  #isTold({ at, ip, account }: AuthFailed, text: string): boolean {
    const isPam = isOfPam(dovecotMessageOf(text) ?? '');
    if (this.#toldByPam.size === 0 && !isPam) return false;
    const key = `${ip} ${account ?? ''}`;
    if (isPam) {
      const [oldest] = this.#toldByPam.keys();
      if (oldest !== undefined && this.#toldByPam.size >= REMEMBERED_PAM_LINES) this.#toldByPam.delete(oldest);
      this.#toldByPam.set(key, at);
      return false;
    }
    const told = this.#toldByPam.get(key);
    this.#toldByPam.delete(key);
    return told !== undefined && at - told <= PAM_MS;
  }
}

import { z } from 'zod';
import type { Observation } from '../core/observation.ts';
import type { LogSource, Watcher, WatcherDefinition } from '../core/watcher.ts';
import { fromOption, logOptions, openLog } from './log-options.ts';
import { atOf, type LineReader, watchLog } from './log-watcher.ts';
import { parseSogoLine, sogoMessageOf } from './sogo-line.ts';
import { closesSogoMessage, isSogoMessageOpen } from './sogo-message.ts';

const LIST = 'SOGO_LOG';

/** How many lines a name may be thought to hold: whoever leaves one open cannot cast doubt on others for ever. */
const OPEN_LINES = 64;

const Options = z.object({ ...logOptions('sogo-mailcow', 'SOGo'), from: fromOption(LIST) });

/** SOGo by its log: failed and good logins to the webmail. */
export const sogoWatcher: WatcherDefinition<typeof Options> = {
  type: 'sogo',
  summary: 'The log of SOGo: failed and good logins to the webmail',
  options: Options,
  reads: 'container',
  byDefault: true,
  list: LIST,
  tellsOf: () => false,
  create: (name, options, tools) => createSogoWatcher(name, openLog(name, options, tools, LIST)),
  createParser: () => parseSogoLine,
  lostPrefixes: ['Jan  1 00:00:00 ', 'Jan  1 00:00:00 host ', 'Jan  1 00:00:00 host sogod [0]: '],
  createFor: (name, source) => createSogoWatcher(name, source),
};

/** What the log says. A name can hold line breaks: what stands in lines of its own behind one that is open, is doubted. */
export function createSogoWatcher(name: string, source: LogSource): Watcher {
  return watchLog({ name, source, createReader: () => new SogoReader() });
}

class SogoReader implements LineReader {
  /** Lines for which an open name is still waited for to end. */
  #openFor = 0;

  readLine(text: string, stamp: string, out: Observation[]): void {
    const statement = parseSogoLine(text);
    if (statement === undefined) {
      this.#notice(text);
      return;
    }
    const isDoubted = this.#openFor > 0;
    if (isDoubted) this.#openFor--;
    if (!isDoubted) out.push({ ...statement, at: atOf(stamp) } as Observation);
    else if (statement.kind === 'auth-failed')
      out.push({ ...statement, claimed: true, at: atOf(stamp) } as Observation);
  }

  #notice(text: string): void {
    const message = sogoMessageOf(text);
    if (message !== undefined && isSogoMessageOpen(message)) this.#openFor = OPEN_LINES;
    else if (this.#openFor > 0) this.#openFor = closesSogoMessage(text) ? 0 : this.#openFor - 1;
  }
}

import { z } from 'zod';
import type { Observation } from '../core/observation.ts';
import type { LogSource, Watcher, WatcherDefinition } from '../core/watcher.ts';
import { fromOption, logOptions, openLog } from './log-options.ts';
import { atOf, watchLog } from './log-watcher.ts';
import { parseSogoLine } from './sogo-line.ts';

const LIST = 'SOGO_LOG';

const Options = z.object({ ...logOptions('sogo-mailcow', 'SOGo'), from: fromOption(LIST) });

/** SOGo by its log: failed logins to the webmail. */
export const sogoWatcher: WatcherDefinition<typeof Options> = {
  type: 'sogo',
  summary: 'The log of SOGo: failed logins to the webmail',
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

/**
 * What the log says. A login name may hold line breaks, and what stands in it then stands in lines of its own that look
 * like any other: so no line here makes a user known, and each failed login is marked as the client's claim.
 */
export function createSogoWatcher(name: string, source: LogSource): Watcher {
  return watchLog({ name, source, createReader: () => ({ readLine }) });
}

function readLine(text: string, stamp: string, out: Observation[]): void {
  const statement = parseSogoLine(text);
  if (statement?.kind === 'auth-failed') out.push({ ...statement, claimed: true, at: atOf(stamp) });
}

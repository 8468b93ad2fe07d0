import { z } from 'zod';
import type { LogSource, Watcher, WatcherDefinition } from '../core/watcher.ts';
import { fromOption, logOptions, openLog } from './log-options.ts';
import { readEach, watchLog } from './log-watcher.ts';
import { parsePostfixLine } from './postfix-line.ts';

const LIST = 'POSTFIX_MAILLOG';

const Options = z.object({ ...logOptions('postfix-mailcow', 'postfix'), from: fromOption(LIST) });

/** Postfix by its log: whom postscreen and smtpd turn away, failed and good logins. */
export const postfixWatcher: WatcherDefinition<typeof Options> = {
  type: 'postfix',
  summary: 'The log of postfix: clients that postscreen and smtpd turn away, failed and good logins',
  options: Options,
  reads: 'container',
  byDefault: true,
  list: LIST,
  tellsOf: () => false,
  create: (name, options, tools) => createPostfixWatcher(name, openLog(name, options, tools, LIST)),
  createParser: () => parsePostfixLine,
  lostPrefixes: [
    'Jan  1 00:00:00 ',
    'Jan  1 00:00:00 host ',
    'Jan  1 00:00:00 host postfix/postscreen[0]: ',
    'Jan  1 00:00:00 host postfix/smtpd[0]: ',
    'Jan  1 00:00:00 host postfix/cleanup[0]: ',
  ],
  createFor: (name, source) => createPostfixWatcher(name, source),
};

export function createPostfixWatcher(name: string, source: LogSource): Watcher {
  return watchLog({ name, source, createReader: readEach(parsePostfixLine) });
}

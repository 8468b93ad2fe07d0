import { z } from 'zod';
import type { Observation } from '../core/observation.ts';
import type { LogSource, Watcher, WatcherDefinition } from '../core/watcher.ts';
import { fromOption, logOptions, openLog } from './log-options.ts';
import { atOf, watchLog } from './log-watcher.ts';
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

/** Each line says what it says by itself; nothing is kept from one to the next. */
export function createPostfixWatcher(name: string, source: LogSource): Watcher {
  return watchLog({
    name,
    source,
    createReader: () => ({
      readLine(text, stamp, out) {
        const statement = parsePostfixLine(text);
        if (statement !== undefined) out.push({ ...statement, at: atOf(stamp) } as Observation);
      },
    }),
  });
}

import type { Config } from './config/schema.ts';
import type { BanEvent } from './core/event.ts';
import { loggedEvent } from './core/event-line.ts';
import type { Logger } from './core/logger.ts';
import { ICONS, plainLine } from './core/message.ts';
import { safeText } from './core/text.ts';
import { createEventComposer } from './notifiers/composer.ts';

/** Longest line for a person, in UTF-16 units. */
const SHORT = 200;

/**
 * Tells cowbell's own log of each event that was recorded: for programs with the names that the webhook has, for a person
 * in one short line. Undefined where the configuration does not want it.
 */
export function createEventLog(
  { log, time_zone: timeZone, locale }: Pick<Config, 'log' | 'time_zone' | 'locale'>,
  logger: Logger,
  isForPerson: boolean,
): ((events: readonly BanEvent[]) => void) | undefined {
  if (!log.events || log.level === 'warn' || log.level === 'error') return undefined;
  if (!isForPerson) {
    return (events) => {
      for (const event of events) logger.info({ ...loggedEvent(event) }, 'event');
    };
  }
  const compose = createEventComposer({ timeZone, locale });
  return (events) => {
    for (const event of events) {
      const { tone, title, lead } = compose(event);
      const [first] = lead.map(plainLine).filter((line) => line !== '');
      const said = first === undefined ? plainLine(title) : `${plainLine(title)}: ${first}`;
      logger.info({}, `${ICONS[tone]} ${safeText(said, SHORT)}`);
    }
  };
}

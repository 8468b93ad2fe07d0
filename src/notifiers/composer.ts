import type { BanEvent } from '../core/event.ts';
import type { Line, Message, Part } from '../core/message.ts';
import { timeFormat } from '../core/time-format.ts';
import { nextTurn } from '../core/turn.ts';
import { composeTold, Told } from './compose.ts';
import { type MessageTemplates, TemplatedMessages } from './message-templates.ts';

export interface ComposerOptions {
  /** Times in text are told in it. */
  timeZone: string;
  /** BCP 47: how they are written; as ISO 8601 has them where it is left out. */
  locale?: string | undefined;
  templates?: MessageTemplates | undefined;
  /** A template failed on these events; they are told in our own words. */
  onTemplateError?(error: unknown): void;
}

/** Events that are read in one go: some milliseconds. */
const AT_ONCE = 100;

/** Composes messages in the words and the time zone of one notifier; where there are thousands of events, in small steps. */
export function createComposer(options: ComposerOptions): (events: Iterable<BanEvent>) => Promise<Message> {
  const compose = composeWith(options);
  return async (events) => compose(await gather(events));
}

/** The same, of one event at a time. */
export function createEventComposer(options: ComposerOptions): (event: BanEvent) => Message {
  const compose = composeWith(options);
  return (event) => {
    const told = new Told();
    told.add(event);
    return compose(told);
  };
}

function composeWith({ timeZone, locale, templates, onTemplateError }: ComposerOptions): (told: Told) => Message {
  // UTC without a locale is told as it stands.
  const formatTime = timeZone === 'UTC' && locale === undefined ? undefined : timeFormat(timeZone, locale);
  const templated = templates === undefined ? undefined : new TemplatedMessages(templates, timeZone);
  return (told) => {
    const message = composeTold(told);
    try {
      return withTimes(templated?.apply(message, told) ?? message, formatTime);
    } catch (error) {
      onTemplateError?.(error);
      return withTimes(message, formatTime);
    }
  };
}

async function gather(events: Iterable<BanEvent>): Promise<Told> {
  const told = new Told();
  let count = 0;
  for (const event of events) {
    told.add(event);
    if (++count % AT_ONCE === 0) await nextTurn();
  }
  return told;
}

function withTimes(message: Message, formatTime: ((ms: number) => string) | undefined): Message {
  if (formatTime === undefined) return message;
  const part = (each: Part): Part =>
    typeof each === 'object' && 'time' in each ? { ...each, text: formatTime(each.time) } : each;
  const line = (each: Line): Line => each.map(part);
  return {
    ...message,
    title: line(message.title),
    lead: message.lead.map(line),
    facts: message.facts.map(({ label, value }) => ({ label, value: line(value) })),
    notes: message.notes.map(line),
    items: message.items.map(line),
  };
}

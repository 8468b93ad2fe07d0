import type { BanEvent } from '../core/event.ts';
import type { Line, Message, Part } from '../core/message.ts';
import { timeFormat } from '../core/time-format.ts';
import { composeMessage } from './compose.ts';
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

/** Composes messages in the words and the time zone of one notifier. */
export function createComposer(options: ComposerOptions): (events: Iterable<BanEvent>) => Message {
  const { timeZone, locale, templates, onTemplateError } = options;
  // UTC without a locale is told as it stands.
  const formatTime = timeZone === 'UTC' && locale === undefined ? undefined : timeFormat(timeZone, locale);
  const templated = templates === undefined ? undefined : new TemplatedMessages(templates, timeZone);
  return (events) => {
    const message = composeMessage(events);
    try {
      return withTimes(templated?.apply(message, events) ?? message, formatTime);
    } catch (error) {
      onTemplateError?.(error);
      return withTimes(message, formatTime);
    }
  };
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

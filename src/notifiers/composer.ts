import type { BanEvent } from '../core/event.ts';
import type { Line, Message, Part } from '../core/message.ts';
import { sanitizeLine } from '../core/text.ts';
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
  const formatTime = timeFormat(timeZone, locale);
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

/** `2026-11-23 12:18 CET`, or `23. Nov. 2026, 12:18 MEZ` with a locale; UTC without one is told as it stands. */
function timeFormat(timeZone: string, locale: string | undefined): ((ms: number) => string) | undefined {
  if (timeZone === 'UTC' && locale === undefined) return undefined;
  const format = new Intl.DateTimeFormat(locale ?? 'en-GB', {
    timeZone,
    year: 'numeric',
    month: locale === undefined ? '2-digit' : 'short',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'short',
    ...(locale === undefined && { hourCycle: 'h23' }),
  });
  if (locale !== undefined) return (ms) => sanitizeLine(format.format(ms));
  return (ms) => {
    const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
    return `${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute} ${parts.timeZoneName}`;
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

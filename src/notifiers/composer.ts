import type { BanEvent } from '../core/event.ts';
import type { Line, Message, Part } from '../core/message.ts';
import { composeMessage } from './compose.ts';
import { type MessageTemplates, TemplatedMessages } from './message-templates.ts';

export interface ComposerOptions {
  /** Times in text are told in it. */
  timeZone: string;
  templates?: MessageTemplates | undefined;
  /** A template failed on these events; they are told in our own words. */
  onTemplateError?(error: unknown): void;
}

/** Composes messages in the words and the time zone of one notifier. */
export function createComposer(options: ComposerOptions): (events: Iterable<BanEvent>) => Message {
  const { timeZone, templates, onTemplateError } = options;
  const formatTime = timeFormat(timeZone);
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

/** `2026-11-23 12:18 CET`; UTC is told as it stands. */
function timeFormat(timeZone: string): ((ms: number) => string) | undefined {
  if (timeZone === 'UTC') return undefined;
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'short',
  });
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

import { messageOf, PermanentError } from '../core/errors.ts';
import type { BanEvent, BanEventType } from '../core/event.ts';
import { sanitizeLine } from '../core/text.ts';
import { completeEvents } from './sample-events.ts';
import { compileTemplate, templateError } from './template.ts';

/** The body of a request in the words of a person, made of one event. */
export interface BodyTemplate {
  /** Throws `PermanentError`, of the payload, where this event cannot be told so. */
  render(event: BanEvent): string;
}

const JSON_TYPE = /[/+]json\b/;

/** What a value becomes, by what the body is. */
const FORMATS: readonly { of: RegExp; escapeValue(text: string): string }[] = [
  { of: JSON_TYPE, escapeValue: (text) => JSON.stringify(text).slice(1, -1) },
  { of: /^application\/x-www-form-urlencoded\b/, escapeValue: (text) => encodeURIComponent(text.toWellFormed()) },
  {
    of: /[/+](?:xml|html)\b/,
    escapeValue: (text) => sanitizeLine(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`),
  },
  { of: /^/, escapeValue: sanitizeLine },
];

/** Throws an `Error` with the place of the mistake where the text is no template. */
export function compileBody(text: string, contentType: string): BodyTemplate {
  const template = compileText(text, contentType);
  return {
    render(event) {
      try {
        return checked(template.render(event), contentType);
      } catch (error) {
        throw new PermanentError(`the body template fails: ${templateError(error)}`, { payload: true });
      }
    },
  };
}

/**
 * What is wrong with a body for events of these kinds: of each kind there has to be a sample that it fits, and no text that
 * a stranger may write breaks it.
 */
export function bodyMistake(text: string, contentType: string, kinds: readonly BanEventType[]): string | undefined {
  let template: ReturnType<typeof compileText>;
  try {
    template = compileText(text, contentType);
  } catch (error) {
    return templateError(error);
  }
  for (const kind of kinds) {
    let mistake: string | undefined;
    for (const event of completeEvents().filter(({ type }) => type === kind)) {
      try {
        checked(template.renderStrictly(event), contentType);
        mistake = undefined;
        break;
      } catch (error) {
        mistake ??= templateError(error);
      }
    }
    if (mistake !== undefined) return `of ${kind}: ${mistake}`;
  }
  return hostileMistake(template, contentType, kinds);
}

function hostileMistake(
  template: ReturnType<typeof compileText>,
  contentType: string,
  kinds: readonly BanEventType[],
): string | undefined {
  for (const event of completeEvents().filter(({ type }) => kinds.includes(type))) {
    try {
      checked(template.render(withQuotes(event) as BanEvent), contentType);
    } catch {
      return 'a quote in a value would break it: put values into quotes, or use the filter `json`, and not `raw`';
    }
  }
  return undefined;
}

function compileText(text: string, contentType: string) {
  const { escapeValue = sanitizeLine } = FORMATS.find(({ of }) => of.test(contentType)) ?? {};
  return compileTemplate(text, { escapeValue, timeZone: 'UTC', isJson: JSON_TYPE.test(contentType) });
}

function checked(body: string, contentType: string): string {
  if (!JSON_TYPE.test(contentType)) return body;
  try {
    JSON.parse(body);
  } catch (error) {
    throw new Error(`it gives no JSON: ${messageOf(error)}`);
  }
  return body;
}

/** The same with a quote, a backslash and a line break in every text but the kind. */
function withQuotes(value: unknown, key = ''): unknown {
  if (typeof value === 'string') return key === 'type' ? value : `${value}"\\\n`;
  if (Array.isArray(value)) return value.map((each) => withQuotes(each));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withQuotes(each, name)]));
}

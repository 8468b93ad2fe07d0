import { BAN_EVENT_TYPES, type BanEvent } from '../core/event.ts';
import type { Line, Message, Part } from '../core/message.ts';
import { plainLine, words } from '../core/message.ts';
import { Told } from './compose.ts';
import { composeGroup } from './compose-group.ts';
import { commonest, type GroupTally } from './group-tally.ts';
import { completeEvents } from './sample-events.ts';
import { compileTemplate, type Template, templateError } from './template.ts';

/** What a person may say of one kind of event in words of their own; what is left out is said in ours. */
export interface MessageTemplate {
  title?: string | undefined;
  body?: string | undefined;
}

/** By kind of event, and for messages about many. */
export type MessageTemplates = Partial<Record<TemplateKind, MessageTemplate>>;
export type TemplateKind = BanEvent['type'] | 'group';
export const TEMPLATE_KINDS: readonly TemplateKind[] = [...BAN_EVENT_TYPES, 'group'];

/** Values stand between these until the text is taken apart; neither is in any text that is told. */
const OPEN = '\ue000';
const CLOSE = '\ue001';
const MARKS = /[\ue000\ue001]/g;
const LINES = 50;

/** A message in the words of a template: its literal text is the service's own markup, all values are escaped for it. */
export class TemplatedMessages {
  readonly #templates = new Map<TemplateKind, { title?: Template; body?: Template }>();

  constructor(templates: MessageTemplates, timeZone: string) {
    for (const [kind, { title, body }] of Object.entries(templates)) {
      this.#templates.set(kind as TemplateKind, {
        ...(title !== undefined && { title: compile(title, timeZone) }),
        ...(body !== undefined && { body: compile(body, timeZone) }),
      });
    }
  }

  /** The message with what the templates say in place of our own words. */
  apply(message: Message, told: Told): Message {
    const { only } = told;
    const { title, body } = this.#templates.get(only?.type ?? 'group') ?? {};
    if (title === undefined && body === undefined) return message;
    const data = only ?? groupData(told.tally);
    return {
      ...message,
      // Nothing at all would be no alert.
      ...(title !== undefined && { title: linesOf(title.render(data))[0] ?? message.title }),
      ...(body !== undefined && {
        lead: linesOf(body.render(data)),
        facts: [],
        notes: [],
        items: [],
        evidence: [],
      }),
    };
  }
}

/** Every mistake in templates, by where it stands: what does not parse, and fields that no such event has. */
export function templateMistakes(templates: MessageTemplates): { path: string[]; message: string }[] {
  const samples = completeEvents();
  return Object.entries(templates).flatMap(([kind, template]) =>
    Object.entries(template ?? {}).flatMap(([part, text]) => {
      if (text === undefined) return [];
      const matching = samples.filter(({ type }) => type === kind);
      const message = mistakeIn(text, kind === 'group' ? [groupData(tallyOf(samples))] : matching);
      return message === undefined ? [] : [{ path: [kind, part], message }];
    }),
  );
}

/** What is wrong with a template, if no example can be rendered with it. */
export function mistakeIn(text: string, examples: readonly object[]): string | undefined {
  let mistake: string | undefined;
  try {
    const template = compile(text, 'UTC');
    for (const example of examples) {
      try {
        template.renderStrictly(example);
        return undefined;
      } catch (error) {
        mistake ??= templateError(error);
      }
    }
  } catch (error) {
    return templateError(error);
  }
  return mistake;
}

function compile(text: string, timeZone: string): Template {
  const escapeValue = (value: string) => `${OPEN}${value.replace(MARKS, '')}${CLOSE}`;
  return compileTemplate(text.replace(MARKS, ''), { escapeValue, timeZone });
}

/** Literal text is the person's own, values are a stranger's. */
function linesOf(text: string): Line[] {
  const lines: Part[][] = [[]];
  for (const piece of text.split(/(\ue000[^\ue001]*\ue001)/)) {
    if (piece.startsWith(OPEN)) {
      const line = lines.at(-1);
      const before = line?.at(-1);
      // Two values in a row are one text: together they may be what neither is.
      const joined = typeof before === 'object' && 'words' in before ? before.words : '';
      if (joined !== '') line?.pop();
      line?.push(words(joined + piece.slice(1, -1)));
      continue;
    }
    for (const [index, literal] of piece.split('\n').entries()) {
      if (index > 0) lines.push([]);
      if (literal !== '') lines.at(-1)?.push({ markup: literal });
    }
  }
  return lines.filter((line) => plainLine(line).trim() !== '').slice(0, LINES);
}

function tallyOf(events: readonly BanEvent[]): GroupTally {
  const told = new Told();
  for (const event of events) told.add(event);
  return told.tally;
}

/** What a template for many events may speak of. */
function groupData(tally: GroupTally): object {
  const counted = (counts: ReadonlyMap<string, number>) =>
    commonest(counts, 10).map(([name, count]) => ({ name, count }));
  return {
    title: composeGroup(tally).title.join(''),
    total: tally.total,
    bans: tally.started,
    over: tally.over,
    ended: tally.endedAlone,
    others: tally.others,
    own_users: tally.own,
    attempts: tally.attempts,
    hosts: [...tally.hosts],
    first_at: new Date(tally.firstAt).toISOString(),
    last_at: new Date(tally.lastAt).toISOString(),
    services: counted(tally.services),
    countries: counted(tally.countries),
    networks: counted(tally.neighbourhoods),
    own_bans: tally.ownBans,
    worst: tally.worst,
  };
}

import { createRequire } from 'node:module';
import type { Liquid, Template as Parsed } from 'liquidjs';
import { messageOf } from '../core/errors.ts';

/**
 * Texts that a person wrote with places for values, in Liquid (https://liquidjs.com): conditions, loops and filters, but
 * no code, no files, and bounded work. Loaded with the first template.
 */
export interface Template {
  /** Fields that are not there are empty. Throws where the work is too much, or a value does not fit a filter. */
  render(data: object): string;
  /** The same, but throws where a field is not there. */
  renderStrictly(data: object): string;
}

export interface TemplateOptions {
  /** What becomes of a value, unless its last filter is `raw`. */
  escapeValue(text: string): string;
  /** For the filter `date`. */
  timeZone: string;
  /** The text is JSON: the filter `json` gives a whole value of it. */
  isJson?: boolean;
}

const LONGEST_TEMPLATE = 20_000;
/** Longest time that one rendering may take, in ms. */
const RENDER_MS = 200;
/** Most that one rendering may allocate, in the engine's own count of characters and items. */
const MEMORY = 2_000_000;
/** They read files, or are of no use without any. */
const FILE_TAGS = ['include', 'render', 'layout', 'block'];

/** Throws an `Error` with the place of the mistake where the text is no template. */
export function compileTemplate(text: string, options: TemplateOptions): Template {
  const engine = createEngine(options);
  const parsed = parse(engine, text);
  return {
    render: (data) => String(engine.renderSync(parsed, data)),
    renderStrictly: (data) => String(engine.renderSync(parsed, data, { strictVariables: true })),
  };
}

/** The first line of what the engine says; the rest quotes the template. */
export function templateError(error: unknown): string {
  return (
    messageOf(error)
      .split('\n')[0]
      ?.replace(/, file:\S+/, '') ?? ''
  );
}

function createEngine({ escapeValue, timeZone, isJson = false }: TemplateOptions): Liquid {
  const { Liquid } = createRequire(import.meta.url)('liquidjs') as typeof import('liquidjs');
  const engine = new Liquid({
    outputEscape: (value: unknown) => escapeValue(textOf(value)),
    strictFilters: true,
    // Of an optional field it may be asked whether it is there.
    lenientIf: true,
    ownPropertyOnly: true,
    // None can be read.
    templates: {},
    timezoneOffset: timeZone,
    locale: 'en-GB',
    parseLimit: LONGEST_TEMPLATE,
    renderLimit: RENDER_MS,
    memoryLimit: MEMORY,
  });
  for (const tag of FILE_TAGS) delete engine.tags[tag];
  // What it gives is a whole value of JSON: to escape that would break it.
  if (isJson) engine.registerFilter('json', { raw: true, handler: (value: unknown) => JSON.stringify(value ?? null) });
  return engine;
}

function parse(engine: Liquid, text: string): Parsed[] {
  return engine.parse(text);
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

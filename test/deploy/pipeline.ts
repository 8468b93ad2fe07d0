import { RE2JS } from 're2js';
import type { AlloyBlock } from './alloy-syntax.ts';

/** A stage of a pipeline, in Promtail's words: one key, with what it takes. */
export type Stage = Record<string, unknown>;

export interface Shipped {
  line: string;
  labels: Record<string, string>;
  metadata: Record<string, string>;
}

/** The stages of Alloy in Promtail's words. https://grafana.com/docs/alloy/latest/reference/components/loki/loki.process/ */
export function stagesOfAlloy(blocks: readonly AlloyBlock[]): Stage[] {
  return blocks.map(({ name, attributes, blocks: inner }) => {
    const kind = name.replace('stage.', '');
    const { values, ...rest } = attributes;
    const options = { ...((values as object) ?? {}), ...rest };
    return { [kind]: kind === 'match' ? { ...options, stages: stagesOfAlloy(inner) } : options };
  });
}

/** The stages of Promtail, with nothing where YAML has no value. */
export function stagesOfPromtail(stages: readonly Stage[]): Stage[] {
  const filled = (value: unknown): unknown => {
    if (value === null) return '';
    if (Array.isArray(value)) return value.map(filled);
    if (typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value as object).map(([key, inner]) => [key, filled(inner)]));
  };
  return stages.map((stage) => filled(stage) as Stage);
}

/**
 * What a pipeline makes of a line, as its documentation says of each stage; patterns run on RE2, as theirs do.
 * https://grafana.com/docs/loki/latest/send-data/promtail/stages/
 */
export function runPipeline(stages: readonly Stage[], line: string, labels: Record<string, string>): Shipped {
  const entry: Shipped = { line, labels: { ...labels }, metadata: {} };
  runStages(stages, entry, {});
  return entry;
}

function runStages(stages: readonly Stage[], entry: Shipped, extracted: Record<string, string>): void {
  for (const stage of stages) {
    for (const [kind, options] of Object.entries(stage) as [string, Options][]) {
      const run = STAGES[kind];
      if (run === undefined) throw new Error(`no stage ${kind}`);
      run(options, entry, extracted);
    }
  }
}

/** What the stages take; those that take names of labels have the names themselves for keys. */
interface Options {
  selector: string;
  stages: readonly Stage[];
  expressions: Record<string, string>;
  expression: string;
  replace: string;
}

type RunStage = (options: Options, entry: Shipped, extracted: Record<string, string>) => void;

const STAGES: Readonly<Record<string, RunStage>> = {
  match({ selector, stages }, entry, extracted) {
    if (isSelected(selector, entry)) runStages(stages, entry, extracted);
  },
  static_labels(values, { labels }) {
    Object.assign(labels, values);
  },
  json({ expressions }, { line }, extracted) {
    const read = parseObject(line);
    for (const [name, key] of Object.entries(expressions)) {
      const value = read?.[key === '' ? name : key];
      if (typeof value === 'string') extracted[name] = value;
    }
  },
  labels(values, { labels }, extracted) {
    copy(values, extracted, labels);
  },
  structured_metadata(values, { metadata }, extracted) {
    copy(values, extracted, metadata);
  },
  regex({ expression }, { line }, extracted) {
    const matcher = RE2JS.compile(expression).matcher(line);
    if (!matcher.find()) return;
    for (const [, name = ''] of expression.matchAll(/\(\?P<(\w+)>/g)) {
      const value = matcher.group(name);
      if (value !== null && value !== undefined) extracted[name] = value;
    }
  },
  replace({ expression, replace }, entry) {
    const matcher = RE2JS.compile(expression).matcher(entry.line);
    let done = '';
    let from = 0;
    while (matcher.find()) {
      done += entry.line.slice(from, matcher.start(1)) + replace;
      from = matcher.end(1);
    }
    entry.line = done + entry.line.slice(from);
  },
};

function copy(values: object, from: Record<string, string>, to: Record<string, string>): void {
  for (const [name, source] of Object.entries(values as Record<string, string>)) {
    const value = from[source === '' ? name : source];
    if (value !== undefined) to[name] = value;
  }
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** `{label="value"}`, and then `|= "text"` or `|~ "pattern"`, with Go's escapes. */
function isSelected(selector: string, { line, labels }: Shipped): boolean {
  const [, name = '', value, , operator, quoted] =
    /^\{(\w+)="([^"]*)"\}( (\|[=~]) ("(?:[^"\\]|\\.)*"))?$/.exec(selector) ?? [];
  if (value === undefined) throw new Error(`not understood: ${selector}`);
  if ((labels[name] ?? '') !== value) return false;
  if (quoted === undefined) return true;
  const text = JSON.parse(quoted) as string;
  return operator === '|=' ? line.includes(text) : RE2JS.compile(text).matcher(line).find();
}

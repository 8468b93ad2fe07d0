import type { z } from 'zod';
import { notifierDefinitions } from '../notifiers/registry.ts';
import { watcherDefinitions } from '../watchers/registry.ts';
import { COMPLETED_KEYS } from './expand.ts';
import { ConfigSchema } from './schema.ts';
import { elementOf, isSecret, memberFor, shapeOf, unwrapSchema } from './walk.ts';

/** One option as the example and the documentation show it. */
export interface OptionInfo {
  key: string;
  description: string;
  /** As it is written in YAML; undefined where there is none. */
  defaultText: string | undefined;
  /** The first of those that it gives itself. */
  example: unknown;
  isRequired: boolean;
  isSecret: boolean;
  /** The options inside of it, where it is a section of its own. */
  inner: OptionInfo[];
}

/** A part of the configuration: the whole, a section, or one kind of watcher or notifier. */
export interface SectionInfo {
  key: string;
  description: string;
  options: OptionInfo[];
}

export function describeConfig(): {
  top: OptionInfo[];
  sections: SectionInfo[];
  /** The options that all of them have, then of each kind its own. */
  watchers: { common: OptionInfo[]; kinds: SectionInfo[] };
  notifiers: { common: OptionInfo[]; kinds: SectionInfo[] };
} {
  const shape = shapeOf(ConfigSchema) ?? {};
  const top: OptionInfo[] = [];
  const sections: SectionInfo[] = [];
  for (const [key, field] of Object.entries(shape)) {
    const inner = shapeOf(field);
    const isCompleted = COMPLETED_KEYS.includes(key);
    if (inner === undefined) top.push({ ...describeOption(key, field), ...(isCompleted && { isRequired: false }) });
    else sections.push({ key, description: descriptionOf(field), options: describeShape(inner) });
  }
  return {
    top,
    sections,
    watchers: describeList('watchers', watcherDefinitions),
    notifiers: describeList('notifiers', notifierDefinitions),
  };
}

function describeList(
  list: 'watchers' | 'notifiers',
  definitions: readonly { type: string; summary: string; options: z.ZodObject }[],
): { common: OptionInfo[]; kinds: SectionInfo[] } {
  const members = definitions.map(({ type, summary, options }) => {
    const own = new Set(Object.keys(options.shape));
    const all = describeMember(list, type);
    return {
      type,
      summary,
      own: all.filter(({ key }) => own.has(key)),
      common: all.filter(({ key }) => !own.has(key)),
    };
  });
  return {
    common: members[0]?.common ?? [],
    kinds: members.map(({ type, summary, own }) => ({ key: type, description: summary, options: own })),
  };
}

function describeMember(list: 'watchers' | 'notifiers', type: string): OptionInfo[] {
  const field = shapeOf(ConfigSchema)?.[list];
  const union = field && elementOf(field);
  const member = union && memberFor(union, { type });
  const shape = member && shapeOf(member);
  return describeShape(shape ?? {}).filter(({ key }) => key !== 'type');
}

function describeShape(shape: Record<string, z.core.$ZodType>): OptionInfo[] {
  return Object.entries(shape).map(([key, field]) => describeOption(key, field));
}

function describeOption(key: string, field: z.core.$ZodType): OptionInfo {
  const { def } = (field as z.ZodType)._zod;
  const hasDefault = def.type === 'default';
  const value = hasDefault ? (def as z.core.$ZodDefaultDef).defaultValue : undefined;
  return {
    key,
    description: [descriptionOf(field), choicesOf(field)].filter((text) => text !== '').join('. '),
    defaultText: hasDefault ? textOf(field, value) : undefined,
    example: examplesOf(field)[0],
    isRequired: !hasDefault && !(field as z.ZodType).isOptional(),
    isSecret: isSecret(field),
    inner: describeShape(shapeOf(field) ?? {}),
  };
}

function textOf(field: z.core.$ZodType, value: unknown): string {
  if (!isSecret(field)) return JSON.stringify(value);
  const [example] = examplesOf(field);
  return example === undefined ? '' : String(example);
}

function examplesOf(field: z.core.$ZodType): unknown[] {
  return (unwrapMeta(field)?.examples ?? []) as unknown[];
}

function choicesOf(field: z.core.$ZodType): string {
  const { def } = (unwrapSchema(field) as z.ZodType)._zod;
  if (def.type !== 'enum') return '';
  return `One of ${Object.values((def as z.core.$ZodEnumDef).entries).join(', ')}`;
}

/** The description, wherever in the wrapping it was given. */
function descriptionOf(field: z.core.$ZodType): string {
  const { def } = (field as z.ZodType)._zod;
  const own = (field as z.ZodType).description;
  if (own !== undefined) return own;
  return 'innerType' in def ? descriptionOf(def.innerType as z.core.$ZodType) : '';
}

function unwrapMeta(field: z.core.$ZodType): Record<string, unknown> | undefined {
  const { def } = (field as z.ZodType)._zod;
  const own = (field as z.ZodType).meta();
  if (own?.examples !== undefined || !('innerType' in def)) return own;
  return unwrapMeta(def.innerType as z.core.$ZodType);
}

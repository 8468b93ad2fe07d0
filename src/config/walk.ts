import type { z } from 'zod';

type Path = readonly PropertyKey[];

/** The schema under optional, default and transform. */
export function unwrapSchema(schema: z.core.$ZodType): z.core.$ZodType {
  const { def } = (schema as z.ZodType)._zod;
  if ('innerType' in def) return unwrapSchema(def.innerType as z.core.$ZodType);
  return def.type === 'pipe' ? unwrapSchema((def as z.core.$ZodPipeDef).in) : schema;
}

/** Whether the value must not be shown. */
export function isSecret(schema: z.core.$ZodType): boolean {
  if ((schema as z.ZodType).meta()?.secret === true) return true;
  const { def } = (schema as z.ZodType)._zod;
  return 'innerType' in def && isSecret(def.innerType as z.core.$ZodType);
}

/** Keys and schemas of an object, undefined for anything else. */
export function shapeOf(schema: z.core.$ZodType): Record<string, z.core.$ZodType> | undefined {
  const { def } = (unwrapSchema(schema) as z.ZodType)._zod;
  return def.type === 'object' ? (def as z.core.$ZodObjectDef).shape : undefined;
}

/** The schema that stands for `value`: of a union, the member of its type; undefined where there is none. */
export function memberFor(schema: z.core.$ZodType, value: unknown): z.core.$ZodType | undefined {
  const bare = unwrapSchema(schema);
  const { def } = (bare as z.ZodType)._zod;
  if (def.type !== 'union') return bare;
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
  return (def as z.core.$ZodUnionDef).options.find((option) => {
    const literal = shapeOf(option)?.type;
    return literal !== undefined && (literal as z.ZodLiteral<string>).value === type;
  });
}

/** The types that a union can have. */
export function typesOf(schema: z.core.$ZodType): string[] {
  const { def } = (unwrapSchema(schema) as z.ZodType)._zod;
  if (def.type !== 'union') return [];
  return (def as z.core.$ZodUnionDef).options.flatMap((option) => {
    const literal = shapeOf(option)?.type;
    return literal === undefined ? [] : [String((literal as z.ZodLiteral).value)];
  });
}

export function elementOf(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  const { def } = (unwrapSchema(schema) as z.ZodType)._zod;
  return def.type === 'array' ? (def as z.core.$ZodArrayDef).element : undefined;
}

/** The schema at a path of a value; undefined where the path leaves the schema. */
export function schemaAt(schema: z.core.$ZodType, value: unknown, path: Path): z.core.$ZodType | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return schema;
  const inner = typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined;
  const member = memberFor(schema, value) ?? schema;
  const { def } = (unwrapSchema(member) as z.ZodType)._zod;
  const next =
    shapeOf(member)?.[String(key)] ??
    elementOf(member) ??
    (def.type === 'record' ? (def as z.core.$ZodRecordDef).valueType : undefined);
  return next === undefined ? undefined : schemaAt(next, inner, rest);
}

/** `notifiers[0].url`. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}

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

/** Whether it, or anything inside of it, must not be shown. */
export function holdsSecret(schema: z.core.$ZodType): boolean {
  if (isSecret(schema)) return true;
  const { def } = (unwrapSchema(schema) as z.ZodType)._zod;
  const inner = [
    ...Object.values(shapeOf(schema) ?? {}),
    ...(def.type === 'union' ? (def as z.core.$ZodUnionDef).options : []),
    elementOf(schema) ?? (def.type === 'record' ? (def as z.core.$ZodRecordDef).valueType : undefined),
  ];
  return inner.some((each) => each !== undefined && holdsSecret(each));
}

/** Keys and schemas of an object, undefined for anything else. */
export function shapeOf(schema: z.core.$ZodType): Record<string, z.core.$ZodType> | undefined {
  const { def } = (unwrapSchema(schema) as z.ZodType)._zod;
  return def.type === 'object' ? (def as z.core.$ZodObjectDef).shape : undefined;
}

/** The schema of one key; a key such as `constructor` is none, though every object has it. */
export function fieldOf(shape: Record<string, z.core.$ZodType> | undefined, key: string): z.core.$ZodType | undefined {
  return shape !== undefined && Object.hasOwn(shape, key) ? shape[key] : undefined;
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
  const inner = valueAt(value, [key]);
  const member = memberFor(schema, value) ?? schema;
  const { def } = (unwrapSchema(member) as z.ZodType)._zod;
  const next =
    fieldOf(shapeOf(member), String(key)) ??
    elementOf(member) ??
    (def.type === 'record' ? (def as z.core.$ZodRecordDef).valueType : undefined);
  return next === undefined ? undefined : schemaAt(next, inner, rest);
}

/** What stands at a path of a value. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, key)
        ? (at as Record<PropertyKey, unknown>)[key]
        : undefined,
    value,
  );
}

/** `notifiers[0].url`; of a key that is no name only its begin: `password:hunter2` has a secret behind its colon. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    const name = /^[\w.-]{0,64}/.exec(String(key))?.[0] ?? '';
    const shown = name === String(key) ? name : `${name}…`;
    return text === '' ? shown : `${text}.${shown}`;
  }, '');
}

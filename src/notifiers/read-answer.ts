import type { z } from 'zod';

/** What a service answered, as JSON of this shape; undefined where it is anything else. */
export function readAnswer<Schema extends z.ZodType>(schema: Schema, body: string): z.output<Schema> | undefined {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return undefined;
  }
  return schema.safeParse(json).data;
}

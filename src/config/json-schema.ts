import { z } from 'zod';
import { COMPLETED_KEYS } from './expand.ts';
import { ConfigSchema } from './schema.ts';
import { isSecret, shapeOf } from './walk.ts';

interface JsonObject {
  properties?: Record<string, object>;
  required?: string[];
  [key: string]: unknown;
}

/** The JSON Schema of the configuration as people write it: for editors, and for whoever generates one. */
export function configJsonSchema(): object {
  const schema = z.toJSONSchema(ConfigSchema, {
    io: 'input',
    target: 'draft-2020-12',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => addSecretFiles(zodSchema, jsonSchema as JsonObject),
  }) as JsonObject;
  schema.required = (schema.required ?? []).filter((key) => !COMPLETED_KEYS.includes(key));
  return { $id: 'https://cowbell.example/config.schema.json', title: 'cowbell configuration', ...schema };
}

/** Every secret `x` may be given as `x_file` instead; not as both. */
function addSecretFiles(zodSchema: z.core.$ZodType, jsonSchema: JsonObject): void {
  delete jsonSchema.secret;
  const shape = jsonSchema.properties === undefined ? undefined : shapeOf(zodSchema);
  const rules: object[] = [];
  for (const [key, field] of Object.entries(shape ?? {})) {
    if (!isSecret(field)) continue;
    const file = `${key}_file`;
    jsonSchema.properties = {
      ...jsonSchema.properties,
      [file]: { type: 'string', description: `Path of a file that holds ${key}` },
    };
    const isRequired = jsonSchema.required?.includes(key) === true;
    rules.push(
      isRequired ? { oneOf: [{ required: [key] }, { required: [file] }] } : { not: { required: [key, file] } },
    );
    if (isRequired) jsonSchema.required = jsonSchema.required?.filter((name) => name !== key) ?? [];
  }
  if (rules.length > 0) jsonSchema.allOf = rules;
}

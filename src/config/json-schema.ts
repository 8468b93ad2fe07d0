import { z } from 'zod';
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
  // The environment gives these where the file does not.
  schema.required = (schema.required ?? []).filter((key) => key !== 'host' && key !== 'state' && key !== 'notifiers');
  return { $id: 'https://cowbell.example/config.schema.json', title: 'cowbell configuration', ...schema };
}

/** Every secret `x` may be given as `x_file` instead. */
function addSecretFiles(zodSchema: z.core.$ZodType, jsonSchema: JsonObject): void {
  delete jsonSchema.secret;
  const shape = jsonSchema.properties === undefined ? undefined : shapeOf(zodSchema);
  for (const [key, field] of Object.entries(shape ?? {})) {
    if (!isSecret(field)) continue;
    jsonSchema.properties = {
      ...jsonSchema.properties,
      [`${key}_file`]: { type: 'string', description: `Path of a file that holds ${key}` },
    };
    if (!jsonSchema.required?.includes(key)) continue;
    jsonSchema.required = jsonSchema.required.filter((name) => name !== key);
    jsonSchema.oneOf = [{ required: [key] }, { required: [`${key}_file`] }];
  }
}

import { exampleConfig } from '../src/config/example.ts';
import { configJsonSchema } from '../src/config/json-schema.ts';
import { configReference } from '../src/config/reference.ts';
import { webhookSchema } from '../src/notifiers/cloud-event.ts';

/** Files that are made from the schemas, by their path. */
export function generatedFiles(): Record<string, string> {
  const json = (value: object) => `${JSON.stringify(value, undefined, 2)}\n`;
  return {
    'config.example.yaml': exampleConfig(),
    'docs/cowbell.schema.json': json(configJsonSchema()),
    'docs/events.schema.json': json(webhookSchema()),
    'docs/configuration.md': configReference(),
  };
}

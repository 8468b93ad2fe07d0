import { exampleConfig } from '../src/config/example.ts';
import { configJsonSchema } from '../src/config/json-schema.ts';
import { configReference } from '../src/config/reference.ts';
import { webhookSchema } from '../src/notifiers/cloud-event.ts';
import { board } from './board/board.ts';
import { metricsPage } from './metrics-page.ts';

/** Files that are made from code, by their path: from the schemas, and the board. */
export function generatedFiles(): Record<string, string> {
  const json = (value: object) => `${JSON.stringify(value, undefined, 2)}\n`;
  return {
    'config.example.yaml': exampleConfig(),
    'docs/cowbell.schema.json': json(configJsonSchema()),
    'docs/events.schema.json': json(webhookSchema()),
    'docs/configuration.md': configReference(),
    'docs/metrics.md': metricsPage(),
    'deploy/grafana/cowbell.json': json(board()),
  };
}

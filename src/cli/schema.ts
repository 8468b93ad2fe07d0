import type { AddCommand } from './command.ts';

export const addSchema: AddCommand = (program, context) => {
  program
    .command('schema')
    .description('print the JSON Schema of the configuration')
    .option('--events', 'of what the generic webhook sends instead')
    .action(async ({ events = false }: { events?: boolean }) => {
      const schema = events
        ? (await import('../notifiers/cloud-event.ts')).webhookSchema()
        : (await import('../config/json-schema.ts')).configJsonSchema();
      context.stdout.write(`${JSON.stringify(schema, undefined, 2)}\n`);
    });
};

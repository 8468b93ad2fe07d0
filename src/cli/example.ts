import type { AddCommand } from './command.ts';

export const addExample: AddCommand = (program, context) => {
  program
    .command('example')
    .description('print a configuration with every option and its default')
    .action(async () => {
      const { exampleConfig } = await import('../config/example.ts');
      context.stdout.write(exampleConfig());
    });
};

import { systemClock } from '../core/clock.ts';
import { type AddCommand, CONFIG_OPTION } from './command.ts';

export const addRun: AddCommand = (program, context) => {
  program
    .command('run')
    .description('watch, and tell of bans until asked to stop')
    .option(...CONFIG_OPTION)
    .action(async ({ config: file }: { config?: string }) => {
      const { findConfig, loadConfig } = await import('../config/load.ts');
      const { configChanges } = await import('../config/changes.ts');
      const load = () => loadConfig({ file, env: context.env });
      const config = load();
      const { createLogger, isForPerson } = await import('../ops/logger.ts');
      const { runApp } = await import('../app.ts');
      const log = { ...config.log, stream: context.stderr };
      const logger = await createLogger(log);
      const tools = {
        clock: systemClock,
        logger,
        stdout: context.stdout,
        terminal: isForPerson(log) ? log.stream : undefined,
      };
      const configFile = findConfig({ file, env: context.env });
      const changes = (signal: AbortSignal) =>
        configChanges({ file: configFile, load, asked: context.reload, clock: systemClock, logger }, signal);
      await runApp(config, { ...tools, configFile, changes }, context.signal);
      logger.info({}, 'cowbell has stopped');
    });
};

import { systemClock } from '../core/clock.ts';
import { plural } from '../core/text.ts';
import { type AddCommand, CommandFailure } from './command.ts';

export const addReplay: AddCommand = (program, context) => {
  program
    .command('replay')
    .description('play logs through the whole pipeline, as if it happened now')
    .requiredOption(
      '-w, --watcher <type>',
      'type of the watcher that reads them: netfilter, fail2ban, …; or its name in --config',
    )
    .option('-c, --config <file>', 'send to the notifiers of this configuration; otherwise alerts are shown here')
    .argument('<file...>', 'logs, `-` for standard input')
    .action(async (files: string[], { watcher, config: file }: { watcher: string; config?: string }) => {
      const { loadConfig, parseConfig } = await import('../config/load.ts');
      const { playLog } = await import('../replay.ts');
      const { createFileLog } = await import('../logs/file-log.ts');
      const config =
        file === undefined
          ? parseConfig('notifiers: [{type: console}]', { env: {} })
          : loadConfig({ file, env: context.env });
      const sources = files.map((each) =>
        createFileLog({ from: each === '-' ? context.stdin : each, clock: systemClock }),
      );
      const result = await playLog(
        config,
        sources.map((source) => ({ watcher, source })),
        { clock: systemClock, stdout: context.stdout, stderr: context.stderr },
        context.signal,
      );
      context.stdout.write(
        `${plural(result.lines, 'line')} read, ${plural(result.bans, 'ban')}, ` +
          `${plural(result.delivered, 'alert')} delivered\n`,
      );
      if (result.undelivered > 0)
        throw new CommandFailure(`${plural(result.undelivered, 'alert')} could not be delivered`);
    });
};

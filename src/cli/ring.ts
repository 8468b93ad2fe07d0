import { systemClock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import { type AddCommand, CONFIG_OPTION, CommandFailure } from './command.ts';

export const addRing: AddCommand = (program, context) => {
  program
    .command('ring')
    .description('send a test alert through the notifiers, or through one of them')
    .argument('[name]', 'name of a notifier')
    .option(...CONFIG_OPTION)
    .action(async (name: string | undefined, { config: file }: { config?: string }) => {
      const { loadConfig } = await import('../config/load.ts');
      const { buildNotifier } = await import('../assemble.ts');
      const { createHttpClient } = await import('../http/client.ts');
      const { sampleEvents } = await import('../notifiers/sample-events.ts');
      const { VERSION } = await import('../version.ts');
      const config = loadConfig({ file, env: context.env });
      const chosen = config.notifiers.filter((each) => name === undefined || each.name === name);
      if (chosen.length === 0) {
        const known = config.notifiers.map((each) => each.name).join(', ');
        throw new CommandFailure(`there is no notifier named "${name}"; there are ${known}`);
      }
      const http = createHttpClient({ userAgent: `cowbell/${VERSION}` });
      let failed = 0;
      try {
        for (const each of chosen) {
          const notifier = buildNotifier(each, config.time_zone, { http, clock: systemClock, stdout: context.stdout });
          const events = sampleEvents(config.host, systemClock.now()).slice(0, 1);
          const startedAt = systemClock.now();
          try {
            await notifier.notify(
              { id: `ring-${startedAt}-${each.name}`, size: events.length, events },
              context.signal,
            );
            context.stdout.write(`${each.name}: accepted after ${systemClock.now() - startedAt} ms\n`);
          } catch (error) {
            failed++;
            context.stdout.write(`${each.name}: failed: ${messageOf(error)}\n`);
          }
        }
      } finally {
        await http.close();
      }
      if (failed > 0) throw new CommandFailure(`${failed} of ${chosen.length} could not be reached`);
    });
};

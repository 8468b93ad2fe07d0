import { join } from 'node:path';
import { systemClock } from '../core/clock.ts';
import { plural } from '../core/text.ts';
import { type AddCommand, CommandFailure } from './command.ts';

/** Recorded from the real programs; see demo/README.md. */
const RECORDINGS = [
  { watcher: 'netfilter', file: 'netfilter.log' },
  { watcher: 'fail2ban', file: 'fail2ban.log' },
];

export const addDemo: AddCommand = (program, context) => {
  program
    .command('demo')
    .description('play recorded attacks through everything, with a receiver of its own; takes seconds')
    .action(async () => {
      const { parseConfig } = await import('../config/load.ts');
      const { createFileLog } = await import('../logs/file-log.ts');
      const { playLog } = await import('../replay.ts');
      const { startDemoReceiver } = await import('./demo-receiver.ts');
      const receiver = await startDemoReceiver();
      try {
        const config = parseConfig('notifiers: [{type: console}, {type: webhook, url: "${RECEIVER}"}]', {
          env: { RECEIVER: receiver.url, MAILCOW_HOSTNAME: 'mail.example.org' },
        });
        const folder = join(import.meta.dirname, '..', '..', 'demo');
        const recordings = RECORDINGS.map(({ watcher, file }) => ({
          watcher,
          source: createFileLog({ from: join(folder, file), clock: systemClock }),
        }));
        const { lines, bans, delivered, undelivered } = await playLog(
          config,
          recordings,
          { clock: systemClock, stdout: context.stdout, stderr: context.stderr },
          context.signal,
        );
        context.stdout.write(
          `${plural(lines, 'line')} read, ${plural(bans, 'ban')}, ${plural(delivered, 'alert')} delivered: ` +
            `${delivered - receiver.events()} shown above, ${receiver.events()} received by HTTP\n`,
        );
        if (undelivered > 0) throw new CommandFailure(`${plural(undelivered, 'alert')} could not be delivered`);
      } finally {
        await receiver.close();
      }
    });
};

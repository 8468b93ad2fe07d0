import { systemClock, toRfc3339 } from '../core/clock.ts';
import { hostOf, parseNetwork } from '../core/network.ts';
import { type AddCommand, CONFIG_OPTION, CommandFailure, formatTable } from './command.ts';
import { createTools } from './tools.ts';

interface Options {
  config?: string;
  json?: boolean;
}

export const addReputation: AddCommand = (program, context) => {
  program
    .command('reputation')
    .description('ask what is known of an address or a network; counts against the daily budget')
    .argument('<address>', 'an address, or a network such as 192.0.2.0/24')
    .option(...CONFIG_OPTION)
    .option('--json', 'as one JSON object')
    .action(async (text: string, { config: file, json = false }: Options) => {
      const network = parseNetwork(text);
      if (network === undefined)
        throw new CommandFailure(`"${text}" is no address, and no network such as 192.0.2.0/24`);
      const { loadConfig } = await import('../config/load.ts');
      const { openLedger } = await import('../ledger/ledger.ts');
      const { buildAsker } = await import('../auto-unban.ts');
      const config = loadConfig({ file, env: context.env });
      if (Object.keys(config.reputation).length === 0)
        throw new CommandFailure('nobody is configured to be asked: name `reputation` in the configuration');
      // What was said before is not asked again, and what is asked now counts.
      const ledger = openLedger(config.state, Date.now);
      const { tools, close } = await createTools(config);
      try {
        const asker = buildAsker(config, { ledger, clock: systemClock, http: tools.http });
        const { opinions, problems } = await asker.ask(hostOf(network) ?? network, context.signal);
        const shown = opinions.map(({ checkedAt, ...rest }) => ({ ...rest, checked_at: toRfc3339(checkedAt) }));
        if (json) context.stdout.write(`${JSON.stringify({ subject: text, opinions: shown, problems })}\n`);
        else if (shown.length > 0) {
          const rows = shown.map(({ source, score, reports, country, note, checked_at }) => [
            source,
            `${score} of 100`,
            String(reports ?? '-'),
            country ?? '-',
            `${checked_at.slice(0, 19)}Z`,
            note ?? '-',
          ]);
          context.stdout.write(formatTable([['SOURCE', 'SCORE', 'REPORTS', 'COUNTRY', 'ASKED', 'WHY'], ...rows]));
        } else if (problems.length === 0)
          context.stdout.write(`nobody says anything of ${text}; of what is private, or too wide, nobody is asked\n`);
        if (problems.length > 0)
          throw new CommandFailure(problems.map(({ source, reason }) => `${source}: ${reason}`).join('\n'));
      } finally {
        await close();
        ledger.close();
      }
    });
};

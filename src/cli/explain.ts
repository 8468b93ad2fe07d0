import { createReadStream } from 'node:fs';
import { messageOf } from '../core/errors.ts';
import { type AddCommand, type CliContext, CommandFailure } from './command.ts';

/** Longer lines are cut: what a parser looks at stands in front. */
const LONGEST_LINE = 262_144;

export const addExplain: AddCommand = (program, context) => {
  program
    .command('explain')
    .description('print what a watcher reads in each line, as JSON')
    .requiredOption('-w, --watcher <type>', 'type of the watcher: netfilter, fail2ban, …; or its name in --config')
    .option('-c, --config <file>', 'read lines as a watcher of this configuration does, with its options')
    .option('--timestamps', 'lines begin with the stamps of `docker logs -t`; they are recognised without it too')
    .argument('[file]', 'a log; `-` or nothing reads standard input', '-')
    .action(async (file: string, { watcher, config }: { watcher: string; config?: string }) => {
      const { explainLine } = await import('./explain-lines.ts');
      const { createLineSplitter } = await import('../logs/line-splitter.ts');
      const { parseLine, lostPrefixes } = await findParser(watcher, config, context);
      const input = file === '-' ? context.stdin : createReadStream(file);
      let line = 0;
      const texts: string[] = [];
      const splitter = createLineSplitter(LONGEST_LINE, (bytes) => texts.push(bytes.toString('utf8')));
      const explainAll = async () => {
        for (const text of texts.splice(0)) {
          const observation = explainLine({ parseLine, lostPrefixes }, text);
          await write(context.stdout, `${JSON.stringify({ line: ++line, observation })}\n`);
        }
      };
      try {
        for await (const chunk of input as AsyncIterable<Buffer | string>) {
          splitter.push(Buffer.from(chunk));
          await explainAll();
        }
        splitter.end();
        await explainAll();
      } catch (error) {
        throw new CommandFailure(`${file} cannot be read: ${messageOf(error)}`);
      }
    });
};

/** The parser of a type with its defaults, or of a watcher of the configuration, by its name or its type. */
async function findParser(watcher: string, file: string | undefined, { env }: CliContext) {
  const { meantWatcher, watcherDefinition, WATCHER_TYPES } = await import('../assemble.ts');
  const configured = file === undefined ? [] : (await import('../config/load.ts')).loadWatchers({ file, env });
  const { definition, options } = meantWatcher(watcher, configured);
  if (definition?.createParser === undefined) {
    const readers = WATCHER_TYPES.filter((each) => watcherDefinition(each)?.createParser !== undefined);
    throw new CommandFailure(`there is no watcher "${watcher}" that reads lines; there are ${readers.join(', ')}`);
  }
  return { parseLine: definition.createParser(options), lostPrefixes: definition.lostPrefixes ?? [] };
}

function write(stream: NodeJS.WritableStream, text: string): Promise<void> | undefined {
  if (stream.write(text)) return undefined;
  return new Promise((resolve) => stream.once('drain', resolve));
}

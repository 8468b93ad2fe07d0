import { createReadStream } from 'node:fs';
import type { WatcherConfig } from '../config/schema.ts';
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
  const { watcherDefinition, WATCHER_TYPES } = await import('../assemble.ts');
  const configured = file === undefined ? undefined : await findConfigured(watcher, file, env);
  const definition = watcherDefinition(configured?.type ?? watcher);
  const { createParser, lostPrefixes = [] } = definition ?? {};
  if (definition === undefined || createParser === undefined) {
    const readers = WATCHER_TYPES.filter((each) => watcherDefinition(each)?.createParser !== undefined);
    throw new CommandFailure(`there is no watcher "${watcher}" that reads lines; there are ${readers.join(', ')}`);
  }
  const defaults = definition.options.safeParse({});
  const options = configured ?? defaults.data;
  if (options === undefined) {
    const where = file === undefined ? '--config FILE' : `a watcher of this type in ${file}`;
    throw new CommandFailure(`what "${watcher}" reads depends on its options: give ${where}`);
  }
  return { parseLine: createParser(options), lostPrefixes };
}

async function findConfigured(
  watcher: string,
  file: string,
  env: CliContext['env'],
): Promise<WatcherConfig | undefined> {
  const { loadConfig } = await import('../config/load.ts');
  const { watchers = [] } = loadConfig({ file, env });
  const ofType = watchers.filter(({ type }) => type === watcher);
  const found = watchers.find(({ name }) => name === watcher) ?? ofType[0];
  if (found?.name !== watcher && ofType.length > 1) {
    throw new CommandFailure(
      `there are several of type "${watcher}"; name one: ${ofType.map(({ name }) => name).join(', ')}`,
    );
  }
  return found;
}

function write(stream: NodeJS.WritableStream, text: string): Promise<void> | undefined {
  if (stream.write(text)) return undefined;
  return new Promise((resolve) => stream.once('drain', resolve));
}

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { runCli } from '../../src/cli/program.ts';
import { CHECKOUT, readComposeFile } from '../container/compose-file.ts';

const SERVICES = new Set([
  ...Object.keys(readComposeFile('docker-compose.override.yml', {}).services),
  ...Object.keys(readComposeFile('test/fixtures/compose/mailcow.yml', {}).services),
]);
/** A password for each Compose file that wants one. */
const VARIABLES = { GRAFANA_PASSWORD: 'secret', DOCKER_GID: '998' };
const { scripts } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

/** The commands of a text in Markdown: lines of blocks marked bash, and code in a line that begins with a program of ours. */
export function commandsIn(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^ *```bash\n([\s\S]*?)^ *```/gm)].flatMap(([, text = '']) => text.split('\n'));
  const inline = [...markdown.matchAll(/`((?:cowbell|npm|npx|docker compose) [^`\n]+)`/g)].map(([, text = '']) => text);
  const lines = [...blocks.map((line) => line.trim()).filter((line) => line !== ''), ...inline];
  return lines.flatMap((line) => line.split(/ (?:\||&&) /));
}

/** What is wrong with a command that the documents show; undefined where nothing is. */
export async function problemOf(command: string): Promise<string | undefined> {
  const problem = await findProblem(command.split(/ +/));
  return problem === undefined ? undefined : `${command}: ${problem}`;
}

async function findProblem(words: string[]): Promise<string | undefined> {
  const [program, ...args] = words;
  if (program === 'cowbell') return await cowbellProblem(args);
  if (program === 'npm') return await npmProblem(args);
  if (program === 'npx') return args[0] === 'vitest' && args[1] === 'run' ? missing(args[2]) : 'is run by nobody';
  if (program === 'cp') return missing(args[0]);
  if (program !== 'docker') return 'is run by nobody';
  if (args[0] === 'build') return args.at(-1) === '.' && args[1] === '--tag' ? missing('Dockerfile') : 'unknown flags';
  return args[0] === 'compose' ? await composeProblem(args.slice(1)) : 'is run by nobody';
}

async function npmProblem([verb, ...args]: string[]): Promise<string | undefined> {
  if (verb === 'ci' || verb === 'test') return args.length === 0 ? undefined : 'unknown arguments';
  if (verb !== 'run') return 'is run by nobody';
  const [script = '', ...rest] = args.filter((arg) => arg !== '--silent');
  if (scripts[script] === undefined) return 'no such script';
  const given = rest[0] === '--' ? rest.slice(1) : rest;
  if (script === 'cowbell') return await cowbellProblem(given);
  const source = join(CHECKOUT, /\S+\.ts/.exec(scripts[script])?.[0] ?? 'package.json');
  const unknown = given.filter((flag) => flag.startsWith('-') && !readFileSync(source, 'utf8').includes(`'${flag}'`));
  return unknown.length === 0 ? undefined : `unknown flags ${unknown.join(' ')}`;
}

/** `-f FILE` names the file whose services are meant, `--profile NAME` one of its profiles. */
async function composeProblem(words: string[]): Promise<string | undefined> {
  if (words[0] !== '-f') return await composeVerbProblem(words, SERVICES);
  const [, path = '', ...rest] = words;
  const there = missing(path);
  if (there !== undefined) return there;
  const { services } = readComposeFile(path, VARIABLES);
  const profiles = Object.values(services).flatMap((service) => service.profiles ?? []);
  while (rest[0] === '--profile') {
    const [, profile = ''] = rest.splice(0, 2);
    if (!profiles.includes(profile)) return `no such profile ${profile}`;
  }
  return await composeVerbProblem(rest, new Set(Object.keys(services)));
}

async function composeVerbProblem(
  [verb = '', ...args]: string[],
  services: ReadonlySet<string>,
): Promise<string | undefined> {
  const flags: Record<string, string[]> = { up: ['-d'], exec: ['-T'], logs: ['--no-log-prefix'], restart: [] };
  const at = args.findIndex((arg) => !arg.startsWith('-'));
  const ownFlags = at < 0 ? args : args.slice(0, at);
  if (ownFlags.some((flag) => !flags[verb]?.includes(flag)) || flags[verb] === undefined) return 'unknown flags';
  const [service, ...rest] = at < 0 ? [] : args.slice(at);
  if (service !== undefined && !services.has(service)) return `no such service ${service}`;
  return verb === 'exec' ? await findProblem(rest) : undefined;
}

/** Held against the help that the program itself prints. */
async function cowbellProblem(args: string[]): Promise<string | undefined> {
  const path: string[] = [];
  let help = await helpOf(path);
  const left = [...args];
  while (left[0]?.startsWith('-') === false && new RegExp(`^ {2}${left[0]}(?: |$)`, 'm').test(help)) {
    path.push(left.shift() as string);
    help = await helpOf(path);
  }
  if (/^Commands:/m.test(help) && left[0] !== undefined && !left[0].startsWith('-'))
    return `no such command ${left[0]}`;
  const takesArguments = /^Arguments:/m.test(help);
  let isValue = false;
  for (const word of left) {
    if (isValue) isValue = false;
    else if (word.startsWith('-')) {
      const option = new RegExp(`^ {2}(?:-\\w, )?${word}(?: (<)|\\s|$)|^ {2}${word},`, 'm').exec(help);
      if (option === null) return `no such option ${word}`;
      isValue = option[1] !== undefined;
    } else if (!takesArguments) return `takes no ${word}`;
  }
  return isValue ? 'a value is missing' : undefined;
}

async function helpOf(path: readonly string[]): Promise<string> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const code = await runCli([...path, '--help'], {
    env: {},
    stdin: new PassThrough(),
    stdout,
    stderr,
    signal: new AbortController().signal,
    reload: () => new AbortController().signal,
  });
  if (code !== 0) throw new Error(`no help for ${path.join(' ')}`);
  return String(stdout.read() ?? '');
}

function missing(path = ''): string | undefined {
  return existsSync(join(CHECKOUT, path)) ? undefined : `there is no ${path}`;
}

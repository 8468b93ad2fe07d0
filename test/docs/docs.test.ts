import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { CHECKOUT } from '../container/compose-file.ts';
import { commandsIn, problemOf } from './commands.ts';

const PAGES = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...globSync('docs/*.md', { cwd: CHECKOUT })];
const read = (path: string) => readFileSync(join(CHECKOUT, path), 'utf8');

/** Where the links of a page go that lead nowhere: to no file of ours, or to no heading of a page. */
function brokenLinks(page: string, text: string): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^https:\/\//.test(target))
    .filter((target) => {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(CHECKOUT, file))) return true;
      return anchor !== undefined && !headingsOf(path === '' ? text : read(file)).includes(anchor);
    });
}

function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe.each(PAGES)('%s', (page) => {
  const text = read(page);

  it('shows commands that there are', async () => {
    const problems = await Promise.all(commandsIn(text).map(problemOf));
    expect(problems.filter((problem) => problem !== undefined)).toEqual([]);
  });

  it('links to what is there', () => {
    expect(brokenLinks(page, text)).toEqual([]);
  });

  it('shows configurations that are accepted', () => {
    const names = [...text.matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => name);
    const env = Object.fromEntries(
      names.map((name) => [name, name.endsWith('URL') ? 'https://example.org/hook' : 's']),
    );
    const examples = [...text.matchAll(/^ *```yaml\n([\s\S]*?)^ *```/gm)].map(([, yaml = '']) => yaml);
    for (const example of examples) {
      const complete = example
        .replace(/url_file: .*/g, 'url: https://discord.com/api/webhooks/123456789012345678/x')
        .replace(/(\w+)_file: .*/g, '$1: secret')
        .replace('/etc/cowbell/networks.txt', join(CHECKOUT, 'test/fixtures/networks.txt'));
      expect(() => parseConfig(complete, { env })).not.toThrow();
    }
  });
});

it('README.md shows the commands that CI runs, the whole command line, and where the figures go', async () => {
  const text = read('README.md');
  const commands = commandsIn(text);
  expect(commands).toEqual(expect.arrayContaining(['npm ci', 'npm test', 'npm run demo']));
  for (const command of ['npm ci', 'npm test', 'npm run demo']) expect(read('.ci/run')).toContain(command);
  expect(text).toMatch(/<!-- bench -->\n[\s\S]*?<!-- \/bench -->/);
});

it('docs/troubleshooting.md quotes what cowbell really says', () => {
  const sources = globSync('src/**/*.ts', { cwd: CHECKOUT }).map(read).join('\n');
  const quotes = [...read('docs/troubleshooting.md').matchAll(/^### `(.*)`$/gm)].map(([, quote = '']) => quote);
  expect(quotes.length).toBeGreaterThan(8);
  const pieces = quotes.flatMap((quote) => quote.split('…')).filter((piece) => piece.trim() !== '');
  expect(pieces.filter((piece) => !sources.includes(piece))).toEqual([]);
});

describe('the check of the pages', () => {
  it.each([
    ['cowbell brew', 'no such command'],
    ['cowbell outbox empty', 'no such command'],
    ['cowbell bans --everything', 'no such option'],
    ['cowbell schema now', 'takes no'],
    ['cowbell explain --watcher', 'a value is missing'],
    ['npm run brew', 'no such script'],
    ['npm run bench -- --rewrite', 'unknown flags'],
    ['npm run --silent cowbell -- ring --loud', 'no such option'],
    ['docker compose exec cowbell-mailcow cowbell brew', 'no such command'],
    ['docker compose logs cowbell', 'no such service'],
    ['docker compose up --force', 'unknown flags'],
    ['docker compose -f deploy/compose/board.yml up -d', 'there is no'],
    ['docker compose -f deploy/compose/dashboard.yml --profile board up -d', 'no such profile'],
    ['docker compose -f deploy/compose/dashboard.yml logs cowbell-mailcow', 'no such service'],
    ['cp compose.yml /opt', 'there is no compose.yml'],
    ['curl https://example.org', 'is run by nobody'],
  ])('refuses %s', async (command, why) => {
    expect(await problemOf(command)).toContain(why);
  });

  it.each([
    'cowbell ring slack',
    'cowbell explain -w netfilter FILE',
    'cowbell outbox retry discord',
    'cowbell --version',
    'npm run --silent cowbell -- bans --all --json',
    'docker compose exec -T cowbell-mailcow cowbell check',
  ])('lets %s pass', async (command) => {
    expect(await problemOf(command)).toBeUndefined();
  });

  it('finds commands in blocks, pipes and lines, and broken links', () => {
    const text =
      '1. x\n\n   ```bash\n   npm ci && npm test\n   ```\n\n`cowbell run` `npm` [a](nowhere.md) [b](#b) [c](#there)\n# There\n';
    expect(commandsIn(text)).toEqual(['npm ci', 'npm test', 'cowbell run']);
    expect(brokenLinks('README.md', text)).toEqual(['nowhere.md', '#b']);
  });
});

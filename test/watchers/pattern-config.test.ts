import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { startProgram } from '../support/process.ts';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '..', '..');

const GOOD = `notifiers: [{type: console}]
docker: {socket: /nowhere/docker.sock}
state: ./never-made/cowbell.db
watchers:
  - type: pattern
    name: caddy
    service: caddy
    patterns:
      - name: login
        kind: auth-failed
        regex: '^login of <F-USER>\\S+</F-USER> from <HOST> failed'
        ignore: ['.*localhost']
  - type: pattern
    name: other
    container: other
    patterns: [{kind: banned, regex: 'ban <HOST>', jail: web}]
`;

function mistakesIn(text: string): string[] {
  try {
    parseConfig(text, { env: {}, file: 'c.yaml' });
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.issues.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);
    }
    throw error;
  }
  return [];
}

const PLACE = 'watchers[0].patterns[0]';

test.each([
  [
    "kind: auth-failed, regex: 'foo (bar <HOST>'",
    [
      `3:85 ${PLACE}.regex: expected a regular expression of RE2; at character 5: a ( is not closed, not "foo (bar <HOST>"`,
    ],
  ],
  [
    "kind: auth-failed, regex: '<HOST>', ignore: ['ok', 'x(?=y)']",
    [
      `3:110 ${PLACE}.ignore[1]: expected a regular expression of RE2; at character 2: there is no lookahead; ` +
        'write what follows as a part of the pattern, not "x(?=y)"',
    ],
  ],
  [
    "kind: auth-failed, regex: 'foo'",
    [`3:85 ${PLACE}.regex: expected a group named ip, or <HOST>, which auth-failed needs, not "foo"`],
  ],
  [
    "kind: banned, regex: 'foo (?P<account>x)'",
    [
      `3:80 ${PLACE}.regex: expected a group named jail, or \`jail\` beside the pattern, which banned needs, not "foo (?P<account>x)"`,
    ],
  ],
  [
    "kind: authenticated, regex: '<HOST>'",
    [
      `3:87 ${PLACE}.regex: expected a group named account, or \`account\` beside the pattern, which authenticated needs, not "<HOST>"`,
    ],
  ],
  [
    "kind: rejected, regex: '<HOST>'",
    [
      `3:82 ${PLACE}.regex: expected a group named service, or \`service\` beside the pattern, which rejected needs, not "<HOST>"`,
    ],
  ],
  [
    "kind: loud, regex: '<HOST>'",
    [`3:65 ${PLACE}.kind: expected one of auth-failed, rejected, authenticated, banned, unbanned, not "loud"`],
  ],
])('%s is told with its place', (pattern, mistakes) => {
  const text = `notifiers: [{type: console}]\nwatchers:\n  - {type: pattern, name: mine, service: web, patterns: [{${pattern}}]}\n`;
  expect(mistakesIn(text)).toEqual(mistakes);
});

test('a watcher of patterns needs a log, and a pattern', () => {
  expect(mistakesIn('notifiers: [{type: console}]\nwatchers:\n  - type: pattern\n')).toEqual([
    '3:5 watchers[0].patterns: is missing: expected a list',
    '3:11 watchers[0].type: "pattern" needs a `service` of compose, or a `container`, whose log it reads',
  ]);
});

test('other watchers have a service of their own', () => {
  expect(
    mistakesIn('notifiers: [{type: console}]\nwatchers: [{type: postfix}, {type: dovecot}, {type: sogo}]\n'),
  ).toEqual([]);
});

async function cowbell(...args: string[]): Promise<{ code: number | null; output: string }> {
  const program = startProgram(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    join(ROOT, 'src/main.ts'),
    ...args,
  ]);
  const code = await program.exited;
  return { code, output: program.output() };
}

function files(config: string): { config: string; log: string } {
  const dir = tempDir();
  writeFileSync(join(dir, 'c.yaml'), config);
  writeFileSync(
    join(dir, 'x.log'),
    'login of joe from 203.0.113.7 failed\nlogin of localhost from 203.0.113.7 failed\nban 203.0.113.7\n',
  );
  return { config: join(dir, 'c.yaml'), log: join(dir, 'x.log') };
}

test('explain reads lines as a watcher of the configuration does, by its name', async () => {
  const { config, log } = files(GOOD);
  const { code, output } = await cowbell('explain', '-w', 'caddy', '-c', config, log);
  expect(output.trimEnd().split('\n')).toEqual([
    '{"line":1,"observation":{"kind":"auth-failed","ip":"203.0.113.7","account":"joe","pattern":"login"}}',
    '{"line":2,"observation":null}',
    '{"line":3,"observation":null}',
  ]);
  expect(code).toBe(0);
});

test.each([
  [['-w', 'pattern'], 'what "pattern" reads depends on its options: name one of a configuration, with --config'],
  [['-w', 'pattern', '-c'], 'there are several of type "pattern"; name one: caddy, other'],
  [['-w', 'nobody', '-c'], 'there is no watcher "nobody" that reads lines; there are '],
])('explain %j asks for what is missing', async (args, message) => {
  const { config, log } = files(GOOD);
  const { code, output } = await cowbell('explain', ...args, ...(args.includes('-c') ? [config] : []), log);
  expect([code, output.replace('cowbell: ', '').startsWith(message)]).toEqual([1, true]);
});

test('check says what was compiled, and where what was not', async () => {
  const good = await cowbell('check', '-c', files(GOOD).config);
  expect(good.output).toContain('ok    watcher caddy: login tells of auth-failed\n');
  expect(good.output).toContain('ok    watcher other: patterns[0] tells of banned\n');
  const bad = files(GOOD.replace('<HOST> failed', '(?=<HOST>)'));
  const { code, output } = await cowbell('check', '-c', bad.config);
  expect(code).toBe(78);
  expect(output).toContain(
    `${bad.config}:11:16: ${PLACE}.regex: expected a regular expression of RE2; at character 37: there is no lookahead`,
  );
});

test('replay reads them as well', async () => {
  const { config, log } = files(GOOD);
  const { code, output } = await cowbell('replay', '-w', 'other', '-c', config, log);
  expect(output).toContain('3 lines read, 1 ban, 1 alert delivered\n');
  expect(code).toBe(0);
});

test('the engine is loaded for none but patterns', () => {
  const loaded = (watchers: string) => {
    const script = `
      const { parseConfig } = await import(${JSON.stringify(join(ROOT, 'src/config/load.ts'))});
      parseConfig('notifiers: [{type: console}]\\nwatchers: [${watchers}]', { env: {} });
      const { createRequire } = await import('node:module');
      console.log(Object.keys(createRequire(import.meta.url).cache).some((file) => file.includes('re2js')));`;
    return execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).trim();
  };
  expect(loaded('{type: netfilter}, {type: dovecot}')).toBe('false');
  expect(loaded('{type: pattern, service: x, patterns: [{kind: auth-failed, regex: "<HOST>"}]}')).toBe('true');
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { tempDir } from '../support/temp-dir.ts';

const CONSOLE = 'notifiers: [{type: console}]\n';

function mistakes(text: string, env: Record<string, string> = {}): string {
  try {
    parseConfig(text, { env, file: 'c.yaml' });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'valid';
}

describe('YAML that is none, or not wanted', () => {
  it.each([
    [
      'a password that is read as a tag',
      'redis: {password: !hunter2}',
      'c.yaml:1:19: YAML: a value that begins with `!`',
    ],
    [
      'a password that is read as an alias',
      'redis: {password: *hunter2}',
      'c.yaml:1:19: YAML: a value that begins with `*`',
    ],
    ['an alias inside of itself', 'notifiers: &a [*a]', 'c.yaml:1:16: YAML: an alias stands inside of what it repeats'],
    ['a key that is a list', '? [a, b]\n: c\n', 'c.yaml:1:3: YAML: a key must be text'],
    ['two documents', `${CONSOLE}---\na: b`, 'c.yaml:2:1: YAML: Source contains multiple documents'],
    ['a depth that nobody writes', '['.repeat(100_000), /^c\.yaml:1:\d+: YAML: it is nested too deeply$/],
    ['more aliases than anybody needs', `a: &a x\nb: [${'*a, '.repeat(21)}]`, 'there are more than 20 aliases'],
  ])('%s', (_what, text, expected) => {
    expect(mistakes(text)).toMatch(expected);
  });

  it.each(['constructor: {a: 1}', '__proto__: {type: slack}', 'toString_file: /x', 'hasOwnProperty: [1]'])(
    'a key that every object has is not known: %s',
    (text) => {
      expect(mistakes(`${text}\n${CONSOLE}`)).toMatch(/^c\.yaml:1:1: \w+: is not known here/);
    },
  );

  it('an anchor repeats a value', () => {
    const [first, second] = parseConfig(
      'notifiers:\n- {type: console, events: &e [ban.started]}\n- {type: console, name: b, events: *e}',
      { env: {} },
    ).notifiers;
    expect([first?.events, second?.events]).toEqual([['ban.started'], ['ban.started']]);
  });

  it('a section without a value is one that was left out', () => {
    expect(mistakes(`${CONSOLE}docker:\nredis:\nlog:\nbans:\nhost:\n`)).toBe('valid');
    expect(mistakes('notifiers:\n')).toMatch(/notifiers: is missing/);
  });

  it('a file without an end is not read to its end', () => {
    expect(() => loadConfig({ file: '/dev/zero', env: {} })).toThrow(/cannot be read: it is larger than 1 MiB/);
    expect(mistakes('redis: {password_file: /dev/zero}')).toContain('cannot be read: it is larger than 64 KiB');
  });

  it('text is UTF-8, with or without a byte order mark', () => {
    const folder = tempDir();
    writeFileSync(join(folder, 'mark.yaml'), `\ufeff${CONSOLE}`);
    writeFileSync(join(folder, 'latin1.yaml'), Buffer.from(`${CONSOLE}host: caf\xe9\n`, 'latin1'));
    expect(loadConfig({ file: join(folder, 'mark.yaml'), env: {} }).notifiers).toHaveLength(1);
    expect(() => loadConfig({ file: join(folder, 'latin1.yaml'), env: {} })).toThrow(/it is not text in UTF-8/);
  });
});

describe('what to do about a mistake', () => {
  it.each([
    [
      'a number in place of text',
      `${CONSOLE}redis: {password: 12345}`,
      'expected a string, not a number; put it in quotes',
    ],
    [
      'no blank behind a colon',
      `${CONSOLE}redis:\n  password:hunter2`,
      'redis: expected a mapping, not text; a blank is missing',
    ],
    [
      'no blank in braces',
      `${CONSOLE}redis: {password:hunter2}`,
      'redis.password…: is not known here; a blank is missing',
    ],
    ['a misspelt file', 'notifiers: [{type: slack, url_flie: /x}]', 'did you mean "url_file"?'],
    [
      'a header of ours',
      'notifiers: [{type: webhook, url: "https://x.org", headers: {host: x}}]',
      'headers.host: cowbell sets',
    ],
    ['a port that is none', `${CONSOLE}http: {listen: "127.0.0.1:65536"}`, 'expected host:port, not "127.0.0.1:65536"'],
    ['a variable that is written badly', `${CONSOLE}host: "\${NAME-x}"`, 'c.yaml:2:7: host: expected ${NAME} or'],
    ['a variable inside of a variable', `${CONSOLE}host: "\${A:-\${B:-x}}"`, 'expected ${NAME} or ${NAME:-default}'],
    [
      'one value that is wrong twice',
      `${CONSOLE}bans: {confirm_within_ms: 99999999999999999999}`,
      /^[^\n]*60000 or less[^\n]*$/,
    ],
  ])('%s', (_what, text, expected) => {
    expect(mistakes(text)).toMatch(expected);
  });

  it('a watcher of Redis needs to know where that is', () => {
    const text = `${CONSOLE}watchers: [{type: redis}]`;
    expect(mistakes(text)).toMatch('c.yaml:2:19: watchers[0].type: "redis" needs `redis` in the configuration');
    expect(mistakes(text, { REDISPASS: 'x' })).toBe('valid');
    expect(mistakes(`${text}\nredis: {url: "redis://redis"}`)).toBe('valid');
  });

  it('a value from the environment is told by its variable, and has no place in the file', () => {
    const env = {
      COWBELL_SLACK_URL: 'https://example.org/x',
      COWBELL_WEBHOOK_URL: 'example.org/hunter2',
      MAILCOW_HOSTNAME: 'h'.repeat(254),
    };
    expect(mistakes('log: {level: loud}', env).split('\n')).toEqual([
      `MAILCOW_HOSTNAME: expected 253 characters at most, not "${'h'.repeat(78)}…`,
      'COWBELL_WEBHOOK_URL: expected an address that begins with https:// or http://',
      'c.yaml:1:14: log.level: expected one of debug, info, warn, error, not "loud"',
    ]);
  });

  it('a value that a variable gave is shown as it was written', () => {
    const env = { LEVEL: 'hunter2' };
    expect(mistakes(`${CONSOLE}log: {level: "\${LEVEL}"}`, env)).toMatch(/error, not "\$\{LEVEL\}"$/);
  });

  it('a secret from a file is told at the key that names the file', () => {
    const file = join(tempDir(), 'url');
    writeFileSync(file, 'hunter2\n');
    expect(mistakes(`notifiers:\n- type: slack\n  url_file: ${file}`)).toBe(
      'c.yaml:3:13: notifiers[0].url_file: expected an address that begins with https:// or http://',
    );
  });
});

/** Secrets are written wrongly in as many ways as people can. */
describe('no mistake shows a secret', () => {
  it.each([
    'notifiers: https://hooks.slack.com/services/hunter2',
    'notifiers: {type: slack, url: https://hooks.slack.com/hunter2}',
    'notifiers: [https://hooks.slack.com/hunter2]',
    'notifiers: [{type: "https://hooks.slack.com/hunter2"}]',
    'notifiers: [{type: {url: hunter2}}]',
    'notifiers: [{type: slack, url: "https://x.org", name: "https://hooks.slack.com/hunter2"}]',
    'notifiers: [{type: slack, url_file: "https://hooks.slack.com/hunter2"}]',
    'notifiers: [{type: webhook, url: "https://x.org", headers: "authorization: hunter2"}]',
    'notifiers: [{type: webhook, url: "https://x.org", headers: [hunter2]}]',
    'notifiers: [{type: webhook, url: "https://x.org", headers: {"authorization: hunter2": x}}]',
    'notifiers: [{type: webhook, url: "https://x.org", headers: {host: hunter2}}]',
    'notifiers: [{type: webhook, url: "https://x.org", secret: "whsec_!hunter2"}]',
    'notifiers: [{type: slack, url: *hunter2}]',
    'notifiers:\n - type: slack\n   url:https://hooks.slack.com/hunter2',
    `${CONSOLE}redis: redis://:hunter2@redis`,
    `${CONSOLE}redis: [{password: hunter2}]`,
    `${CONSOLE}redis:\n  hunter2`,
    `${CONSOLE}redis:\n  password:hunter2`,
    `${CONSOLE}redis: {password:hunter2}`,
    `${CONSOLE}redis: {password_file: hunter2}`,
    `${CONSOLE}redis: {password: {a: hunter2}}`,
    `${CONSOLE}redis: {password: !hunter2}`,
    `${CONSOLE}redis: {password: !!hunter2 x}`,
    `${CONSOLE}redis: {password: !<hunter2 x}`,
    `${CONSOLE}redis: {password: @hunter2}`,
    `${CONSOLE}redis: {password: 'a'hunter2}`,
    `${CONSOLE}redis: {password: a: hunter2}`,
    `${CONSOLE}redis:\n  password: |hunter2`,
    `${CONSOLE}redis:\n  password: |9hunter2\n  x`,
    `${CONSOLE}redis:\n  password: %hunter2`,
    `${CONSOLE}redis:\n  password: "\\Uhunter2"`,
    `${CONSOLE}redis:\n  password: "hunter2`,
    `${CONSOLE}http: {listen: "http://u:hunter2@host"}`,
    '%hunter2\n---\na: b',
    '%YAML hunter2\n---\na: b',
    'hunter2',
  ])('%s', (text) => {
    const told = mistakes(text);
    expect(told).toMatch(/^c\.yaml:/);
    expect(told).not.toContain('hunter2');
  });
});

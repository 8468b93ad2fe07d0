import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { generatedFiles } from '../../scripts/generated-files.ts';
import { exampleConfig } from '../../src/config/example.ts';
import { configJsonSchema } from '../../src/config/json-schema.ts';
import { parseConfig } from '../../src/config/load.ts';
import { notifierDefinitions } from '../../src/notifiers/registry.ts';
import { reputationDefinitions } from '../../src/reputation/registry.ts';
import { VERSION } from '../../src/version.ts';
import { watcherDefinitions } from '../../src/watchers/registry.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** Whatever the example takes from the environment. */
const names = [...exampleConfig().matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => name);
const env = Object.fromEntries(names.map((name) => [name, name.endsWith('URL') ? 'https://example.org/hook' : 's']));

describe('what is made from the schema', () => {
  it.each(Object.entries(generatedFiles()))('%s is up to date: else run `npm run generate`', (path, content) => {
    expect(readFileSync(join(ROOT, path), 'utf8')).toBe(content);
  });

  it('the example works as it is, and with every option turned on', () => {
    expect(parseConfig(exampleConfig(), { env }).notifiers).toMatchObject([{ type: 'slack' }]);
    // Explanations have two marks, options one.
    const everything = exampleConfig()
      .replaceAll(/^# (?! )(?=\S)|^# (?= )/gm, '')
      .replace('/etc/cowbell/networks.txt', join(ROOT, 'test/fixtures/networks.txt'));
    const named = everything
      .split('\n')
      .map((line, index) => line.replace('name: second', `name: n${index}`))
      .join('\n');
    const config = parseConfig(named.replace(/^cowbell: every.*$/m, '').replace(/^\$\{NAME\} and.*$/m, ''), { env });
    expect(config.notifiers.map(({ type }) => type)).toEqual(notifierDefinitions.map(({ type }) => type));
    expect(config.watchers?.map(({ type }) => type)).toEqual(watcherDefinitions.map(({ type }) => type));
    expect(Object.keys(config.reputation)).toEqual(reputationDefinitions.map(({ type }) => type));
  });

  it('the JSON Schema takes what is right and refuses what is wrong', () => {
    const validate = new Ajv2020({ strict: false }).compile(configJsonSchema());
    const isValid = (text: string) => validate(parse(text));
    expect(isValid('notifiers: [{type: slack, url: "https://x.org"}]')).toBe(true);
    expect(isValid('notifiers: [{type: slack, url_file: /run/secrets/slack}]')).toBe(true);
    expect(isValid('{}')).toBe(true);
    expect(isValid('notifiers: [{type: slack}]')).toBe(false);
    expect(isValid('notifiers: [{type: slack, url: "https://x.org", colour: red}]')).toBe(false);
    expect(isValid('redis: {password_file: /run/secrets/redis}')).toBe(true);
    expect(isValid('redis: {password: pa55, password_file: /run/secrets/redis}')).toBe(false);
    expect(isValid('notifiers: [{type: slack, url: "https://x.org", url_file: /run/secrets/slack}]')).toBe(false);
    expect(isValid('notifiers: [{type: webhook, url: "https://x.org", secret_file: /run/secrets/key}]')).toBe(true);
  });

  it('the version is that of the package', () => {
    expect(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version).toBe(VERSION);
  });
});

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { notifierDefinitions } from '../../src/notifiers/registry.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { CHECKOUT } from '../container/compose-file.ts';
import { cowbell } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';

const SECRET = 'tOkEn0f4c';
const PAGE = readFileSync(join(CHECKOUT, 'docs', 'notifiers.md'), 'utf8');
/** The configurations that docs/notifiers.md shows, a section each, with secrets filled in. */
const examples = [...PAGE.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, yaml = '']) => yaml);
const names = [...PAGE.matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => name);
const env = Object.fromEntries(
  names.map((name) => [name, name.endsWith('URL') ? `https://chat.example.org/hooks/${SECRET}` : SECRET]),
);

it('docs/notifiers.md has an example of every notifier but the terminal', () => {
  const shown = examples.flatMap((yaml) => parseConfig(yaml, { env }).notifiers.map(({ type }) => type));
  const types: string[] = notifierDefinitions.map(({ type }) => type).filter((type) => type !== 'console');
  expect([...new Set(shown)].sort()).toEqual(types.sort());
});

it.each(examples.map((yaml) => [/type: (\w+)/.exec(yaml)?.[1] ?? '', yaml]))(
  'ring shows what %s would be sent of every kind of event, and no secret',
  async (_, yaml) => {
    const file = join(tempDir(), 'cowbell.yaml');
    writeFileSync(file, yaml);
    const kinds = new Set(sampleEvents('h', 0).map(({ type }) => type));
    for (const { name } of parseConfig(yaml, { env }).notifiers) {
      const { code, out, err } = await cowbell(['ring', '--render', name, '-c', file], { env });
      expect([code, err]).toEqual([0, '']);
      const parts = out.split(/^# (?=[a-z]+(?:\.[a-z]+)?$)/m).slice(1);
      expect(new Set(parts.map((part) => part.split('\n')[0]))).toEqual(kinds);
      const said = parts.filter((part) => part.trim().split('\n').length > 1);
      expect(said.length).toBeGreaterThan(1);
      expect(said[0]).toMatch(/^ban\.started\n(?:POST|PUT|MAIL) /);
      expect(out).not.toContain(SECRET);
    }
  },
);

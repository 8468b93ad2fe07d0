import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importsOf } from './architecture/imports.ts';
import { problemsOf } from './architecture/rules.ts';

const CHECKOUT = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(CHECKOUT, path), 'utf8');
const sources = globSync('**/*.ts', { cwd: join(CHECKOUT, 'src') }).map((path) => ({
  path,
  text: read(`src/${path}`),
}));

/** Every file that is kept, but for what npm and the builds make. */
const kept = globSync(['*', '.*', '{.ci,bench,demo,deploy,docs,scripts,src,test}/**/*'], {
  cwd: CHECKOUT,
  withFileTypes: true,
})
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(CHECKOUT.length + 1));

const problemsIn = (path: string, text: string) => problemsOf([{ path, text }]);

describe('the sources', () => {
  it('keep to the plan of the house', () => {
    expect(sources.length).toBeGreaterThan(50);
    expect(problemsOf(sources)).toEqual([]);
  });

  it('are what the rules can read: each import of each file is seen', () => {
    const seen = sources.flatMap(({ path, text }) => importsOf(path, text)).length;
    const written = sources.flatMap(({ text }) => text.match(/^(?:import .*'|\} from ')|\bimport\('/gm) ?? []).length;
    expect(seen).toBe(written);
    const paths = new Set(sources.map(({ path }) => path));
    const own = sources.flatMap(({ path, text }) => importsOf(path, text)).filter(({ isOwn }) => isOwn);
    expect(own.filter(({ target }) => !paths.has(target))).toEqual([]);
  });
});

describe('the rules', () => {
  it.each([
    ['core/event.ts', "import { a } from '../ledger/bans.ts';"],
    ['core/event.ts', "import { readFileSync } from 'node:fs';"],
    ['watchers/redis.ts', "import { a } from '../ledger/ledger.ts';"],
    ['watchers/redis.ts', "import type { A } from '../notifiers/message.ts';"],
    ['notifiers/slack.ts', "import {\n  a,\n  b,\n} from '../http/client.ts';"],
    ['reputation/policy.ts', "import { a } from '../pipeline/lane.ts';"],
    ['ledger/bans.ts', "import { a } from '../pipeline/lane.ts';"],
    ['http/client.ts', "const { a } = await import('../ops/logger.ts');"],
    ['config/schema.ts', "import { a } from '../notifiers/slack.ts';"],
    ['pipeline/lane.ts', "import { a } from '../app.ts';"],
    ['app.ts', "import { a } from './cli/run.ts';"],
    ['assemble.ts', "import './main.ts';"],
    ['cli/run.ts', "import { a } from '../main.ts';"],
    ['main.ts', "import { a } from './app.ts';"],
    ['cli/run.ts', "import { a } from '../../test/support/eventually.ts';"],
    ['helpers/text.ts', "import { a } from '../core/text.ts';"],
    ['watchers/docker.ts', "import Docker from 'dockerode';"],
    ['cli/check.ts', "const { Redis } = await import('ioredis');"],
    ['notifiers/slack.ts', "import { request } from 'undici';"],
    ['app.ts', "import PQueue from 'p-queue';"],
    ['notifiers/email.ts', "const { createTransport } = await import('nodemailer');"],
    ['notifiers/email.ts', "import { createSmtpMailer } from '../mail/smtp.ts';"],
    ['http/client.ts', "import { pino } from 'pino';"],
    ['pipeline/recorder.ts', "import { DatabaseSync } from 'node:sqlite';"],
    ['core/text.ts', 'export default 1;'],
    ['core/index.ts', "export * from './text.ts';"],
    ['core/index.ts', "export { a } from './text.ts';"],
    ['core/text.ts', 'process.exit(1);'],
    ['core/someText.ts', 'export const a = 1;'],
    ['core/text.ts', '\n'.repeat(301)],
  ])('refuse %s: %j', (path, text) => {
    expect(problemsIn(path, text)).toHaveLength(1);
  });

  it.each([
    ['main.ts', "const { runCli } = await import('./cli/program.ts');\nprocess.exit(1);"],
    ['cli/run.ts', "const { runApp } = await import('../app.ts');\nimport { a } from '../core/clock.ts';"],
    ['app.ts', "import { a } from './ledger/ledger.ts';\nimport { b } from './version.ts';"],
    ['config/schema.ts', "import { a } from '../notifiers/registry.ts';"],
    ['pipeline/lane.ts', "import PQueue from 'p-queue';\nimport type { A } from '../ledger/bans.ts';"],
    ['watchers/redis.ts', "import type { Redis } from 'ioredis';\nimport { a } from './redis-keys.ts';"],
    ['core/text.ts', "// import { a } from '../ledger/bans.ts';\n/* export default 1 */"],
    ['core/text.ts', '\n'.repeat(300)],
  ])('let pass %s: %j', (path, text) => {
    expect(problemsIn(path, text)).toEqual([]);
  });
});

/** Paths of a developer's machine, and hosts that only one network has. */
const MACHINE = new RegExp(['/work/', '/home/[a-z]+/', '/root/', '/Users/', '\\bregistry\\.np'].join('|'));

describe('what is kept', () => {
  const own = kept.filter((path) => !path.startsWith('test/fixtures/') && path !== 'test/architecture.test.ts');

  it('knows no machine', () => {
    expect(own).toContain('README.md');
    expect(own.filter((path) => MACHINE.test(read(path)))).toEqual([]);
    expect(MACHINE.test('cd /home/ann/cowbell')).toBe(true);
  });

  it('locks packages, not where they were fetched, and every platform that a package is made for', () => {
    const lock = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { resolved?: string; optionalDependencies?: Record<string, string> }>;
    };
    const packages = Object.entries(lock.packages);
    expect(packages.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
    // Without all of them `npm ci` refuses the file, on every platform.
    const optional = packages.flatMap(([, each]) => Object.keys(each.optionalDependencies ?? {}));
    expect(optional.length).toBeGreaterThan(10);
    expect(optional.filter((name) => !packages.some(([path]) => path.endsWith(`node_modules/${name}`)))).toEqual([]);
  });

  it('has no test that is skipped, replaced by a double at the import, or left for later', () => {
    const words = ['skip', 'only', 'todo', 'fails'].join('|');
    const evasion = new RegExp(`\\b(?:it|test|describe)\\.(?:${words})\\b|\\bvi\\.mock\\b|\\bTODO\\b|\\bFIXME\\b`);
    const code = own.filter((path) => path.endsWith('.ts'));
    expect(code.length).toBeGreaterThan(100);
    expect(code.filter((path) => evasion.test(read(path)))).toEqual([]);
    expect(evasion.test("it.skip('x')")).toBe(true);
  });
});

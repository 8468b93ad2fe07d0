import { importsOf, withoutComments } from './imports.ts';

/** A source file below `src`, by its path there. */
export interface Source {
  path: string;
  text: string;
}

/** What a room may import beside itself and `core`; a path ends in `.ts`, a room does not. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  logs: [],
  ledger: [],
  http: [],
  mail: [],
  ops: [],
  origins: [],
  watchers: [],
  notifiers: [],
  // The same far sides that are watched.
  reputation: [
    'ledger',
    'watchers/redis-connection.ts',
    'watchers/mailcow-api-client.ts',
    'watchers/mailcow-api-answer.ts',
    'watchers/mailcow-api-state.ts',
    'watchers/fail2ban-client-run.ts',
    'watchers/fail2ban-client-answers.ts',
  ],
  pipeline: ['ledger'],
  // The schema is made of what the registries hold.
  config: [
    'watchers/registry.ts',
    'notifiers/registry.ts',
    'notifiers/message-templates.ts',
    'notifiers/body-template.ts',
    'reputation/registry.ts',
  ],
};

/** Where a package, or a builtin that owns something, may be loaded; a type of it is no user. */
const OWNERS: Readonly<Record<string, string>> = {
  dockerode: 'logs/',
  ioredis: 'watchers/redis-connection.ts',
  undici: 'http/',
  nodemailer: 'mail/smtp.ts',
  'p-queue': 'pipeline/',
  'prom-client': 'ops/',
  liquidjs: 'notifiers/template.ts',
  'temporal-polyfill': 'pipeline/local-time.ts',
  pino: 'ops/',
  'pino-pretty': 'ops/',
  'node:sqlite': 'ledger/',
  commander: 'cli/',
  yaml: 'config/',
  'ipaddr.js': 'core/network.ts',
  'get-east-asian-width': 'core/text-width.ts',
};

const BUILTINS_WITHOUT_IO = ['node:util', 'node:timers', 'node:crypto', 'node:buffer'];
const LONGEST_FILE = 300;

/** Everything that the sources do against the plan of the house, one sentence each. */
export function problemsOf(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => [
    ...directionProblems(source),
    ...ownerProblems(source),
    ...shapeProblems(source),
  ]);
}

/** `main → cli → (app, assemble, replay: the files beside main) → rooms → core`. */
function directionProblems({ path, text }: Source): string[] {
  const room = roomOf(path);
  const own = importsOf(path, text).filter(({ isOwn }) => isOwn);
  const problems = own
    .filter(({ target }) => !mayImport(room, path, target))
    .map(({ target }) => `${path} imports ${target}: the wrong way`);
  const outside = importsOf(path, text).filter(({ isOwn, target }) => !isOwn && target.startsWith('node:'));
  const io = room === 'core' ? outside.filter(({ target }) => !BUILTINS_WITHOUT_IO.includes(target)) : [];
  return [...problems, ...io.map(({ target }) => `${path} imports ${target}: core does no I/O`)];
}

function mayImport(room: string, path: string, target: string): boolean {
  if (target.startsWith('..')) return false;
  if (path === 'main.ts') return roomOf(target) === 'cli';
  if (room === 'cli') return target !== 'main.ts';
  if (room === '') return target !== 'main.ts' && roomOf(target) !== 'cli';
  const allowed = MAY_IMPORT[room];
  if (allowed === undefined) return false;
  return [room, 'core', ...allowed].some((each) => each === target || each === roomOf(target));
}

function ownerProblems({ path, text }: Source): string[] {
  return importsOf(path, text)
    .filter(({ target, isType }) => !isType && OWNERS[target] !== undefined && !path.startsWith(OWNERS[target]))
    .map(({ target }) => `${path} loads ${target}, which ${OWNERS[target]} alone may`);
}

function shapeProblems({ path, text }: Source): string[] {
  const code = withoutComments(text);
  const problems: string[] = [];
  const tell = (isSo: boolean, what: string) => isSo && problems.push(`${path} ${what}`);
  tell(text.split('\n').length - 1 > LONGEST_FILE, `has more than ${LONGEST_FILE} lines`);
  tell(/^export default\b/m.test(code), 'has a default export');
  tell(/^export (?:type )?(?:\*|\{[^}]*\} from\b)/m.test(code), "hands on another file's exports");
  tell(path !== 'main.ts' && /\bprocess\.exit\b/.test(code), 'ends the process');
  tell(!/(?:^|\/)[a-z0-9]+(?:-[a-z0-9]+)*\.ts$/.test(path), 'is not named in kebab-case');
  return problems;
}

/** The folder below `src`; empty for the files beside main. */
function roomOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? '') : '';
}

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

/** Builds cowbell as the image does; returns what runs it there: Node's flags and the script. */
export function buildForBench(): string[] {
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  const [, entrypoint] = /^ENTRYPOINT (\[.*\])$/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')) ?? [];
  const [, ...args] = JSON.parse(entrypoint ?? '[]') as string[];
  return args.map((arg) => (arg.endsWith('main.js') ? join(ROOT, 'dist', 'main.js') : arg));
}

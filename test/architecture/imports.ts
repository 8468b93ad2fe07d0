import { posix } from 'node:path';

/** One import of a source file. `target` is a path below `src` for our own, else the name of the package or builtin. */
export interface Import {
  target: string;
  isOwn: boolean;
  /** Types alone: nothing is loaded for it. */
  isType: boolean;
}

const STATIC = /^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;
const DYNAMIC = /\bimport\('([^']+)'\)/g;

/** The imports of a source text; `path` is where it stands below `src`. */
export function importsOf(path: string, text: string): Import[] {
  const code = withoutComments(text);
  const found = [
    ...[...code.matchAll(STATIC)].map(([, type, target = '']) => ({ target, isType: type !== undefined })),
    ...[...code.matchAll(DYNAMIC)].map(([, target = '']) => ({ target, isType: false })),
  ];
  return found.map(({ target, isType }) => {
    const isOwn = target.startsWith('.');
    return { target: isOwn ? posix.join(posix.dirname(path), target) : packageOf(target), isOwn, isType };
  });
}

/** The text with comments blanked out; strings stay, so that a path with `//` in it is no comment. */
export function withoutComments(text: string): string {
  return text.replace(
    /\/\*[\s\S]*?\*\/|(^|[\s;{}(,])\/\/[^\n]*/g,
    (comment, before: string | undefined) => (before ?? '') + comment.replace(/[^\n]/g, '').slice(0, 0),
  );
}

/** `discord-api-types/v10` is `discord-api-types`; `node:fs/promises` is `node:fs`. */
function packageOf(target: string): string {
  const parts = target.split('/');
  return target.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
}

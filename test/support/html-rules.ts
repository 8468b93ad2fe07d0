import { controlProblems } from './slack-rules.ts';

/** HTML as a strict chat service reads it: text, what is marked up in it, and all that is wrong with it. */
export interface ReadHtml {
  text: string;
  /** How many elements there are. */
  elements: number;
  /** The text outside of code, where an app looks for addresses, names and commands. */
  bare: string;
  problems: string[];
}

const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"' };
const TOKEN = /<(\/?)([a-z][a-z0-9]*)>|&(lt|gt|amp|quot);|[^<>&]+|[\s\S]/gu;

/** Elements without attributes, of the names given; code may neither hold nor be inside another but `pre`'s own. */
export function readHtml(html: string, allowed: ReadonlySet<string>, empty: ReadonlySet<string> = new Set()): ReadHtml {
  const read: ReadHtml = { text: '', elements: 0, bare: '', problems: controlProblems(html) };
  const open: string[] = [];
  for (const [token, slash, name, entity] of html.matchAll(TOKEN)) {
    if (name !== undefined) {
      if (!allowed.has(name)) read.problems.push(`an element that is not taken: ${token}`);
      else if (empty.has(name)) read.text += '\n';
      else if (slash === '/') {
        if (open.pop() !== name) read.problems.push(`${token} ends nothing`);
      } else {
        if (open.includes('code') || open.includes('pre')) read.problems.push(`${token} in code`);
        if ((name === 'code' || name === 'pre') && open.some((each) => /^[bius]$|strong/.test(each)))
          read.problems.push(`code in <${open.at(-1)}>`);
        open.push(name);
        read.elements++;
      }
      if (slash === '' || open.length === 0) read.bare += ' ';
      continue;
    }
    if (entity === undefined && /^[<>&]$/.test(token)) read.problems.push(`unescaped ${token}`);
    const text = entity === undefined ? token : (NAMED[entity] ?? token);
    read.text += text;
    if (!open.includes('code') && !open.includes('pre')) read.bare += text;
  }
  if (open.length > 0) read.problems.push(`<${open.join('><')}> without end`);
  return read;
}

/** What apps make links of, wherever it stands in plain text. */
export function linkProblems(text: string): string[] {
  const found =
    /[a-z][a-z0-9+.-]*:\/\/|(?:mailto|tel):\S|[\p{L}\p{N}-]+\.\p{L}{2,}|[@#$]\p{L}|(?:^|\s)\/\p{L}|\+?\d{7,}/iu.exec(
      text,
    );
  return found === null ? [] : [`it becomes a link: ${JSON.stringify(text.slice(found.index, found.index + 40))}`];
}

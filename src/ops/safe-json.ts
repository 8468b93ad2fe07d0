import { UNSAFE } from '../core/text.ts';

/** Most lines are plain ASCII, where nothing is to be done. */
const PLAIN = /^[\x20-\x7e]*$/;

/** A line of JSON that means the same, with all that acts on a terminal, on an eye or on a parser as `\u` escapes. */
export function escapeUnsafe(json: string): string {
  if (PLAIN.test(json)) return json;
  return json.replace(UNSAFE, (character) =>
    Array.from({ length: character.length }, (_, unit) => {
      return `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`;
    }).join(''),
  );
}

/** The same with blanks in their place, for what is about to be shown to a person; line breaks stay. */
export function blankUnsafe(json: string): string {
  const plain = PLAIN.test(json) ? json : json.replace(UNSAFE, ' ');
  if (!plain.includes('\\')) return plain;
  // A backslash that is text is written as two, which are taken together.
  return plain.replace(/\\(?:u[0-9a-f]{4}|.)/g, (each) =>
    /^\\(?:[bfrt]|u(?:00[01]|d[89a-f]))/.test(each) ? ' ' : each,
  );
}

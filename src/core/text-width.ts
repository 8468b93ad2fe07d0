import { eastAsianWidth } from 'get-east-asian-width';

/** How many columns of a terminal a text takes: letters of the east take two, marks that sit on others none. */
export function widthOf(text: string): number {
  // Most text is plain ASCII.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) {
    if (!/[\p{Mn}\p{Me}\p{Cf}]/u.test(character)) width += eastAsianWidth(character.codePointAt(0) ?? 0);
  }
  return width;
}

/** At most `columns` of a text, `…` where it was cut. */
export function cutToWidth(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = '';
  let width = 1;
  for (const character of text) {
    width += widthOf(character);
    if (width > columns) break;
    kept += character;
  }
  return columns <= 0 ? '' : `${kept}…`;
}

/** Eighths of a block, the narrowest first. */
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A count as a bar of blocks, `██▌`: of `highest` it is `columns` long. One that is not none can be seen. */
export function bar(count: number, highest: number, columns: number): string {
  if (count <= 0 || highest <= 0) return '';
  const eighths = Math.max(1, Math.round((Math.min(count, highest) / highest) * columns * 8));
  return `${'█'.repeat(Math.floor(eighths / 8))}${EIGHTHS[eighths % 8]}`;
}

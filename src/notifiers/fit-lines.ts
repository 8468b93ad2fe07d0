import type { Line } from '../core/message.ts';

/** Rendered lines made to fit: always whole lines and whole parts, as markup that is cut in two would act. */

const MORE = '…';

/** The first lines that fit one text together; `…` stands for the rest. */
export function joinUpTo(lines: readonly string[], limit: number): string {
  return chunkUpTo(lines, limit, 1)[0] ?? '';
}

/** The same, over as many as `most` texts. */
export function chunkUpTo(lines: readonly string[], limit: number, most: number): string[] {
  const chunks: string[] = [];
  let chunk = '';
  for (const line of lines) {
    const longer = chunk === '' ? line : `${chunk}\n${line}`;
    const isLast = chunks.length === most - 1;
    if (longer.length <= limit - (MORE.length + 1)) {
      chunk = longer;
    } else if (isLast || line.length > limit - (MORE.length + 1)) {
      return [...chunks, chunk === '' ? MORE : `${chunk}\n${MORE}`];
    } else {
      chunks.push(chunk);
      chunk = line;
    }
  }
  return chunk === '' ? chunks : [...chunks, chunk];
}

/** A line behind `head`, less as many of its last parts as are too much; `…` stands for them. */
export function fitLine(line: Line, limit: number, render: (line: Line) => string, head = ''): string {
  for (let count = line.length; count > 0; count--) {
    const text = `${head}${render(line.slice(0, count))}${count < line.length ? MORE : ''}`;
    if (text.length <= limit) return text;
  }
  return line.length === 0 ? head : `${head}${MORE}`;
}

import type { LogLine } from '../core/watcher.ts';
import { type LogDecoder, PART } from './frames.ts';
import { boundedText, createLineSplitter, LONGEST_LINE, textEnd } from './line-splitter.ts';
import { LONGEST_STAMP, readStamp, toUtcStamp } from './stamp.ts';

/** Room for the stamps of all parts of the longest line, and that a cut may be seen. */
const LIMIT = LONGEST_LINE + (LONGEST_STAMP + 1) * (1 + LONGEST_LINE / PART) + 1;

/** For containers with a terminal: lines as they are, without frames. */
export function createTerminalDecoder(): LogDecoder {
  let cut = 0;
  let into: LogLine[] = [];
  const splitter = createLineSplitter(LIMIT, (line) => {
    const stamp = readStamp(line, 0, line.length);
    const text = withoutInnerStamps(line.subarray(stamp.length + 1), stamp);
    if (text.length > LONGEST_LINE) cut++;
    // A terminal puts a carriage return before each line feed, also where the program wrote one itself.
    let end = text.length;
    for (let before = textEnd(text, 0, end); before < end; before = textEnd(text, 0, end)) end = before;
    into.push({ stamp: toUtcStamp(stamp), text: boundedText(text, 0, end) });
  });
  return {
    decode(chunk, lines) {
      into = lines;
      splitter.push(chunk);
      into = [];
    },
    // There is one stream alone, so that nothing overtakes a line.
    openStamp: () => undefined,
    cutLines: () => cut,
  };
}

/** A long line comes in parts with nothing between them but the line's stamp, once more in front of each. */
function withoutInnerStamps(text: Buffer, stamp: string): Buffer {
  if (text.length < PART) return text;
  const inner = Buffer.from(`${stamp} `, 'latin1');
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const next = at + PART;
    parts.push(text.subarray(at, next));
    if (next >= text.length) break;
    at = text.subarray(next, next + inner.length).equals(inner) ? next + inner.length : next;
  }
  return Buffer.concat(parts);
}

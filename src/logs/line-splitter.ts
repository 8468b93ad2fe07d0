const NEWLINE = 10;
const RETURN = 13;

/** A line that is longer is cut; what is cut off is read and forgotten. */
export const LONGEST_LINE = 65_536;

/** Takes bytes, split anywhere, and gives their lines. */
export interface LineSplitter {
  push(chunk: Buffer): void;
  /** What is left without a line end is the last line. */
  end(): void;
}

/**
 * Splits at `\n` alone: a carriage return or a separator of Unicode's inside a line may be what an attacker wrote. Of each
 * line at most `limit` bytes are given, without the line end; the bytes are good until `onLine` returns.
 */
export function createLineSplitter(limit: number, onLine: (line: Buffer) => void): LineSplitter {
  let held: Buffer | undefined;

  function hold(bytes: Buffer): void {
    const fitting = bytes.subarray(0, limit - (held?.length ?? 0));
    // A copy: a slice would keep the whole chunk in memory.
    held = held === undefined ? Buffer.from(fitting) : Buffer.concat([held, fitting]);
  }

  function release(): void {
    const line = held ?? Buffer.alloc(0);
    held = undefined;
    onLine(line.subarray(0, textEnd(line, 0, line.length)));
  }

  return {
    push(chunk) {
      let at = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, at)) {
        if (held !== undefined || end - at > limit) {
          hold(chunk.subarray(at, end));
          release();
        } else onLine(chunk.subarray(at, textEnd(chunk, at, end)));
        at = end + 1;
      }
      if (at < chunk.length) hold(chunk.subarray(at));
    },
    end() {
      if (held !== undefined) release();
    },
  };
}

/** `to`, or one less where a carriage return stands before it. */
export function textEnd(bytes: Buffer, from: number, to: number): number {
  return to > from && bytes[to - 1] === RETURN ? to - 1 : to;
}

/** At most `limit` bytes as text, never with half a character at the cut; invalid UTF-8 is replaced. */
export function boundedText(bytes: Buffer, from: number, to: number, limit = LONGEST_LINE): string {
  if (to - from <= limit) return bytes.toString('utf8', from, to);
  let end = from + limit;
  for (let back = 0; back < 3 && ((bytes[end] ?? 0) & 0xc0) === 0x80; back++) end--;
  return bytes.toString('utf8', from, end);
}

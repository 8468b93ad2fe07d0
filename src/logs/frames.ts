import type { LogLine } from '../core/watcher.ts';

/** A line that is longer is cut; what is cut off is read and forgotten. */
const LONGEST_LINE = 65_536;
/** https://docs.docker.com/reference/api/engine/: stream type, three zeros, length of the payload, big endian. */
const HEADER = 8;
const NEWLINE = 10;
const RETURN = 13;
const BLANK = 32;
/** `2026-11-23T11:54:15.934288306Z`; the engine writes all nine digits. */
const LONGEST_STAMP = 40;
const EMPTY = Buffer.alloc(0);

/** Takes a container's log as it comes from the socket, split anywhere, and gives its lines. */
export interface LogDecoder {
  /** Appends the lines that `chunk` completes. */
  decode(chunk: Buffer, lines: LogLine[]): void;
}

/** A line whose end has not come: the engine writes lines above 16 KiB in parts, each with a stamp of its own. */
class OpenLine {
  #stamp = '';
  #text = '';

  get isOpen(): boolean {
    return this.#stamp !== '';
  }

  add(stamp: string, text: string): void {
    if (this.#stamp === '') this.#stamp = stamp;
    if (this.#text.length < LONGEST_LINE) this.#text += text.slice(0, LONGEST_LINE - this.#text.length);
  }

  take(): LogLine {
    const line = { stamp: this.#stamp, text: this.#text.endsWith('\r') ? this.#text.slice(0, -1) : this.#text };
    this.#stamp = '';
    this.#text = '';
    return line;
  }
}

/** For containers without a terminal: frames of stdout and stderr in turn. */
export function createFrameDecoder(): LogDecoder {
  let rest = EMPTY;
  /** Bytes still to come of a payload that is too long to be kept. */
  let skip = 0;
  const open = [new OpenLine(), new OpenLine(), new OpenLine()];
  const ownLine = new OpenLine();

  function readPayload(bytes: Buffer, from: number, to: number, open: OpenLine, lines: LogLine[]): void {
    const blank = bytes.indexOf(BLANK, from);
    if (blank < 0 || blank >= to || blank - from > LONGEST_STAMP) return;
    const isWhole = bytes[to - 1] === NEWLINE;
    const start = blank + 1;
    const end = isWhole ? to - 1 : to;
    if (isWhole && !open.isOpen && end - start <= LONGEST_LINE) {
      const trimmed = end > start && bytes[end - 1] === RETURN ? end - 1 : end;
      lines.push({ stamp: bytes.toString('latin1', from, blank), text: bytes.toString('utf8', start, trimmed) });
      return;
    }
    open.add(bytes.toString('latin1', from, blank), bytes.toString('utf8', start, Math.min(end, start + LONGEST_LINE)));
    if (isWhole) lines.push(open.take());
  }

  return {
    decode(chunk, lines) {
      let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      rest = EMPTY;
      if (skip > 0) {
        const skipped = Math.min(skip, bytes.length);
        skip -= skipped;
        bytes = bytes.subarray(skipped);
      }
      let at = 0;
      while (bytes.length - at >= HEADER) {
        const size = bytes.readUInt32BE(at + 4);
        const from = at + HEADER;
        const available = bytes.length - from;
        if (available < size) {
          if (size <= LONGEST_LINE * 2) break;
          readPayload(bytes, from, bytes.length, ownLine, lines);
          skip = size - available;
          rest = EMPTY;
          return;
        }
        if (size > 0) readPayload(bytes, from, from + size, open[bytes[at] ?? 1] ?? ownLine, lines);
        at = from + size;
      }
      // A copy: a slice would keep the whole chunk in memory.
      rest = at === bytes.length ? EMPTY : Buffer.from(bytes.subarray(at));
    },
  };
}

/** For containers with a terminal: lines as they are. */
export function createRawDecoder(): LogDecoder {
  let rest = EMPTY;
  let isCut = false;
  return {
    decode(chunk, lines) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      for (let end = bytes.indexOf(NEWLINE, at); end >= 0; end = bytes.indexOf(NEWLINE, at)) {
        const line = readRawLine(bytes, at, end);
        if (line !== undefined && !isCut) lines.push(line);
        isCut = false;
        at = end + 1;
      }
      const open = bytes.subarray(at);
      if (open.length > LONGEST_LINE + LONGEST_STAMP) {
        const line = isCut ? undefined : readRawLine(open, 0, LONGEST_LINE);
        if (line !== undefined) lines.push(line);
        isCut = true;
        rest = EMPTY;
      } else rest = Buffer.from(open);
    },
  };
}

function readRawLine(bytes: Buffer, from: number, to: number): LogLine | undefined {
  const blank = bytes.indexOf(BLANK, from);
  if (blank < 0 || blank >= to || blank - from > LONGEST_STAMP) return undefined;
  const end = bytes[to - 1] === RETURN && to - 1 > blank ? to - 1 : to;
  return { stamp: bytes.toString('latin1', from, blank), text: bytes.toString('utf8', blank + 1, end) };
}

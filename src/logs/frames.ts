import { TransientError } from '../core/errors.ts';
import { safeText } from '../core/text.ts';
import type { LogLine } from '../core/watcher.ts';
import { boundedText, LONGEST_LINE, textEnd } from './line-splitter.ts';
import { LONGEST_STAMP, readStamp, toUtcStamp } from './stamp.ts';

/** https://docs.docker.com/reference/api/engine/: stream type, three zeros, length of the payload, big endian. */
const HEADER = 8;
const STREAMS = 4;
/** The stream on which the engine tells why it cannot read on. */
const SYSTEM_ERRORS = 3;
/**
 * The engine takes lines apart at this many bytes: https://github.com/moby/moby/blob/master/daemon/logger/copier.go. All
 * parts carry the stamp of the first, and none but the last is shorter.
 */
export const PART = 16_384;
const NEWLINE = 10;
const EMPTY = Buffer.alloc(0);

/** Takes a container's log as it comes from the socket, split anywhere, and gives its lines. */
export interface LogDecoder {
  /** Appends the lines that `chunk` completes. Throws `TransientError` when the engine says that it cannot read on. */
  decode(chunk: Buffer, lines: LogLine[]): void;
  /** The stamp of the oldest line whose end has not come, though lines after it may have. */
  openStamp(): string | undefined;
  /** How many lines were cut for their length. */
  cutLines(): number;
}

/** One of the streams of a container, and the line of it whose end has not come. */
interface Stream {
  stamp: string | undefined;
  parts: Buffer[];
  size: number;
  /** Stamp of a line that was given without its end: what follows under the same stamp belongs to it. */
  givenStamp: string | undefined;
}

/** For containers without a terminal: frames of stdout and stderr in turn. */
export function createFrameDecoder(): LogDecoder {
  const streams = Array.from({ length: STREAMS }, (): Stream => {
    return { stamp: undefined, parts: [], size: 0, givenStamp: undefined };
  });
  let rest: Buffer = EMPTY;
  /** Bytes still to come of a frame that is too long to be kept, and the stream it is of. */
  let skip = 0;
  let skipped: Stream | undefined;
  let cut = 0;

  function give(stream: Stream, lines: LogLine[]): void {
    if (stream.stamp === undefined) return;
    const bytes = stream.parts.length === 1 ? (stream.parts[0] ?? EMPTY) : Buffer.concat(stream.parts);
    if (stream.size > LONGEST_LINE) cut++;
    lines.push({ stamp: toUtcStamp(stream.stamp), text: boundedText(bytes, 0, textEnd(bytes, 0, bytes.length)) });
    stream.stamp = undefined;
    stream.parts = [];
    stream.size = 0;
  }

  function readPayload(bytes: Buffer, from: number, to: number, stream: Stream, isHead: boolean, lines: LogLine[]) {
    const stamp = readStamp(bytes, from, to);
    const start = from + stamp.length + 1;
    const isWhole = !isHead && bytes[to - 1] === NEWLINE;
    const end = isWhole ? to - 1 : to;
    // Some logging drivers lose the end of a line that came in parts; a program that is killed never writes it.
    if (stream.stamp !== undefined && stream.stamp !== stamp) give(stream, lines);
    const isGiven = stream.givenStamp === stamp;
    if (isGiven) cut++;
    else stream.givenStamp = undefined;
    const isLast = isWhole || (!isHead && end - start < PART);
    if (isLast && !isWhole) stream.givenStamp = stamp;
    if (isGiven) return;
    if (isLast && stream.stamp === undefined && end - start <= LONGEST_LINE) {
      lines.push({ stamp: toUtcStamp(stamp), text: bytes.toString('utf8', start, textEnd(bytes, start, end)) });
      return;
    }
    stream.stamp = stamp;
    // One byte more than a line may have, so that a character is seen to end there. A copy, not to keep the chunk.
    const room = Math.max(0, LONGEST_LINE + 1 - stream.size);
    if (room > 0) stream.parts.push(Buffer.from(bytes.subarray(start, Math.min(end, start + room))));
    stream.size += end - start;
    if (isLast) give(stream, lines);
  }

  return {
    decode(chunk, lines) {
      let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      rest = EMPTY;
      if (skip > 0) {
        const passed = Math.min(skip, bytes.length);
        skip -= passed;
        if (skip === 0 && skipped !== undefined && bytes[passed - 1] === NEWLINE) give(skipped, lines);
        bytes = bytes.subarray(passed);
      }
      let at = 0;
      while (bytes.length - at >= HEADER) {
        const type = bytes[at] ?? 0;
        const stream = streams[type];
        if (stream === undefined || bytes[at + 1] !== 0 || bytes[at + 2] !== 0 || bytes[at + 3] !== 0) {
          throw new TransientError('the Docker Engine sends what is no log of a container without a terminal');
        }
        const size = bytes.readUInt32BE(at + 4);
        const from = at + HEADER;
        const to = from + size;
        const isHead = to > bytes.length;
        if (isHead && bytes.length - from <= LONGEST_LINE + LONGEST_STAMP) break;
        if (type === SYSTEM_ERRORS) {
          const reason = safeText(bytes.toString('utf8', from, Math.min(to, from + 1_000)), 200);
          throw new TransientError(`the Docker Engine cannot read the container's log on: ${reason}`);
        }
        if (size > 0) readPayload(bytes, from, Math.min(to, bytes.length), stream, isHead, lines);
        if (isHead) {
          skip = to - bytes.length;
          skipped = stream;
          return;
        }
        at = to;
      }
      // A copy: a slice would keep the whole chunk in memory.
      rest = at === bytes.length ? EMPTY : Buffer.from(bytes.subarray(at));
    },
    openStamp() {
      let oldest: string | undefined;
      for (const { stamp } of streams)
        if (stamp !== undefined && !(oldest !== undefined && oldest < stamp)) oldest = stamp;
      return oldest === undefined ? undefined : toUtcStamp(oldest);
    },
    cutLines: () => cut,
  };
}

import { createReadStream } from 'node:fs';
import { addAbortSignal, type Readable } from 'node:stream';
import { type Clock, toRfc3339 } from '../core/clock.ts';
import { messageOf, PermanentError } from '../core/errors.ts';
import type { LogChunk, LogLine, LogSource } from '../core/watcher.ts';
import { boundedText, createLineSplitter, LONGEST_LINE } from './line-splitter.ts';

/** What `docker logs -t` and recordings put in front of a line. */
const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) /;
const EPOCH = /^(\d{10}(?:\.\d{1,9})?) /;
/** What programs themselves begin a line with: local time, which stays part of the line. */
const OWN_TIME = /^ ?(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:[.,](\d{3}))?/;

export interface FileLogOptions {
  /** A path, or a stream such as stdin. */
  from: string | Readable;
  clock: Clock;
}

/**
 * A log that was written to a file: read once to its end. A stamp in front of a line, as `docker logs -t` writes it or
 * in epoch seconds, is its time and not part of it; else the line's own date and time are, else those of the line before.
 */
export function createFileLog({ from, clock }: FileLogOptions): LogSource {
  return {
    name: typeof from === 'string' ? from : 'standard input',
    async *read(_from, signal): AsyncIterable<LogChunk> {
      let stamp = toRfc3339(clock.now());
      let lines: LogLine[] = [];
      // One byte more, so that a character is seen to end there.
      const splitter = createLineSplitter(LONGEST_LINE + 1, (bytes) => {
        const line = readLine(boundedText(bytes, 0, bytes.length), stamp);
        stamp = line.stamp;
        lines.push(line);
      });
      const input = typeof from === 'string' ? createReadStream(from) : from;
      try {
        for await (const chunk of addAbortSignal(signal, input) as AsyncIterable<Buffer | string>) {
          splitter.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
          if (lines.length > 0) yield { lines };
          lines = [];
        }
      } catch (cause) {
        if (signal.aborted) return;
        throw new PermanentError(`the log cannot be read: ${messageOf(cause)}`);
      }
      splitter.end();
      if (lines.length > 0) yield { lines };
    },
  };
}

function readLine(text: string, lastStamp: string): LogLine {
  const stamped = RFC3339.exec(text);
  if (stamped?.[1] !== undefined) return { stamp: stamped[1], text: text.slice(stamped[0].length) };
  const epoch = EPOCH.exec(text);
  if (epoch?.[1] === undefined) return { stamp: ownStamp(text) ?? lastStamp, text };
  return { stamp: toRfc3339(Number(epoch[1]) * 1000), text: text.slice(epoch[0].length) };
}

function ownStamp(text: string): string | undefined {
  const [, date, time, milliseconds = '000'] = OWN_TIME.exec(text) ?? [];
  if (date === undefined) return undefined;
  const at = Date.parse(`${date}T${time}.${milliseconds}`);
  return Number.isNaN(at) ? undefined : toRfc3339(at);
}

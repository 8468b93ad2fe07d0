import type { Observation, Statement } from '../core/observation.ts';
import type { Batch, Cursor, LogSource, Watcher } from '../core/watcher.ts';

/** Longer lines are cut before they are matched: no line that says something is nearly as long. */
export const LONGEST_LINE = 8_192;

/**
 * Understands the lines of one log, in order; made anew for every reading of it. What it adds to `out` for earlier lines
 * of the same chunk it may still complete, until `endChunk`.
 */
export interface LineReader {
  /** `stamp` is RFC 3339 in the source's own clock; `atOf` makes `at` of it, and is only worth its cost for a line that says something. */
  readLine(text: string, stamp: string, out: Observation[]): void;
  endChunk?(): void;
}

/** Milliseconds since the epoch of an RFC 3339 stamp of any precision. */
export function atOf(stamp: string): number {
  return Date.parse(stamp);
}

/** For a log in which each line says what it says by itself. */
export function readEach(parse: (text: string) => Statement | undefined): () => LineReader {
  const readLine: LineReader['readLine'] = (text, stamp, out) => {
    const statement = parse(text);
    if (statement !== undefined) out.push({ ...statement, at: atOf(stamp) } as Observation);
  };
  return () => ({ readLine });
}

/** A watcher over a log: one batch for each chunk, the chunk's cursor with it. */
export function watchLog({
  name,
  source,
  createReader,
}: {
  name: string;
  source: LogSource;
  createReader: () => LineReader;
}): Watcher {
  return {
    name,
    authority: 'log',
    async *watch(from: Cursor | undefined, signal: AbortSignal): AsyncGenerator<Batch> {
      const reader = createReader();
      for await (const chunk of source.read(from, signal)) {
        const observations: Observation[] = [];
        for (const line of chunk.lines) {
          const text = line.text.length > LONGEST_LINE ? line.text.slice(0, LONGEST_LINE) : line.text;
          reader.readLine(text, line.stamp, observations);
        }
        reader.endChunk?.();
        const batch: Batch = { observations, read: chunk.lines.length };
        const last = chunk.lines.at(-1);
        if (last !== undefined) batch.stampedAt = atOf(last.stamp);
        if (chunk.cursor !== undefined) batch.cursor = chunk.cursor;
        // Told as a source that was down; the next batch says that it is up again.
        if (chunk.missed !== undefined) batch.health = [{ source: `${name} log`, up: false, reason: chunk.missed }];
        yield batch;
      }
    },
  };
}

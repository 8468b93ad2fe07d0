import type { Observation } from '../../src/core/observation.ts';
import type { LogLine, LogSource, Watcher } from '../../src/core/watcher.ts';

/** A log that is given to the watcher `chunkSize` lines at a time; the cursor is the number of lines read. */
export function lineSource(lines: readonly (LogLine | string)[], chunkSize = Number.POSITIVE_INFINITY): LogSource {
  return {
    name: 'lines',
    async *read(from) {
      const start = Number(from ?? 0);
      for (let at = start; at < lines.length; at += chunkSize) {
        const chunk = lines.slice(at, Math.min(at + chunkSize, lines.length));
        yield {
          lines: chunk.map((line) =>
            typeof line === 'string' ? { stamp: '2026-11-23T11:59:59.000000001Z', text: line } : line,
          ),
          cursor: String(at + chunk.length),
        };
      }
    },
  };
}

/** Everything that a watcher says of a log that ends. */
export async function observe(watcher: Watcher, from?: string): Promise<Observation[]> {
  const batches = await Array.fromAsync(watcher.watch(from, new AbortController().signal));
  return batches.flatMap((batch) => [...batch.observations]);
}

/** Recorded lines with their arrival time in seconds in front. */
export function stampedLines(text: string): LogLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const blank = line.indexOf(' ');
      return {
        stamp: new Date(Math.round(Number(line.slice(0, blank)) * 1000)).toISOString(),
        text: line.slice(blank + 1),
      };
    });
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogLine } from '../../src/core/watcher.ts';
import { createFrameDecoder, PART } from '../../src/logs/frames.ts';
import { createSkipper, LogCursor, resumeAt } from '../../src/logs/log-cursor.ts';

/** What a container wrote at one go, in the order of the log. */
interface Entry {
  /** ms since the epoch. */
  at: number;
  /** Nanoseconds on top; only lines that were written in one go share a stamp. */
  ns: number;
  stream: 1 | 2;
  text: string;
}

const START = Date.UTC(2026, 10, 23, 12);
const ID = 'c0ffee';

function frameOf({ at, ns, stream, text }: Entry): Buffer {
  const payload = Buffer.from(`${new Date(at).toISOString().slice(0, -1)}${String(ns).padStart(6, '0')}Z ${text}`);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

/** Reads as the engine gives: what is not older than whole seconds of `since`, until it is cut after some lines. */
function readFrom(log: readonly Entry[], from: string | undefined, count: number) {
  const cursor = new LogCursor(from);
  const place = cursor.placeOf(ID);
  const since = place === undefined ? 0 : Math.floor(resumeAt(place) / 1000) * 1000;
  const decoder = createFrameDecoder();
  const skipSeen = createSkipper(place);
  const read: LogLine[] = [];
  for (const entry of log.filter(({ at }) => at >= since)) {
    const decoded: LogLine[] = [];
    decoder.decode(frameOf(entry), decoded);
    const lines = skipSeen(decoded);
    if (lines.length === 0) continue;
    cursor.advance(ID, lines, decoder.openStamp());
    read.push(...lines);
    if (read.length >= count) break;
  }
  return { read, cursor: cursor.toString() };
}

/** Lines of both streams, often several in a millisecond, some out of order, some in parts. */
const written = fc
  .array(
    fc.record({
      pause: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2_000 })),
      late: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 500 })),
      stream: fc.constantFrom(1 as const, 2 as const),
      isLong: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((steps) => {
    let now = START;
    const log: Entry[] = [];
    const latest = { 1: 0, 2: 0 };
    const open = new Map<1 | 2, Entry>();
    for (const [index, { pause, late, stream, isLong }] of steps.entries()) {
      now += pause;
      // A stream's own lines are in order; those of the other may have been stamped after and written before.
      const at = Math.max(now - late, latest[stream]);
      latest[stream] = at;
      const before = log.at(-1);
      const isOneGo = before?.stream === stream && before.at === at && !isLong && before.text.startsWith('line');
      const ns = isOneGo ? before.ns : index + 1;
      const part = open.get(stream);
      open.delete(stream);
      if (part !== undefined) log.push({ ...part, text: 'end\n' });
      const entry: Entry = { at, ns, stream, text: `line ${index}${isLong ? '.'.repeat(PART) : '\n'}` };
      if (isLong) entry.text = entry.text.slice(0, PART);
      if (isLong) open.set(stream, entry);
      log.push(entry);
    }
    for (const part of open.values()) log.push({ ...part, text: 'end\n' });
    return log;
  });

describe('a cursor', () => {
  it('loses and repeats nothing, wherever reading is cut and in whatever order lines were stamped', () => {
    fc.assert(
      fc.property(written, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 }), (log, cuts) => {
        const whole = readFrom(log, undefined, Number.POSITIVE_INFINITY).read;
        expect(whole).toHaveLength(log.filter(({ text }) => text.endsWith('\n')).length);
        let from: string | undefined;
        const read: LogLine[] = [];
        for (let turn = 0; read.length < whole.length && turn < 500; turn++) {
          const next = readFrom(log, from, cuts[turn % cuts.length] ?? 1);
          read.push(...next.read);
          from = next.cursor;
        }
        expect(read).toEqual(whole);
      }),
      { numRuns: 300 },
    );
  });

  it('whose line was rotated away goes on with what is newer', () => {
    const cursor = new LogCursor(undefined);
    cursor.advance(ID, [{ stamp: '2026-11-23T12:00:00.000000001Z', text: 'gone' }]);
    const skipSeen = createSkipper(new LogCursor(cursor.toString()).placeOf(ID));
    const newer = { stamp: '2026-11-23T12:00:00.000000002Z', text: 'newer' };
    expect(skipSeen([newer])).toEqual([newer]);
  });

  it('finds its place though the clock of the machine was set back', () => {
    const lines = ['12:00:09', '12:00:10', '12:00:02', '12:00:03', '12:00:04'].map((time) => ({
      stamp: `2026-11-23T${time}.000000000Z`,
      text: time,
    }));
    const cursor = new LogCursor(undefined);
    cursor.advance(ID, lines.slice(0, 4));
    const place = new LogCursor(cursor.toString()).placeOf(ID);
    expect(createSkipper(place)(lines)).toEqual(lines.slice(4));
  });

  it('keeps the last containers, and is begun anew where it cannot be read', () => {
    const cursor = new LogCursor('{"not": "ours"}');
    expect(cursor.newestAt).toBeUndefined();
    for (let index = 0; index < 20; index++) {
      cursor.advance(`id-${index}`, [{ stamp: `2026-11-23T12:00:${10 + index}.000000000Z`, text: '' }]);
    }
    const kept = JSON.parse(cursor.toString()) as unknown[][];
    expect(kept.map(([id]) => id)).toEqual([12, 13, 14, 15, 16, 17, 18, 19].map((index) => `id-${index}`));
    expect(new LogCursor(cursor.toString()).newestAt).toBe(Date.UTC(2026, 10, 23, 12, 0, 29));
  });
});

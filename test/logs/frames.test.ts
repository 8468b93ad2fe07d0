import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TransientError } from '../../src/core/errors.ts';
import type { LogLine } from '../../src/core/watcher.ts';
import { createFrameDecoder, type LogDecoder, PART } from '../../src/logs/frames.ts';
import { createTerminalDecoder } from '../../src/logs/terminal-lines.ts';

const CAPTURED = readFileSync(join(import.meta.dirname, '..', 'fixtures', 'docker', 'api-logs.bin'));
const STAMP = '2026-11-23T11:54:15.934288306Z';
const LATER = '2026-11-23T11:54:15.934288307Z';

function decode(decoder: LogDecoder, chunks: Iterable<Buffer>): LogLine[] {
  const lines: LogLine[] = [];
  for (const chunk of chunks) decoder.decode(chunk, lines);
  return lines;
}

function frame(text: string | Buffer, stream = 1, stamp = STAMP): Buffer {
  const payload = Buffer.concat([Buffer.from(`${stamp} `), Buffer.from(text)]);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

function* split(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = Math.max(1, sizes[index % sizes.length] ?? 1);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

describe('a recorded stream of the engine', () => {
  it('gives the same lines however it is split', () => {
    const whole = decode(createFrameDecoder(), [CAPTURED]);
    expect(whole).toEqual([
      { stamp: STAMP, text: '2026-11-23 12:08:28 INFO: Unbanning 89.248.163.22/32' },
      expect.objectContaining({ text: '2026-11-23 12:08:28 INFO: Clear completed: ip' }),
      expect.objectContaining({ text: '2026-11-23 12:08:28 INFO: Clear completed: ip6' }),
    ]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 9 }), (sizes) => {
        expect(decode(createFrameDecoder(), split(CAPTURED, sizes))).toEqual(whole);
      }),
    );
  });

  it('keeps parts of a line together though the other stream speaks in between', () => {
    const decoder = createFrameDecoder();
    const part = 'x'.repeat(PART);
    expect(decode(decoder, [frame(part), frame('err\n', 2, LATER)]).map(({ text }) => text)).toEqual(['err']);
    expect(decoder.openStamp()).toBe(STAMP);
    expect(decode(decoder, [frame('two\r\n')])).toEqual([{ stamp: STAMP, text: `${part}two` }]);
    expect(decoder.openStamp()).toBeUndefined();
  });

  it('keeps a character together that two parts share', () => {
    const text = `a${'ä'.repeat(PART)}`;
    const bytes = Buffer.from(`${text}\n`);
    const parts = [bytes.subarray(0, PART), bytes.subarray(PART, PART * 2), bytes.subarray(PART * 2)];
    const frames = parts.map((part) => frame(part));
    expect(decode(createFrameDecoder(), frames)).toEqual([{ stamp: STAMP, text }]);
  });

  it('does not lay a line to one that never ended', () => {
    const killed = [frame('killed while it wri'), frame('next\n', 1, LATER)];
    expect(decode(createFrameDecoder(), killed).map(({ text }) => text)).toEqual(['killed while it wri', 'next']);
    // The driver `local` of Docker 20.10 loses the end of a line that came in parts.
    const whole = [frame('x'.repeat(PART)), frame('x'.repeat(PART)), frame('next\n', 1, LATER)];
    expect(decode(createFrameDecoder(), whole).map(({ text }) => text.length)).toEqual([PART * 2, 4]);
  });

  it('never takes a further part of a line for a line', () => {
    const bytes = [frame('short part '), frame('NOTICE [sshd] Ban 8.8.8.8\n'), frame('next\n', 1, LATER)];
    expect(decode(createFrameDecoder(), bytes).map(({ text }) => text)).toEqual(['short part ', 'next']);
  });

  it('drops what is longer than a line may be, and goes on', () => {
    const long = [frame('x'.repeat(300_000)), frame('\n'), frame('then\n', 1, LATER)];
    const parts = [
      ...Array.from({ length: 9 }, () => frame('x'.repeat(PART))),
      frame('y\n'),
      frame('then\n', 1, LATER),
    ];
    const inOne = [frame(`${'x'.repeat(200_000)}\n`), frame('then\n', 1, LATER)];
    for (const bytes of [long, parts, inOne].map((frames) => Buffer.concat(frames))) {
      for (const sizes of [[bytes.length], [10_000], [70_001], [65_600, 1]]) {
        const decoder = createFrameDecoder();
        const lines = decode(decoder, split(bytes, sizes));
        expect(lines.map(({ text }) => text.replaceAll('x', ''))).toEqual(['', 'then']);
        expect(lines[0]?.text.length).toBe(65_536);
        expect(decoder.cutLines()).toBe(1);
      }
    }
  });

  it('that breaks off says why', () => {
    const reason = 'Error grabbing logs: \u001b[31m bad';
    const header = Buffer.from([3, 0, 0, 0, 0, 0, 0, reason.length]);
    const bytes = Buffer.concat([frame('one\n'), header, Buffer.from(reason)]);
    expect(() => decode(createFrameDecoder(), split(bytes, [5]))).toThrow(/Error grabbing logs: \[31m/);
  });

  it('of arbitrary bytes is either read or refused', () => {
    const readable = fc
      .tuple(fc.constantFrom(1, 2), fc.string({ unit: 'binary', maxLength: 200 }))
      .map(([stream, text]) => frame(text, stream));
    const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 9, arbitrary: readable }, noise), { maxLength: 20 }), (chunks) => {
        for (const decoder of [createFrameDecoder(), createTerminalDecoder()]) {
          try {
            decode(decoder, chunks);
          } catch (error) {
            expect(error).toBeInstanceOf(TransientError);
          }
        }
      }),
    );
  });
});

describe('a stream of a terminal', () => {
  it('gives its lines, however it is split', () => {
    const bytes = Buffer.from(`${STAMP} one\r\n${STAMP} äöü\r\n${STAMP} \r\n`);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 9 }), (sizes) => {
        expect(decode(createTerminalDecoder(), split(bytes, sizes)).map(({ text }) => text)).toEqual([
          'one',
          'äöü',
          '',
        ]);
      }),
    );
  });

  it('has long lines without the stamps that stand between their parts, cut where they are too long', () => {
    const long = (size: number) => {
      const parts = Array.from({ length: Math.ceil(size / PART) }, (_, index) =>
        'x'.repeat(Math.min(PART, size - index * PART)),
      );
      return `${parts.map((part) => `${STAMP} ${part}`).join('')}\r\n`;
    };
    const sizes = [PART - 1, PART + 1, 40_000, 65_536, 65_537, 300_000];
    const bytes = Buffer.from(`${sizes.map(long).join('')}${STAMP} next\r\n`);
    for (const chunk of [bytes.length, 1_000, 70_001]) {
      const decoder = createTerminalDecoder();
      const lines = decode(decoder, split(bytes, [chunk]));
      expect(lines.map(({ text }) => text.length)).toEqual([PART - 1, PART + 1, 40_000, 65_536, 65_536, 65_536, 4]);
      expect(lines.every(({ text }) => /^(x+|next)$/.test(text))).toBe(true);
      expect(decoder.cutLines()).toBe(2);
    }
  });

  it('in which the engine says why it cannot read on, says so', () => {
    const bytes = Buffer.from('Error grabbing logs: invalid character\n');
    expect(() => decode(createTerminalDecoder(), [bytes])).toThrow(/Error grabbing logs: invalid character/);
  });

  it('has its stamps in UTC, whatever the zone of the engine', () => {
    const [line] = decode(createTerminalDecoder(), [Buffer.from('2026-11-23T12:54:15.934288306+01:00 x\n')]);
    expect(line).toEqual({ stamp: STAMP, text: 'x' });
  });
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogLine } from '../../src/core/watcher.ts';
import { createFileLog } from '../../src/logs/file-log.ts';
import { createFrameDecoder, createRawDecoder, type LogDecoder } from '../../src/logs/frames.ts';

const CAPTURED = readFileSync(join(import.meta.dirname, '..', 'fixtures', 'docker', 'api-logs.bin'));
const STAMP = '2026-11-23T11:54:15.934288306Z';

function decode(decoder: LogDecoder, chunks: Iterable<Buffer>): LogLine[] {
  const lines: LogLine[] = [];
  for (const chunk of chunks) decoder.decode(chunk, lines);
  return lines;
}

function frame(text: string, stream = 1): Buffer {
  const payload = Buffer.from(`${STAMP} ${text}`);
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
    const bytes = [frame('one '), frame('err\n', 2), frame('two\r\n')];
    expect(decode(createFrameDecoder(), bytes).map(({ text }) => text)).toEqual(['err', 'one two']);
  });

  it('drops what is longer than a line may be, and goes on', () => {
    const bytes = Buffer.concat([frame('x'.repeat(300_000)), frame('\n'), frame('next\n')]);
    for (const sizes of [[bytes.length], [10_000], [70_001]]) {
      const lines = decode(createFrameDecoder(), split(bytes, sizes));
      expect(lines.at(-1)?.text).toBe('next');
      expect(Math.max(...lines.map(({ text }) => text.length))).toBeLessThanOrEqual(65_536);
    }
  });

  it('is never brought down by bytes that are no frames', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
        decode(
          createFrameDecoder(),
          chunks.map((chunk) => Buffer.from(chunk)),
        );
        decode(
          createRawDecoder(),
          chunks.map((chunk) => Buffer.from(chunk)),
        );
      }),
    );
  });

  it('of a terminal gives its lines, however it is split', () => {
    const bytes = Buffer.from(`${STAMP} one\r\n${STAMP} äöü\r\n${STAMP} \r\n`);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 9 }), (sizes) => {
        expect(decode(createRawDecoder(), split(bytes, sizes)).map(({ text }) => text)).toEqual(['one', 'äöü', '']);
      }),
    );
  });
});

describe('a log in a file', () => {
  const clock = { now: () => Date.UTC(2026, 10, 23), sleep: async () => {} };

  async function read(text: string): Promise<LogLine[]> {
    const lines: LogLine[] = [];
    const log = createFileLog({ from: Readable.from([text]), clock });
    for await (const chunk of log.read(undefined, new AbortController().signal)) lines.push(...chunk.lines);
    return lines;
  }

  it('has the times that stand in front of its lines, or in them', async () => {
    expect(await read('no time\n1795430917.755 by epoch\n2026-11-23T11:54:15.934288306Z by docker\nand on\n')).toEqual([
      { stamp: '2026-11-23T00:00:00.000Z', text: 'no time' },
      { stamp: '2026-11-23T10:48:37.755Z', text: 'by epoch' },
      { stamp: STAMP, text: 'by docker' },
      { stamp: STAMP, text: 'and on' },
    ]);
    const [own] = await read('2026-11-23 11:12:03,875 fail2ban.actions [1]: NOTICE [sshd] Ban 203.0.113.7\n');
    expect(own).toEqual({
      stamp: new Date(2026, 10, 23, 11, 12, 3, 875).toISOString(),
      text: '2026-11-23 11:12:03,875 fail2ban.actions [1]: NOTICE [sshd] Ban 203.0.113.7',
    });
  });

  it('that is not there is told', async () => {
    const log = createFileLog({ from: '/nowhere/a.log', clock });
    const reading = (async () => {
      for await (const _ of log.read(undefined, new AbortController().signal));
    })();
    await expect(reading).rejects.toThrow(/the log cannot be read: ENOENT/);
  });
});

import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { LogLine } from '../../src/core/watcher.ts';
import { createFileLog } from '../../src/logs/file-log.ts';

const STAMP = '2026-11-23T11:54:15.934288306Z';

describe('a log in a file', () => {
  const clock = { now: () => Date.UTC(2026, 10, 23), sleep: async () => {} };

  async function read(...chunks: (string | Buffer)[]): Promise<LogLine[]> {
    const lines: LogLine[] = [];
    const log = createFileLog({ from: Readable.from(chunks), clock });
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

  it('ends its lines at line feeds alone: what else looks like an end may be written by an attacker', async () => {
    const lines = await read('user=a\rNOTICE [sshd] Ban 8.8.8.8\r\nuser=b\u2028NOTICE [sshd] Ban 9.9.9.9\n');
    expect(lines.map(({ text }) => text)).toEqual([
      'user=a\rNOTICE [sshd] Ban 8.8.8.8',
      'user=b\u2028NOTICE [sshd] Ban 9.9.9.9',
    ]);
  });

  it('may be split anywhere, have no last line end, bytes that are no text, and lines of any length', async () => {
    const bytes = Buffer.concat([
      Buffer.from(`ä\n${'x'.repeat(65_535)}ä\n`),
      Buffer.from([0xff, 10]),
      Buffer.from('end'),
    ]);
    const split = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, at) => bytes.subarray(at * 7, at * 7 + 7));
    for (const chunks of [[bytes], split]) {
      const texts = (await read(...chunks)).map(({ text }) => text);
      expect(texts).toEqual(['ä', 'x'.repeat(65_535), '\ufffd', 'end']);
    }
  });

  it('that nobody writes to is left when it is asked to end', async () => {
    const stop = new AbortController();
    const input = new Readable({ read() {} });
    input.push('one\n');
    const lines: LogLine[] = [];
    for await (const chunk of createFileLog({ from: input, clock }).read(undefined, stop.signal)) {
      lines.push(...chunk.lines);
      queueMicrotask(() => stop.abort());
    }
    expect(lines.map(({ text }) => text)).toEqual(['one']);
    expect(input.destroyed).toBe(true);
  });
});

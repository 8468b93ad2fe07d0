import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Logger } from '../../src/core/logger.ts';
import { Secret } from '../../src/core/secret.ts';
import { createLogger, type LoggerOptions } from '../../src/ops/logger.ts';
import { eventually } from '../support/eventually.ts';

async function written(options: Omit<LoggerOptions, 'stream'>, log: (logger: Logger) => void): Promise<string> {
  const stream = new PassThrough().setEncoding('utf8');
  let text = '';
  stream.on('data', (chunk) => {
    text += chunk;
  });
  log(await createLogger({ ...options, stream }));
  await eventually(() => expect(text).toMatch(/\n$/));
  return text;
}

/** As ioredis and undici throw them: the request hangs on the error. */
function failure(): Error {
  const cause = Object.assign(new Error('WRONGPASS'), { command: { name: 'auth', args: ['hunter2'] }, code: 'EAUTH' });
  const error = new Error('cannot POST https://hooks.slack.com/services/hunter2, redis://:hunter2@redis:6379', {
    cause,
  });
  return Object.assign(error, { url: 'https://example.org/hunter2', secret: new Secret('hunter2') });
}

function invalidUrl(): Error {
  try {
    new URL('hunter2://[');
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('it is an address');
}

describe('the log', () => {
  it('is JSON lines: time, level, fields, and the message as it is', async () => {
    const text = await written({ level: 'info', format: 'json' }, (logger) => {
      logger.debug({}, 'not shown');
      logger.child({ watcher: 'redis' }).warn({ bans: 3 }, 'a message with %s and {braces}');
    });
    const { time, ...rest } = JSON.parse(text);
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(rest).toEqual({ level: 'warn', watcher: 'redis', bans: 3, msg: 'a message with %s and {braces}' });
  });

  it('tells an error with its causes and where it was thrown, under any name', async () => {
    const text = await written({ level: 'info', format: 'json' }, (logger) => {
      logger.error({ err: failure(), other: new AggregateError([failure()], 'all failed') }, 'it failed');
    });
    const { err, other } = JSON.parse(text);
    expect(err).toMatchObject({
      type: 'Error',
      message: 'cannot POST https://hooks.slack.com/… redis://…',
      stack: expect.stringContaining('logger.test.ts'),
      cause: { message: 'WRONGPASS', code: 'EAUTH' },
    });
    expect(other).toMatchObject({
      type: 'AggregateError',
      message: 'all failed',
      errors: [{ cause: { code: 'EAUTH' } }],
    });
  });

  it('ends with an error that is its own cause', async () => {
    const error = new Error('round and round');
    error.cause = error;
    const text = await written({ level: 'info', format: 'json' }, (logger) =>
      logger.error({ err: error }, 'it failed'),
    );
    expect(JSON.parse(text).err.cause.message).toBe('round and round');
  });

  it.each(['json', 'pretty'] as const)('shows no secret: %s', async (format) => {
    const secret = new Secret('hunter2');
    const text = await written({ level: 'debug', format }, (logger) => {
      logger.info({ secret, nested: { list: [secret], map: new Map([['x', secret]]) } }, 'a secret');
      for (const level of ['debug', 'info', 'warn', 'error'] as const) {
        logger[level]({ err: failure(), error: failure() }, 'an error');
      }
      logger.error({ err: invalidUrl() }, 'an address that is none');
      logger.child({ secret, err: failure() }).debug({}, 'a child');
    });
    for (const message of ['a secret', 'an error', 'an address that is none', 'a child'])
      expect(text).toContain(message);
    expect(text).not.toContain('hunter2://[');
    expect(text.replaceAll('[secret]', '')).not.toContain('hunter2');
  });

  it('is for a person where it is a terminal', async () => {
    const stream = Object.assign(new PassThrough().setEncoding('utf8'), { isTTY: true });
    const logger = await createLogger({ level: 'info', format: 'auto', stream });
    logger.info({ bans: 3 }, 'it is well');
    await eventually(() => expect(String(stream.read())).toMatch(/INFO.*: it is well.*"bans":3/));
  });

  it('stays JSON and one line, whatever is in it', async () => {
    const circular: Record<string, unknown> = { n: 1n };
    circular.self = circular;
    const values = {
      controls: 'c0 \u001b[31m\r\n\u0000 c1 \u009b31m del \u007f',
      bidi: '\u202eabc\u2066\u200b\ufeff\u2028',
      half: '\ud800 \udfff 😀',
      'a "key" \\ \u202e': { circular, fails: { toJSON: () => expect.unreachable() } },
      odd: [undefined, Number.NaN, () => 1, Symbol('x'), new Date(Number.NaN), new Map([[1, 2]])],
      ...{ level: 'fatal', time: 'never', msg: 'another' },
    };
    const text = await written({ level: 'info', format: 'json' }, (logger) => {
      logger.warn(values, 'it \u001b[2J is odd');
      logger.info({ n: 1 }, 'the next');
    });
    const lines = text.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).not.toMatch(/[^\x20-\x7e😀]/u);
    const { controls, bidi, half, level, time, msg, level_ } = JSON.parse(lines[0] ?? '');
    expect([controls, bidi, half]).toEqual([values.controls, values.bidi, values.half]);
    expect([level, level_, msg]).toEqual(['warn', 'fatal', 'it \u001b[2J is odd']);
    expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(60_000);
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ level: 'info', n: 1, msg: 'the next' });
  });

  it('has no line that Docker would take apart', async () => {
    const text = await written({ level: 'info', format: 'json' }, (logger) => {
      logger.error({ err: new Error('é"\n'.repeat(20_000)), reason: '\u009b'.repeat(30_000), at: 1 }, 'too long');
    });
    const escaped = await written({ level: 'info', format: 'json' }, (logger) =>
      logger.warn({ reason: '\u009b'.repeat(7_000) }, 'too long once it is escaped'),
    );
    for (const line of [text, escaped]) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(16_384);
    expect(JSON.parse(text)).toMatchObject({ level: 'error', err: { type: 'Error' }, at: 1, msg: 'too long' });
  });

  it('shows nothing on a terminal that acts', async () => {
    const text = await written({ level: 'info', format: 'pretty' }, (logger) => {
      logger.error(
        { err: new Error('bad \u001b[31mred\u009b31m\nnext \\u001b line'), reason: '\u202e\u0007x' },
        'it failed',
      );
    });
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
    expect(text).toMatch(/\n +next \\u001b line\n/);
  });
});

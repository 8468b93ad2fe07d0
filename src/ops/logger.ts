import { destination as fileDestination, type Logger as PinoLogger, pino } from 'pino';
import { fitTexts, LONGEST_LINE } from '../core/event-line.ts';
import type { Logger } from '../core/logger.ts';
import { describeError } from './error-text.ts';
import { blankUnsafe, escapeUnsafe } from './safe-json.ts';

/** Lines that cannot be written are kept up to so much. */
const WAITING_BYTES = 262_144;
/** What pino writes itself. */
const RESERVED = ['level', 'time', 'msg'];

export interface LoggerOptions {
  level: 'debug' | 'info' | 'warn' | 'error';
  format: 'auto' | 'json' | 'pretty';
  /** Default: standard error, so that standard output is a command's own. */
  stream?: NodeJS.WritableStream & { isTTY?: boolean };
}

/** Whether a log is written for a person: where it is asked for, or goes to a terminal. */
export function isForPerson({ format, stream }: Pick<Required<LoggerOptions>, 'format' | 'stream'>): boolean {
  return format === 'pretty' || (format === 'auto' && stream.isTTY === true);
}

/** cowbell's own log: JSON lines, or for a person on a terminal. Written at once, so that nothing is lost at an exit. */
export async function createLogger({ level, format, stream = process.stderr }: LoggerOptions): Promise<Logger> {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // Errors are described already when they get here.
    serializers: { err: (text: unknown) => text },
  };
  if (!isForPerson({ format, stream })) {
    const target = stream === process.stderr ? standardError() : stream;
    return wrap(pino(options, { write: (line) => void target.write(`${withinLine(escapeUnsafe(line.trimEnd()))}\n`) }));
  }
  const { default: pretty } = await import('pino-pretty');
  const target = pretty({
    destination: stream,
    sync: true,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname',
    singleLine: true,
  });
  return wrap(pino(options, { write: (line) => void target.write(`${blankUnsafe(line.trimEnd())}\n`) }));
}

/** Written at once. Where it cannot be written there is nobody to tell: lines wait for room on the disk, and are lost beyond a bound. */
function standardError() {
  const stream = fileDestination({ fd: 2, sync: true, maxLength: WAITING_BYTES });
  stream.on('error', () => {});
  stream.on('drop', () => {
    // What waits is tried only when something is added.
    try {
      stream.flushSync();
    } catch {}
  });
  return stream;
}

/** A line that would be taken apart is made shorter. */
function withinLine(line: string): string {
  // A unit of UTF-16 is three bytes at most.
  if (line.length <= LONGEST_LINE / 3 || Buffer.byteLength(line) < LONGEST_LINE) return line;
  return JSON.stringify(fitTexts(JSON.parse(line) as unknown, LONGEST_LINE - 1));
}

/** Our loggers pass on to pino; fields come first, the message is constant text. */
function wrap(inner: PinoLogger): Logger {
  return {
    debug: (fields, message) => inner.debug(withErrorTexts(fields), message),
    info: (fields, message) => inner.info(withErrorTexts(fields), message),
    warn: (fields, message) => inner.warn(withErrorTexts(fields), message),
    error: (fields, message) => inner.error(withErrorTexts(fields), message),
    child: (fields) => wrap(inner.child(withErrorTexts(fields))),
  };
}

/** Errors under any name are described here: pino would print whatever hangs on them, and a name of its own twice. */
function withErrorTexts(fields: Record<string, unknown>): Record<string, unknown> {
  for (const key in fields) {
    if (RESERVED.includes(key) || fields[key] instanceof Error) return reworded(fields);
  }
  return fields;
}

function reworded(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      RESERVED.includes(key) ? `${key}_` : key,
      value instanceof Error ? describeError(value) : value,
    ]),
  );
}

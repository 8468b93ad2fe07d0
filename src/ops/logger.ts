import { destination as fileDestination, type Logger as PinoLogger, pino } from 'pino';
import type { Logger } from '../core/logger.ts';
import { describeError } from './error-text.ts';

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
    const target = stream === process.stderr ? fileDestination({ fd: 2, sync: true }) : stream;
    return wrap(pino(options, target));
  }
  const { default: pretty } = await import('pino-pretty');
  return wrap(
    pino(
      options,
      pretty({
        destination: stream,
        sync: true,
        translateTime: 'SYS:HH:MM:ss',
        ignore: 'pid,hostname',
        singleLine: true,
      }),
    ),
  );
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

/** Errors under any name are described here: pino would print whatever hangs on them. */
function withErrorTexts(fields: Record<string, unknown>): Record<string, unknown> {
  if (!Object.values(fields).some((value) => value instanceof Error)) return fields;
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? describeError(value) : value]),
  );
}

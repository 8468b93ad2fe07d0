import { inspect } from 'node:util';
import type { Logger } from '../../src/core/logger.ts';

export interface LogRecord {
  level: 'debug' | 'info' | 'warn' | 'error';
  message: string;
  fields: Record<string, unknown>;
}

/** A logger that keeps what it was told. */
export interface RecordingLogger extends Logger {
  readonly records: LogRecord[];
  /** `warn: a source cannot be read`, one for each record above debug. */
  told(): string[];
  /** Everything, with stacks and causes, to look for what must not be there. */
  text(): string;
}

export function createRecordingLogger(): RecordingLogger {
  const records: LogRecord[] = [];
  const at =
    (level: LogRecord['level'], base: Record<string, unknown>) =>
    (fields: Record<string, unknown>, message: string) => {
      records.push({ level, message, fields: { ...base, ...fields } });
    };
  const build = (base: Record<string, unknown>): Logger => ({
    debug: at('debug', base),
    info: at('info', base),
    warn: at('warn', base),
    error: at('error', base),
    child: (fields) => build({ ...base, ...fields }),
  });
  return {
    ...build({}),
    records,
    told: () => records.filter(({ level }) => level !== 'debug').map(({ level, message }) => `${level}: ${message}`),
    text: () => inspect(records, { depth: 20 }),
  };
}

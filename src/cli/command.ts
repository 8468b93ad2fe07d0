import type { Readable } from 'node:stream';
import type { Command } from 'commander';

/** What a command may touch of the process. */
export interface CliContext {
  env: Readonly<Record<string, string | undefined>>;
  stdin: Readable;
  stdout: NodeJS.WritableStream;
  stderr: NodeJS.WritableStream;
  /** Aborts when the process is asked to end. */
  signal: AbortSignal;
  /** A signal that aborts when a person next asks for the configuration to be read again. */
  reload(): AbortSignal;
}

/** Adds one command; it loads what it needs when it is run. */
export type AddCommand = (program: Command, context: CliContext) => void;

/** Ends a command with this exit code and message, without a stack. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

export const CONFIG_OPTION = ['-c, --config <file>', 'configuration, in YAML'] as const;

/** Columns as wide as their widest cell, two blanks apart. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

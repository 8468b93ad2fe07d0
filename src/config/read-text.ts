import { closeSync, openSync, readSync } from 'node:fs';

/**
 * What a file holds, as UTF-8 and without a byte order mark; throws what the system said, or that the file is longer
 * than `mostBytes` or is not text. It reads no further than that: a wrong path may name a device without an end.
 */
export function readText(path: string, mostBytes: number): string {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(mostBytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = readSync(file, buffer, length, buffer.length - length, null);
    }
    if (length > mostBytes) throw new Error(`it is larger than ${sizeText(mostBytes)}`);
    return decode(buffer.subarray(0, length));
  } finally {
    closeSync(file);
  }
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Error('it is not text in UTF-8', { cause });
  }
}

function sizeText(bytes: number): string {
  return bytes >= 1_048_576 ? `${bytes / 1_048_576} MiB` : `${bytes / 1024} KiB`;
}

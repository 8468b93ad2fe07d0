import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A folder of its own for one test, deleted when the test is over. The path is short: sockets may be put there. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'cb-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

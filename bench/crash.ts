import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Row } from './row.ts';

/** `kill -9` at random while bans stream in: the end-to-end test is the measurement, and fails if one is lost. */
export async function benchCrash(): Promise<Row> {
  const what = '`kill -9` at random, 50 times, while 2 000 bans stream in';
  const goal = 'every ban delivered; at most one duplicate a lane and kill';
  const args = ['vitest', 'run', 'test/e2e/crash.test.ts', '-t', 'killed at random'];
  try {
    await promisify(execFile)('npx', args, { cwd: join(import.meta.dirname, '..'), maxBuffer: 64 * 1024 * 1024 });
    return { what, goal, figure: 'every ban delivered, duplicates within the goal', isMet: true };
  } catch (error) {
    process.stderr.write(`${error}\n`);
    return { what, goal, figure: 'failed', isMet: false };
  }
}

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fillLedger } from '../test/support/many-bans.ts';
import { median, type Row } from './row.ts';

const BANS = 100_000;
const DAYS = 7;
const RUNS = 5;

/** `cowbell stats` from its start to its end, over a ledger of many bans that are all in its time. */
export function benchStats(program: string[]): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), 'cb-'));
  try {
    const state = join(folder, 'cowbell.db');
    const config = join(folder, 'cowbell.yaml');
    writeFileSync(config, `state: ${state}\nnotifiers: [{type: console}]\n`);
    const now = Date.now();
    fillLedger(state, { count: BANS, from: now - (DAYS - 1) * 86_400_000, to: now });
    const seconds = Array.from({ length: RUNS }, () => {
      const startedAt = performance.now();
      const args = [...program, 'stats', '--since', `${DAYS}d`, '--json', '--config', config];
      const { totals } = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as {
        totals: { bans: number };
      };
      if (totals.bans !== BANS) throw new Error(`${totals.bans} bans`);
      return (performance.now() - startedAt) / 1_000;
    });
    const figure = median(seconds);
    return Promise.resolve({
      what: '`cowbell stats` over 100 000 bans of one week',
      goal: '≤ 3 s',
      figure: `${figure.toFixed(1)} s`,
      isMet: figure <= 3,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

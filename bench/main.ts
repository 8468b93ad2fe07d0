/** Measures what README promises and prints it as a table; `--write` puts it into the README. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePackages } from '../test/support/packages.ts';
import { benchAddresses } from './addresses.ts';
import { buildForBench } from './built.ts';
import { benchCrash } from './crash.ts';
import { benchDeadSlack } from './dead-slack.ts';
import { benchDrain } from './drain.ts';
import { benchIdle } from './idle.ts';
import { benchLatency } from './latency.ts';
import { benchMetrics } from './metrics.ts';
import { benchOrigins } from './origins.ts';
import { formatRows, type Row } from './row.ts';
import { benchStats } from './stats.ts';
import { benchStorm } from './storm.ts';
import { benchWatchers } from './watchers.ts';

const README = join(import.meta.dirname, '..', 'README.md');
const BENCHES: Record<string, (program: string[]) => Promise<Row | Row[]>> = {
  drain: benchDrain,
  watchers: benchWatchers,
  latency: benchLatency,
  'dead-slack': benchDeadSlack,
  storm: benchStorm,
  addresses: benchAddresses,
  origins: benchOrigins,
  stats: benchStats,
  crash: benchCrash,
  metrics: benchMetrics,
  idle: benchIdle,
};

ensurePackages();
const program = buildForBench();
const names = process.argv.slice(2).filter((arg) => arg !== '--write');
const rows: Row[] = [];
for (const [name, bench] of Object.entries(BENCHES)) {
  if (names.length > 0 && !names.includes(name)) continue;
  process.stderr.write(`${name} …\n`);
  rows.push(...[await bench(program)].flat());
}
const table = formatRows(rows);
process.stdout.write(`${table}\n`);
if (process.argv.includes('--write')) {
  const text = readFileSync(README, 'utf8');
  const between = /(<!-- bench -->\n)[\s\S]*?(<!-- \/bench -->)/;
  writeFileSync(README, text.replace(between, `$1${table}\n$2`));
}
if (rows.some((row) => !row.isMet)) process.exitCode = 1;

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/core/clock.ts';
import type { LogSource, WatcherDefinition } from '../src/core/watcher.ts';
import { createContainerLogs } from '../src/logs/container-log.ts';
import { watcherDefinitions } from '../src/watchers/registry.ts';
import { composeLabels, startEngine } from '../test/support/docker-engine.ts';
import { SILENT } from '../test/support/recorder-harness.ts';
import { compareDrains } from './drain.ts';
import type { Row } from './row.ts';

const LINES = 300_000;
const RUNS = 9;
const FIXTURES = join(import.meta.dirname, '..', 'test', 'fixtures');
/** Whose logs are mixed: what mailcow's containers and fail2ban print. */
const PROGRAMS = ['postfix', 'dovecot', 'sogo', 'netfilter', 'fail2ban'];

/** Each watcher that reads lines, over one log in which the lines of all programs are mixed. */
export async function benchWatchers(): Promise<Row[]> {
  const engine = await startEngine();
  const folder = mkdtempSync(join(tmpdir(), 'cb-'));
  try {
    writeFileSync(join(folder, 'log'), mixedLines());
    const container = await engine.run({
      name: 'mixed',
      labels: composeLabels('mixed'),
      binds: [`${folder}:/feed`],
      script: 'cat /feed/log; sleep 3600',
    });
    const { socket } = engine;
    const logs = createContainerLogs({ socket, clock: systemClock, logger: SILENT, lookBackMs: 3_600_000 });
    const rows: Row[] = [];
    for (const definition of watcherDefinitions as unknown as readonly WatcherDefinition[]) {
      const { createFor, type, reads } = definition;
      if (createFor === undefined || reads !== 'container') continue;
      const options = definition.options.safeParse(OPTIONS[type] ?? {});
      if (!options.success) throw new Error(`no options for ${type}`);
      const create = (source: LogSource) => createFor(type, source, options.data as never);
      const source = logs.source({ service: 'mixed' });
      const { ratio, bareMs } = await compareDrains({
        socket,
        id: container.id,
        source,
        create,
        lines: LINES,
        runs: RUNS,
      });
      rows.push({
        what: `draining ${LINES / 1000}k mixed lines with the watcher \`${type}\``,
        goal: '≤ 1.10 × `curl … \\| cat`',
        figure: `${ratio.toFixed(2)} × (${(bareMs / 1000).toFixed(2)} s)`,
        isMet: ratio <= 1.1,
      });
    }
    return rows;
  } finally {
    await engine.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Watchers that do nothing without being told what. */
const OPTIONS: Record<string, object> = {
  pattern: {
    container: 'mixed',
    patterns: [
      {
        kind: 'auth-failed',
        regex: '^\\S+ +\\d+ \\S+ \\S+ myapp\\[\\d+\\]: login of (?P<account>\\S+) from <HOST> failed$',
      },
    ],
  },
};

/** Recorded and documented lines of all programs in turn, over and over. */
export function mixedLines(): string {
  const recorded = PROGRAMS.map((program) => linesBelow(join(FIXTURES, program)));
  const lines: string[] = [];
  for (let round = 0; lines.length < LINES; round++) {
    for (const list of recorded) {
      const line = list[round % list.length];
      if (line !== undefined && lines.length < LINES) lines.push(line);
    }
  }
  return `${lines.join('\n')}\n`;
}

function linesBelow(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.log') && statSync(join(folder, name)).isFile())
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    .filter((line) => line !== '' && line.length < 4_096);
}

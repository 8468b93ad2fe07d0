import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { systemClock } from '../src/core/clock.ts';
import type { LogSource, Watcher } from '../src/core/watcher.ts';
import { createContainerLogs } from '../src/logs/container-log.ts';
import { createNetfilterWatcher } from '../src/watchers/netfilter.ts';
import { composeLabels, startEngine } from '../test/support/docker-engine.ts';
import { SILENT } from '../test/support/recorder-harness.ts';
import { median, type Row } from './row.ts';

const LINES = 300_000;
const RUNS = 15;
const LINE =
  'Nov 23 12:25:23 c0ffee123456 postfix/postscreen[8040]: CONNECT from [185.36.81.23]:41021 to [172.22.1.253]:25';

/** Draining a backlog through the watcher, against reading the same stream and doing nothing with it. */
export async function benchDrain(): Promise<Row> {
  const engine = await startEngine();
  try {
    const container = await engine.run({
      name: 'postfix',
      labels: composeLabels('postfix-mailcow'),
      script: `i=0; while [ $i -lt ${LINES} ]; do echo "${LINE}"; i=$((i+1)); done; sleep 3600`,
    });
    const logs = createContainerLogs({
      socket: engine.socket,
      clock: systemClock,
      logger: SILENT,
      lookBackMs: 3_600_000,
    });
    const { ratio, bareMs } = await compareDrains({
      socket: engine.socket,
      id: container.id,
      source: logs.source({ service: 'postfix-mailcow' }),
      create: (source) => createNetfilterWatcher('netfilter', source),
      lines: LINES,
      runs: RUNS,
    });
    return {
      what: `draining ${LINES / 1000}k postscreen lines through the Docker API`,
      goal: '≤ 1.10 × `curl … \\| cat`',
      figure: `${ratio.toFixed(2)} × (${(bareMs / 1000).toFixed(2)} s)`,
      isMet: ratio <= 1.1,
    };
  } finally {
    await engine.close();
  }
}

/** How long a watcher takes over a backlog, as a multiple of what it takes to read it and do nothing with it. */
export async function compareDrains(options: {
  socket: string;
  /** Of the container. */
  id: string;
  source: LogSource;
  create: (source: LogSource) => Watcher;
  lines: number;
  runs: number;
}): Promise<{ ratio: number; bareMs: number }> {
  const { socket, id, source, create, lines, runs } = options;
  await drain(create(source), lines);
  const ratios: number[] = [];
  const bareTimes: number[] = [];
  for (let run = 0; run < runs; run++) {
    // In turns, so that a machine that grows busier or quieter meanwhile does neither good.
    const readers = [() => readBare(socket, id), () => drain(create(source), lines)];
    const isOursFirst = run % 2 === 1;
    const times: number[] = [];
    for (const reader of isOursFirst ? readers.reverse() : readers) times.push(await timed(reader));
    const [bare = Number.NaN, ours = Number.NaN] = isOursFirst ? times.reverse() : times;
    ratios.push(ours / bare);
    bareTimes.push(bare);
  }
  return { ratio: median(ratios), bareMs: median(bareTimes) };
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function readBare(socket: string, id: string): Promise<void> {
  const url = `http://d/containers/${id}/logs?stdout=1&stderr=1&timestamps=1`;
  await promisify(execFile)('sh', ['-c', `curl -sf --unix-socket "$1" "$2" | cat > /dev/null`, 'sh', socket, url]);
}

async function drain(watcher: Watcher, lines: number): Promise<void> {
  const stop = new AbortController();
  let read = 0;
  for await (const batch of watcher.watch(undefined, stop.signal)) {
    read += batch.read ?? 0;
    if (read >= lines) break;
  }
  stop.abort();
}

import { type Figure, figure } from '../core/metrics.ts';

/**
 * What the process itself takes, under the names that every Prometheus client uses. The library's own set is left out: it
 * watches the event loop a hundred times a second, and that is more than cowbell does when all is quiet.
 */
export async function processFigures(): Promise<Figure[]> {
  const lagSeconds = await eventLoopLag();
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, heapTotal } = process.memoryUsage();
  return [
    figure('process_cpu_seconds_total', {}, (user + system) / 1e6),
    figure('process_resident_memory_bytes', {}, rss),
    figure('process_start_time_seconds', {}, Math.round(Date.now() / 1000 - process.uptime())),
    figure('nodejs_heap_size_used_bytes', {}, heapUsed),
    figure('nodejs_heap_size_total_bytes', {}, heapTotal),
    figure('nodejs_eventloop_lag_seconds', {}, lagSeconds),
  ];
}

function eventLoopLag(): Promise<number> {
  const since = performance.now();
  return new Promise((resolve) => setImmediate(() => resolve((performance.now() - since) / 1000)));
}

import { onTestFinished } from 'vitest';
import { type HealthServer, type HealthServerOptions, startHealthServer } from '../../src/ops/health-server.ts';

/** A health server on a free port of loopback that says that all is well, unless told otherwise; ended with the test. */
export async function startTestHealthServer(options: Partial<HealthServerOptions> = {}): Promise<HealthServer> {
  const server = await startHealthServer({
    listen: '127.0.0.1:0',
    readiness: () => ({ ready: true, sources: [], lanes: [], ledger: { up: true } }),
    metrics: async () => ({ contentType: 'text/plain', body: 'cowbell_build_info 1\n' }),
    onError() {},
    ...options,
  });
  onTestFinished(() => server.close());
  return server;
}

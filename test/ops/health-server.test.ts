import { describe, expect, it, onTestFinished } from 'vitest';
import { type Readiness, startHealthServer } from '../../src/ops/health-server.ts';

async function started(readiness: () => Readiness) {
  const server = await startHealthServer('127.0.0.1:0', readiness);
  onTestFinished(() => server.close());
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, init);
    return { status: response.status, body: await response.json() };
  };
  return { server, get };
}

describe('the health server', () => {
  it('says that it lives, and whether all is well, with the reasons', async () => {
    let state: Readiness = { ready: true, sources: [{ name: 'redis', up: true }], lanes: [] };
    const { get } = await started(() => state);
    expect(await get('/healthz')).toEqual({ status: 200, body: { status: 'alive' } });
    expect(await get('/readyz')).toEqual({ status: 200, body: state });
    state = { ready: false, sources: [{ name: 'redis', up: false, reason: 'no connection' }], lanes: [] };
    expect(await get('/readyz?verbose')).toEqual({ status: 503, body: state });
    expect((await get('/healthz')).status).toBe(200);
  });

  it('answers nothing else', async () => {
    const { get } = await started(() => ({ ready: true, sources: [], lanes: [] }));
    expect((await get('/')).status).toBe(404);
    expect((await get('/healthz', { method: 'POST', body: 'x' })).status).toBe(405);
  });

  it('says which address it cannot have', async () => {
    const { server } = await started(() => ({ ready: true, sources: [], lanes: [] }));
    const listen = `127.0.0.1:${server.port}`;
    await expect(startHealthServer(listen, () => ({ ready: true, sources: [], lanes: [] }))).rejects.toThrow(
      `http.listen ${listen}: listen EADDRINUSE`,
    );
  });
});

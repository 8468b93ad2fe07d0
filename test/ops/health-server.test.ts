import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Secret } from '../../src/core/secret.ts';
import type { HealthServerOptions, Readiness } from '../../src/ops/health-server.ts';
import { startTestHealthServer } from '../support/health-server.ts';

async function started(options: Partial<HealthServerOptions> = {}) {
  const server = await startTestHealthServer(options);
  const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.port}${path}`, init);
  const get = async (path: string, init?: RequestInit) => {
    const response = await ask(path, init);
    return { status: response.status, body: await response.json() };
  };
  return { server, ask, get };
}

describe('the health server', () => {
  it('says that it lives, and whether all is well, with the reasons', async () => {
    const rest = { lanes: [], ledger: { up: true } };
    let state: Readiness = { ready: true, sources: [{ name: 'redis', up: true }], ...rest };
    const { get } = await started({ readiness: () => state });
    expect(await get('/healthz')).toEqual({ status: 200, body: { status: 'alive' } });
    expect(await get('/readyz')).toEqual({ status: 200, body: state });
    state = { ready: false, sources: [{ name: 'redis', up: false, reason: 'no connection' }], ...rest };
    expect(await get('/readyz?verbose')).toEqual({ status: 503, body: state });
    expect((await get('/healthz')).status).toBe(200);
  });

  it('gives metrics in the format that is asked for', async () => {
    const { ask } = await started({
      metrics: async (accept) => ({ contentType: 'text/plain; version=0.0.4', body: `${accept}\n` }),
    });
    const response = await ask('/metrics', { headers: { accept: 'application/openmetrics-text' } });
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
      200,
      'text/plain; version=0.0.4',
      'application/openmetrics-text\n',
    ]);
  });

  it('gives them only to who knows the token, where there is one', async () => {
    const { ask } = await started({ token: new Secret('tOkEn-123') });
    const statusWith = async (authorization?: string) =>
      (await ask('/metrics', authorization === undefined ? {} : { headers: { authorization } })).status;
    expect(await statusWith('Bearer tOkEn-123')).toBe(200);
    expect(await statusWith('bearer tOkEn-123')).toBe(200);
    for (const wrong of [
      undefined,
      'Bearer',
      'Bearer ',
      'Bearer tOkEn-12',
      'Bearer tOkEn-1234',
      'Basic tOkEn-123',
      'tOkEn-123',
    ])
      expect(await statusWith(wrong)).toBe(401);
    const refused = await ask('/metrics');
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    expect(await refused.text()).not.toContain('tOkEn');
    // Whoever restarts what is not well needs no token.
    expect((await ask('/readyz')).status).toBe(200);
  });

  it('says that metrics could not be gathered, and why to the log alone', async () => {
    const errors: unknown[] = [];
    const broken = new Error('disk I/O error at /state');
    const { get } = await started({
      metrics: () => Promise.reject(broken),
      onError: (error) => errors.push(error),
    });
    expect(await get('/metrics')).toEqual({
      status: 500,
      body: { error: 'the metrics could not be gathered; the log says why' },
    });
    expect(errors).toEqual([broken]);
  });

  it('answers again where all its connections were taken by requests that never end', async () => {
    const { server, get } = await started();
    const sockets = Array.from({ length: 64 }, () => connect(server.port, '127.0.0.1'));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    const ends = sockets.map(async (socket) => {
      socket.on('error', () => {}).resume();
      await once(socket, 'connect');
      socket.write('GET /healthz HTTP/1.1\r\nX: ');
      await once(socket, 'close');
    });
    const since = performance.now();
    await Promise.all(ends);
    expect(performance.now() - since).toBeLessThan(20_000);
    expect((await get('/healthz')).status).toBe(200);
  });

  it('answers nothing else', async () => {
    const { get, ask } = await started();
    expect((await get('/')).status).toBe(404);
    expect((await get('/metrics/x')).status).toBe(404);
    expect((await get('/healthz', { method: 'POST', body: 'x' })).status).toBe(405);
    expect((await get('/metrics', { method: 'POST', body: 'x' })).status).toBe(405);
    const head = await ask('/metrics', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('says which address it has, and which it cannot have', async () => {
    const { server } = await started();
    expect(server.address).toBe(`127.0.0.1:${server.port}`);
    await expect(startTestHealthServer({ listen: server.address })).rejects.toThrow(
      `http.listen ${server.address}: listen EADDRINUSE`,
    );
  });
});

import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import { Secret } from '../../src/core/secret.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { eventually } from '../support/eventually.ts';

const never = new AbortController().signal;
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(listener: RequestListener, secure = false): Promise<{ origin: string; sockets: Set<number> }> {
  const read = (name: string) => readFileSync(new URL(`../fixtures/tls/self-signed.${name}`, import.meta.url));
  const server = secure ? createTlsServer({ key: read('key'), cert: read('crt') }, listener) : createServer(listener);
  const sockets = new Set<number>();
  server.on('request', (request: IncomingMessage) => sockets.add(request.socket.remotePort ?? 0));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `http${secure ? 's' : ''}://127.0.0.1:${port}`, sockets };
}

function client(options: { bodyCapBytes?: number } = {}) {
  const http = createHttpClient({ userAgent: 'cowbell/test', ...options });
  cleanups.push(() => http.close());
  return http;
}

test('sends method, headers and body, and gives back status, headers and body', async () => {
  const { origin } = await serve((request, response) => {
    const { method, url, headers } = request;
    request.setEncoding('utf8').on('data', (body: string) => {
      response.writeHead(
        202,
        [
          ['X-Many', '1'],
          ['X-Many', '2'],
        ].flat(),
      );
      response.end(JSON.stringify({ method, url, agent: headers['user-agent'], kind: headers['content-type'], body }));
    });
  });
  const answer = await client().send(
    { method: 'PUT', url: new Secret(`${origin}/a?b=c`), headers: { 'content-type': 'text/plain' }, body: 'ü' },
    never,
  );
  expect(answer.status).toBe(202);
  expect(answer.headers['x-many']).toBe('1, 2');
  expect(JSON.parse(answer.body)).toEqual({
    method: 'PUT',
    url: '/a?b=c',
    agent: 'cowbell/test',
    kind: 'text/plain',
    body: 'ü',
  });
});

test('a user name and password in the address become basic authentication', async () => {
  const { origin } = await serve((request, response) => response.end(request.headers.authorization));
  const url = new Secret(origin.replace('//', '//us%20er:p%40ss@'));
  const { body } = await client().send({ method: 'GET', url }, never);
  expect(Buffer.from(body.replace('Basic ', ''), 'base64').toString()).toBe('us er:p@ss');
});

test('connections are used again', async () => {
  const { origin, sockets } = await serve((_request, response) => response.end('ok'));
  const http = client();
  for (let index = 0; index < 20; index++) await http.send({ url: new Secret(origin), body: '{}' }, never);
  // The next request may come before the connection of the last one is free again.
  expect(sockets.size).toBeLessThanOrEqual(2);
});

test('a redirect is an answer', async () => {
  const paths: (string | undefined)[] = [];
  const { origin } = await serve((request, response) => {
    paths.push(request.url);
    response.writeHead(307, { location: '/elsewhere' }).end();
  });
  const answer = await client().send({ url: new Secret(`${origin}/here`) }, never);
  expect(answer.status).toBe(307);
  expect(paths).toEqual(['/here']);
});

test('of a body without end only the front is read', async () => {
  let isCut = false;
  const { origin } = await serve((_request, response) => {
    const write = () => {
      if (!response.destroyed) response.write('x'.repeat(10_000), () => setImmediate(write));
    };
    response.on('close', () => {
      isCut = true;
    });
    write();
  });
  const { status, body } = await client({ bodyCapBytes: 20_000 }).send({ url: new Secret(origin) }, never);
  expect(status).toBe(200);
  expect(body).toBe('x'.repeat(20_000));
  await eventually(() => expect(isCut).toBe(true));
});

test('a request may ask for more of its answer, and is told where there was more still', async () => {
  const { origin } = await serve((request, response) => response.end('x'.repeat(Number(request.url?.slice(1)))));
  const get = async (bytes: number, maxBodyBytes?: number) => {
    const url = new Secret(`${origin}/${bytes}`);
    const answer = await client().send(
      { method: 'GET', url, ...(maxBodyBytes !== undefined && { maxBodyBytes }) },
      never,
    );
    return [answer.body.length, answer.isCut === true];
  };
  expect(await get(65_536)).toEqual([65_536, false]);
  expect(await get(65_537)).toEqual([65_536, true]);
  expect(await get(2_000_000, 4_000_000)).toEqual([2_000_000, false]);
  expect(await get(4_000_001, 4_000_000)).toEqual([4_000_000, true]);
  expect(await get(17_000_000, 100_000_000)).toEqual([16_777_216, true]);
});

test('no answer, and an answer that does not end, is given up in time', async () => {
  const { origin } = await serve((request, response) => {
    if (request.url === '/body') response.write('a');
  });
  for (const path of ['/silent', '/body']) {
    const sent = client().send({ url: new Secret(origin + path), timeoutMs: 50 }, never);
    await expect(sent).rejects.toMatchObject({ name: 'TransientError', message: 'no answer within 50 ms' });
  }
});

test('an abort ends a request that is under way, or has not begun', async () => {
  let requests = 0;
  const { origin } = await serve(() => {
    requests++;
  });
  const giveUp = new AbortController();
  const sent = client().send({ url: new Secret(origin) }, giveUp.signal);
  const outcome = expect(sent).rejects.toMatchObject({ message: 'the request was given up' });
  await eventually(() => expect(requests).toBe(1));
  giveUp.abort(new Error(origin));
  await outcome;
  await expect(client().send({ url: new Secret(origin) }, giveUp.signal)).rejects.toBeInstanceOf(TransientError);
  expect(requests).toBe(1);
});

test('a certificate that nobody vouches for is refused', async () => {
  const { origin } = await serve((_request, response) => response.end('ok'), true);
  await expect(client().send({ url: new Secret(origin) }, never)).rejects.toMatchObject({
    name: 'TransientError',
    message: 'no connection: DEPTH_ZERO_SELF_SIGNED_CERT',
  });
});

test('nobody listening is transient, and told without the address', async () => {
  const { origin } = await serve(() => {});
  await cleanups.pop()?.();
  const sent = client().send({ url: new Secret(`${origin}/token`) }, never);
  await expect(sent).rejects.toMatchObject({ name: 'TransientError', message: 'no connection: ECONNREFUSED' });
});

test.each([
  ['another scheme', 'ftp://127.0.0.1/x', {}],
  ['no address', 'token', {}],
  ['a user name that is not encoded', 'http://%zz:x@127.0.0.1:9/', {}],
  ['a header over two lines', 'http://127.0.0.1:9/', { 'x-key': 'a\r\nb: c' }],
])('%s will never be sent', async (_what, url, headers) => {
  await expect(client().send({ url: new Secret(url), headers }, never)).rejects.toBeInstanceOf(PermanentError);
});

test('what a refusal quotes of the address or the headers is taken out', async () => {
  const { origin } = await serve((request, response) => {
    const { authorization } = request.headers;
    response.writeHead(404).end(`no ${request.url} for ${authorization} or ${authorization?.split(' ')[1]}, try abc`);
  });
  const url = new Secret(`${origin}/abc/secret%20path?key=secret-query`);
  const headers = { authorization: 'Bearer secret-header' };
  const { body } = await client().send({ url, headers }, never);
  expect(body).toBe('no [secret] for [secret] or [secret], try abc');
  const withPassword = new Secret(origin.replace('//', '//user:pass-word@'));
  expect((await client().send({ url: withPassword }, never)).body).toBe('no / for [secret] or [secret], try abc');
});

test('a good answer is given back as it is', async () => {
  const { origin } = await serve((request, response) => response.end(request.url));
  const { body } = await client().send({ method: 'GET', url: new Secret(`${origin}/check?ip=203.0.113.7`) }, never);
  expect(body).toBe('/check?ip=203.0.113.7');
});

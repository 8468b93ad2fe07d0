import { createServer } from 'node:net';
import { PassThrough } from 'node:stream';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { messageOf } from '../../src/core/errors.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { createLogger } from '../../src/ops/logger.ts';
import { deliveryOf } from '../support/delivery.ts';
import type { Behaviour } from '../support/receivers.ts';
import type { ReceivedRequest } from '../support/service.ts';
import { buildRig, collectOutput, fixedClock, NOW, optionsWithSecrets, SECRETS, senders } from './rig.ts';

const events = sampleEvents('mail.example.org', NOW).slice(0, 1);

/** A server that quotes all that it was told, as error pages do. */
function quoting(status: number): Behaviour {
  return (request: ReceivedRequest) => {
    const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`);
    const body = [`cannot ${request.method} ${request.path}`, ...headers].join('\n');
    return { status, headers: { 'content-type': 'text/plain', location: request.path }, body };
  };
}

const FAILURES: readonly (readonly [string, Behaviour])[] = [
  ['cut', 'cut'],
  ['429', { rateLimited: 2 }],
  ['a long answer', { status: 500, body: 'x'.repeat(1_000_000) }],
  ['a page', { status: 502, body: '<html><h1>Bad Gateway</h1></html>' }],
  ...[302, 400, 401, 404, 410, 429, 500, 501, 503].map((status) => [`${status} quoting`, quoting(status)] as const),
];

/** In every way that a thing may come to light. */
async function everyPrint(thing: unknown): Promise<string> {
  const lines = new PassThrough().setEncoding('utf8');
  const logger = await createLogger({ level: 'debug', format: 'json', stream: lines });
  logger.error({ err: thing, thing }, 'it failed');
  const stack = thing instanceof Error ? `${thing.stack} ${messageOf(thing)}` : '';
  const shown = inspect(thing, { depth: 12, showHidden: true, getters: true });
  return [shown, JSON.stringify(thing), `${thing}`, stack, String(lines.read() ?? '')].join('\n');
}

function expectNoSecret(printed: string): void {
  for (const secret of SECRETS) expect(printed).not.toContain(secret);
}

test.each(senders.map((definition) => [definition.type, definition] as const))(
  '%s: no failure shows a secret',
  async (_type, definition) => {
    const rig = await buildRig(definition);
    try {
      const fail = () =>
        rig.notifier.notify(deliveryOf('d1', events), AbortSignal.timeout(20_000)).then(
          () => expect.unreachable('it was accepted'),
          (error: unknown) => error,
        );
      for (const [name, behaviour] of FAILURES) {
        rig.receiver.behave(behaviour);
        const error = await fail();
        expect.soft(messageOf(error), name).toMatch(/^(HTTP \d|no connection|the answer|Slack answered)/);
        expectNoSecret(await everyPrint(error));
      }
      await rig.receiver.stop();
      expectNoSecret(await everyPrint(await fail()));
      expectNoSecret(await everyPrint(rig.notifier));
    } finally {
      await rig.close();
    }
  },
);

test.each(senders.map((definition) => [definition.type, definition] as const))(
  '%s: an answer that is not HTTP, or quotes with 200, shows no secret',
  async (_type, definition) => {
    const server = createServer((socket) => {
      socket.once('data', (request) => socket.end(`${request.toString('utf8')}\r\n\r\n`));
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const http = createHttpClient({ userAgent: 'cowbell/test' });
    try {
      const options = optionsWithSecrets(
        definition,
        `http://${SECRETS[3]}:${SECRETS[3]}@127.0.0.1:${port}/${SECRETS[0]}`,
      );
      const notifier = definition.create(options, {
        http,
        clock: fixedClock,
        stdout: collectOutput(),
        mailer: createSmtpMailer(),
        compose: composeMessage,
      });
      const error = await notifier
        .notify(deliveryOf('d1', events), AbortSignal.timeout(20_000))
        .catch((cause) => cause);
      expect(error).toMatchObject({ name: 'TransientError' });
      expectNoSecret(await everyPrint(error));
      expectNoSecret(await everyPrint(options));
    } finally {
      await http.close();
      await new Promise((resolve) => server.close(resolve));
    }
    const rig = await buildRig(definition, quoting(200));
    const outcome = await rig.notifier
      .notify(deliveryOf('d1', events), AbortSignal.timeout(20_000))
      .catch((cause) => cause);
    await rig.close();
    expectNoSecret(await everyPrint(outcome));
  },
);

test('the check finds what it looks for', async () => {
  const printed = await everyPrint(new Error('failed', { cause: { url: `https://h/${SECRETS[0]}` } }));
  expect(() => expectNoSecret(printed)).toThrow();
});

import { afterEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import type { BanEvent } from '../../src/core/event.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { deliveryOf } from '../support/delivery.ts';
import { type Behaviour, type ReceiverKind, startReceiver } from '../support/receivers.ts';
import { collectOutput, definitions, fixedClock, NOW } from './rig.ts';

const never = new AbortController().signal;
const samples = sampleEvents('mail.example.org', NOW);
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function tell(
  kind: ReceiverKind,
  options: Record<string, unknown>,
  events: readonly BanEvent[],
  behaviour: Behaviour = 'accept',
) {
  const receiver = await startReceiver({ kind, behaviour });
  const http = createHttpClient({ userAgent: 'cowbell/test' });
  cleanups.push(
    () => http.close(),
    () => receiver.stop(),
  );
  const definition = definitions.find(({ type }) => type === kind) ?? expect.unreachable();
  const tools = { http, clock: fixedClock, stdout: collectOutput(), mailer: createSmtpMailer() };
  const parsed = definition.options.parse({ url: receiver.url, ...options });
  const notifier = definition.create(parsed, { ...tools, compose: composeMessage });
  const failure = await notifier.notify(deliveryOf('one', events), never).catch((error: unknown) => error);
  return { receiver, request: receiver.requests[0], failure };
}

interface Push {
  streams: { stream: Record<string, string>; values: [string, string][] }[];
}

const refusals = (yaml: string) => {
  try {
    parseConfig(`notifiers: [${yaml}]`, { env: {} });
    return '';
  } catch (error) {
    return String(error);
  }
};

describe('loki', () => {
  it('has a stream for each kind of event, and lines with the names that the webhook has', async () => {
    const { request } = await tell('loki', { tenant: 'mail', token: 'secret-token', user: 'cowbell' }, samples);
    expect(request?.problems).toEqual([]);
    expect(request?.headers).toMatchObject({ 'x-scope-orgid': 'mail' });
    expect(request?.headers.authorization).toMatch(/^Basic /);
    const streams = (request?.json as Push | undefined)?.streams ?? [];
    expect(streams.map(({ stream }) => stream.event).sort()).toEqual(
      [...new Set(samples.map((each) => each.type))].sort(),
    );
    const started = streams.find(({ stream }) => stream.event === 'ban.started');
    expect(started?.stream).toEqual({ job: 'cowbell', host: 'mail.example.org', event: 'ban.started' });
    expect(started?.values[0]?.[0]).toBe(`${NOW}000000`);
    expect(JSON.parse(started?.values[0]?.[1] ?? '')).toEqual(samples[0]);
  });

  it('sets aside what Loki refuses, and waits where it is asked to', async () => {
    const old = { status: 400, body: 'entry too far behind' };
    expect((await tell('loki', {}, samples, old)).failure).toMatchObject({ isPayload: true });
    const limited = await tell('loki', {}, samples, { rateLimited: 7 });
    expect(limited.failure).toBeInstanceOf(TransientError);
    expect(limited.failure).toMatchObject({ retryAfterMs: 7_000 });
  });

  it('refuses labels of its own, and no labels', () => {
    expect(refusals("{type: loki, url: 'http://loki', labels: {event: x}}")).toContain(
      'cowbell sets this label itself',
    );
    expect(refusals("{type: loki, url: 'http://loki', labels: {a-b: x}}")).toContain('the name of a label');
    expect(refusals("{type: loki, url: 'http://loki', user: x}")).toContain('a user needs a password');
  });
});

describe('apprise', () => {
  it('says how bad it is, and to whom', async () => {
    const own = await tell('apprise', { tag: 'admins' }, samples.slice(1, 2));
    expect(own.request?.json).toMatchObject({ type: 'failure', format: 'text', tag: 'admins' });
    const quiet = samples.filter(({ type }) => type === 'digest');
    expect((await tell('apprise', {}, quiet)).request?.json).toMatchObject({ type: 'info' });
    const ended = samples.filter(({ type }) => type === 'ban.ended');
    expect((await tell('apprise', {}, ended)).request?.json).toMatchObject({ type: 'success' });
  });

  it('takes no answer for an answer', async () => {
    const nobody = await tell('apprise', {}, samples.slice(0, 1), { status: 204 });
    expect(nobody.failure).toBeInstanceOf(PermanentError);
    expect(nobody.failure).toMatchObject({ isPayload: false, message: expect.stringContaining('no service') });
    expect((await tell('apprise', {}, samples.slice(0, 1), { status: 424 })).failure).toBeInstanceOf(TransientError);
  });

  it('wants a key, or the services', () => {
    expect(refusals("{type: apprise, url: 'http://apprise:8000/notify/'}")).toContain(
      'expected /notify/KEY at its end',
    );
    expect(refusals("{type: apprise, url: 'http://apprise:8000/notify/', urls: 'json://x'}")).toBe('');
  });
});

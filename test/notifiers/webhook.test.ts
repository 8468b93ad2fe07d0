import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BanEvent } from '../../src/core/event.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { toCloudEvent } from '../../src/notifiers/cloud-event.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { webhookNotifier } from '../../src/notifiers/webhook.ts';
import { deliveryOf } from '../support/delivery.ts';
import { type Receiver, startReceiver } from '../support/receivers.ts';
import { createWebhookRules } from '../support/webhook-rules.ts';
import { collectOutput, fixedClock, NOW } from './rig.ts';

const never = new AbortController().signal;
const samples = sampleEvents('mail.example.org', NOW);
const http = createHttpClient({ userAgent: 'cowbell/test' });
afterAll(() => http.close());

function createNotifier(options: Record<string, unknown>) {
  const parsed = webhookNotifier.options.parse(options);
  return webhookNotifier.create(parsed, {
    http,
    clock: fixedClock,
    stdout: collectOutput(),
    mailer: createSmtpMailer(),
    compose: composeMessage,
  });
}

describe('what is sent', () => {
  let receiver: Receiver;
  beforeAll(async () => {
    receiver = await startReceiver({ kind: 'webhook' });
  });
  afterAll(() => receiver.stop());

  test('one event is a CloudEvent', async () => {
    const [first] = samples;
    await createNotifier({ url: receiver.url }).notify(deliveryOf('one', samples.slice(0, 1)), never);
    const request = receiver.requests.at(-1);
    expect(request?.method).toBe('POST');
    expect(request?.headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
    expect(request?.headers['webhook-timestamp']).toBe(String(NOW / 1000));
    expect(request?.json).toMatchObject({
      specversion: '1.0',
      id: first?.id,
      type: 'cowbell.ban.started',
      source: 'mail.example.org',
      subject: '203.0.113.7/32',
      time: '2026-11-23T12:00:00.000Z',
      datacontenttype: 'application/json',
      data: { test: true, ban: { network: '203.0.113.7/32', services: ['smtp'] } },
    });
  });

  test('several are a batch, each with its own id', async () => {
    await createNotifier({ url: receiver.url }).notify(deliveryOf('many', samples), never);
    const request = receiver.requests.at(-1);
    expect(request?.headers['content-type']).toBe('application/cloudevents-batch+json; charset=utf-8');
    expect(request?.json).toMatchObject(samples.map(({ id }) => ({ id })));
    expect(receiver.events().slice(-samples.length)).toHaveLength(samples.length);
  });

  test('an event comes back whole out of what was sent', () => {
    for (const event of samples) {
      const { data, id, time, type } = JSON.parse(JSON.stringify(toCloudEvent(event)));
      const back = { ...data, id, at: time, host: event.host, type: type.replace('cowbell.', '') };
      expect(BanEvent.parse(back)).toEqual(event);
    }
  });

  test('with a method and headers of one’s own', async () => {
    const headers = { Authorization: 'Bearer x', 'X-Many_1': 'ü' };
    await createNotifier({ url: receiver.url, method: 'PUT', headers }).notify(deliveryOf('d', samples), never);
    const request = receiver.requests.at(-1);
    expect(request?.method).toBe('PUT');
    expect(request?.headers.authorization).toBe('Bearer x');
    expect(request?.problems).toEqual([]);
  });

  test.each([
    ['Webhook-Id', 'x'],
    ['content-type', 'text/plain'],
    ['Host', 'x'],
    ['content-length', '3'],
    ['no header', 'x'],
    ['x-lines', 'a\r\nb: c'],
    ['x-wide', '鍵'],
    ['x-empty', ''],
  ])('%s: %j is a mistake in the configuration', (name, value) => {
    const result = webhookNotifier.options.safeParse({ url: 'https://example.org', headers: { [name]: value } });
    expect(result.success).toBe(false);
  });

  test.each(['mail.example.org', 'höst', '2001:db8::1', 'a b', '%', '', '\ud800', '//evil', '#'])(
    'a host named %j is a URI reference as a source',
    async (host) => {
      const events = samples.slice(0, 1).map((event) => ({ ...event, host }));
      await createNotifier({ url: receiver.url }).notify(deliveryOf('d', events), never);
      expect(receiver.requests.at(-1)?.problems).toEqual([]);
    },
  );
});

describe('signatures', () => {
  test('are as those of the reference libraries', () => {
    // The test vector of https://github.com/standard-webhooks/standard-webhooks/tree/main/libraries
    const rules = createWebhookRules('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    };
    expect(rules(headers, '{"test": 2432232314}', {})).not.toContain('the signature is wrong');
    expect(rules(headers, '{"test": 2432232315}', {})).toContain('the signature is wrong');
  });

  test.each(['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'any text ü', 'whsec_YWI='])('with %j', async (secret) => {
    const receiver = await startReceiver({ kind: 'webhook', secret });
    try {
      const notifier = createNotifier({ url: receiver.url, secret });
      await notifier.notify(deliveryOf('msg_1', samples), never);
      await notifier.notify(deliveryOf('msg_2', samples.slice(0, 1)), never);
      expect(receiver.accepted()).toHaveLength(2);
      receiver.behave('accept');
      await expect(
        createNotifier({ url: receiver.url, secret: 'another' }).notify(deliveryOf('msg_3', samples), never),
      ).rejects.toMatchObject({ name: 'PermanentError' });
    } finally {
      await receiver.stop();
    }
  });

  test.each(['whsec_', 'whsec_not base64!', ''])('%j is no key', (secret) => {
    expect(webhookNotifier.options.safeParse({ url: 'https://example.org', secret }).success).toBe(false);
  });
});

describe('receivers of every manner', () => {
  let server: Server;
  let url: string;
  let status = 200;
  beforeAll(async () => {
    server = createServer((request, response) => request.resume().on('end', () => response.writeHead(status).end()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterAll(() => server.close());

  test.each([200, 201, 202, 204])('%i is an acceptance', async (accepted) => {
    status = accepted;
    await expect(createNotifier({ url }).notify(deliveryOf('d', samples), never)).resolves.toBeUndefined();
  });
});

test('the schema refuses what is not as it says', () => {
  const rules = createWebhookRules();
  const headers = { 'content-type': 'application/cloudevents+json', 'webhook-timestamp': '1795430400' };
  const [sample] = samples;
  if (sample === undefined) throw new Error('there is no sample');
  const sent = toCloudEvent(sample);
  expect(rules(headers, '', sent)).toEqual([]);
  for (const wrong of [
    { ...sent, data: {} },
    { ...sent, type: 'cowbell.ban.begun' },
    { ...sent, source: '' },
    { ...sent, time: 'today' },
    { ...sent, id: undefined },
    [],
  ]) {
    expect(rules(headers, '', JSON.parse(JSON.stringify(wrong)))).not.toEqual([]);
  }
});

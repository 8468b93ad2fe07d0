import { PassThrough } from 'node:stream';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import type { Ban, BanEvent } from '../../src/core/event.ts';
import type { Notifier, NotifierDefinition } from '../../src/core/notifier.ts';
import { safeText } from '../../src/core/text.ts';
import { type ClosableHttpClient, createHttpClient } from '../../src/http/client.ts';
import { notifierDefinitions } from '../../src/notifiers/registry.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { createLogger } from '../../src/ops/logger.ts';
import { type Answer, type Receiver, type Service, startReceiver } from '../support/receivers.ts';
import { discordService, slackService, webhookService } from '../support/services.ts';

const SECRET = 'whSeCrEt-of-the-webhook';
/** What each service demands; a notifier that speaks HTTP needs an entry here. */
const SERVICES: Record<string, Service> = {
  slack: slackService,
  discord: discordService,
  webhook: webhookService(SECRET),
};
const OPTIONS: Record<string, object> = { webhook: { secret: SECRET, headers: { authorization: `Bearer ${SECRET}` } } };
const definitions = notifierDefinitions as unknown as readonly NotifierDefinition[];
const NOW = Date.UTC(2026, 10, 23, 12);

let http: ClosableHttpClient;
beforeAll(() => {
  http = createHttpClient({ userAgent: 'cowbell/test' });
});
afterAll(() => http.close());

/** Names and lines as attackers write them. */
const HOSTILE = [
  '@everyone',
  '<!channel> <!here> <@U012AB3CD> <#C1> #general',
  '<https://evil.example|click>',
  '*bold* _it_ ~s~ [click](https://evil.example) ||spoiler|| ```code``` `x`',
  'https://evil.example/x?y=1',
  '<@123456789012345678> <@&1> <#1> <t:1:R> :tada: # head\n> quote',
  'a\u0007b\u001b[31mred\u001b[0m\u0000nul\b',
  'abc\u202egnp.exe\u2066x\u2069\u200b',
  '&lt;b&gt; &amp; <b>',
  '\ud83d\ude00'.repeat(400),
  'x'.repeat(70_000),
  '&<>'.repeat(3_000),
  '`'.repeat(300),
  '',
];

function hostileEvents(texts: readonly string[]): BanEvent[] {
  // What is stored has been through `safeText`; nothing else has been done to it.
  const clean = texts.map((text) => safeText(text, 512));
  return sampleEvents('mail.example.org', NOW).map((event): BanEvent => {
    if ('ban' in event) {
      const ban: Ban = {
        ...event.ban,
        network: '203.0.113.0/24',
        accounts: clean.map((name) => ({ name: safeText(name, 128), attempts: 3 })),
        known_users: clean.slice(0, 4).map((name) => ({ name, last_seen_at: event.at, logins: 3 })),
        evidence: clean.slice(0, 5),
        claimed: true,
        late: true,
        confirmed: false,
      };
      return { ...event, ban };
    }
    return 'source' in event ? { ...event, source: { ...event.source, reason: clean.join(' ') } } : event;
  });
}

describe.each(definitions.map((definition) => [definition.type, definition] as const))('%s', (type, definition) => {
  const service = SERVICES[type];
  let receiver: Receiver;
  let notifier: Notifier;
  let stdout: PassThrough;

  beforeAll(async () => {
    receiver = await startReceiver(service ?? { accepts: { status: 200 }, check: () => [] });
    stdout = new PassThrough();
    const options = definition.options.parse(service === undefined ? {} : { url: receiver.url, ...OPTIONS[type] });
    notifier = definition.create(options, { http, clock: systemClock, stdout });
  });
  afterAll(() => receiver.stop());

  async function send(events: readonly BanEvent[], id = 'delivery-1'): Promise<string> {
    const before = receiver.requests.length;
    receiver.answer = undefined;
    await notifier.notify({ id, events }, AbortSignal.timeout(20_000));
    if (service === undefined) return String(stdout.read() ?? '');
    const request = receiver.requests[before];
    expect(request?.complaints).toEqual([]);
    expect(request?.headers['webhook-id']).toBe(id);
    return request?.body ?? '';
  }

  it('tells every kind of event, and groups of any size, as the service takes it', async () => {
    const samples = sampleEvents('mail.example.org', NOW);
    for (const event of samples) await send([event]);
    const bans = samples.filter((event) => event.type === 'ban.started');
    for (const size of [2, 50, Math.min(2_500, definition.pace.maxEvents)]) {
      await send(Array.from({ length: size }, (_, index) => ({ ...(bans[0] as BanEvent), id: `e${index}` })));
    }
    await send(samples);
  });

  it('lets nothing act that an attacker wrote', async () => {
    for (const text of HOSTILE) {
      for (const event of hostileEvents([text])) await send([event]);
    }
    const shown = await send(hostileEvents(HOSTILE));
    if (service === undefined) expect(shown).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  });

  it('stays within its limits and escapes whatever it is given', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 400 }),
      fc.string({ unit: 'grapheme', maxLength: 400 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 12 }), async (texts) => {
        await send(hostileEvents(texts).slice(0, 1));
        await send(hostileEvents(texts));
      }),
      { numRuns: 25 },
    );
  });

  if (service === undefined) return;

  const failures: [string, Answer, typeof TransientError | typeof PermanentError, number?][] = [
    ['408', { status: 408 }, TransientError],
    ['429 in seconds', { status: 429, headers: { 'retry-after': '7' } }, TransientError, 7_000],
    [
      '429 with a fraction',
      { status: 429, headers: { 'retry-after': '1.5' }, body: '{"retry_after": 1.5}' },
      TransientError,
      1_500,
    ],
    ['500', { status: 500, body: `error at ${SECRET.slice(0, 3)}` }, TransientError],
    ['502', { status: 502, body: '<html>nginx</html>' }, TransientError],
    ['503', { status: 503 }, TransientError],
    ['501', { status: 501 }, PermanentError],
    ['400', { status: 400, body: 'invalid_payload' }, PermanentError],
    ['401', { status: 401 }, PermanentError],
    ['403', { status: 403, body: 'action_prohibited' }, PermanentError],
    ['404', { status: 404, body: 'no_service' }, PermanentError],
    ['410', { status: 410, body: 'channel_is_archived' }, PermanentError],
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/elsewhere' } }, PermanentError],
    ['a cut connection', 'cut', TransientError],
    ['a huge answer', { status: 500, body: 'x'.repeat(1_000_000) }, TransientError],
  ];

  it.each(failures)('sorts %s', async (_what, answer, kind, retryAfterMs) => {
    const error = await failWith(answer);
    expect(error).toBeInstanceOf(kind);
    if (retryAfterMs !== undefined) expect((error as TransientError).retryAfterMs).toBe(retryAfterMs);
  });

  it('ends when it is told to, though the far side hangs', async () => {
    const stop = new AbortController();
    receiver.answer = () => {
      stop.abort();
      return 'hang';
    };
    await expect(
      notifier.notify({ id: 'd', events: sampleEvents('h', NOW).slice(0, 1) }, stop.signal),
    ).rejects.toBeInstanceOf(TransientError);
  });

  it('shows no secret in any failure, however it is printed', async () => {
    const printed: string[] = [];
    const sink = new PassThrough();
    sink.on('data', (chunk: Buffer) => printed.push(chunk.toString('utf8')));
    const logger = await createLogger({ level: 'debug', format: 'json', stream: sink });
    for (const [, answer] of failures) {
      const error = await failWith(answer);
      printed.push(String(error), inspect(error, { depth: 9, showHidden: true }), JSON.stringify(error));
      logger.error({ err: error, notifier, definition }, 'it failed');
    }
    await receiver.stop();
    const error = await failWith({ status: 200 });
    printed.push(inspect(error, { depth: 9, showHidden: true }));
    await receiver.start();
    printed.push(inspect(notifier, { depth: 9, showHidden: true }));
    expect(printed.join('\n')).not.toContain('T0K3N');
    expect(printed.join('\n')).not.toContain(SECRET);
  });

  async function failWith(answer: Answer): Promise<unknown> {
    receiver.answer = () => answer;
    try {
      await notifier.notify({ id: 'd', events: sampleEvents('h', NOW).slice(0, 1) }, AbortSignal.timeout(20_000));
    } catch (error) {
      return error;
    }
    throw new Error('it was accepted');
  }
});

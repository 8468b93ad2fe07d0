import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { PermanentError } from '../../src/core/errors.ts';
import type { BanEvent } from '../../src/core/event.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { bodyMistake, compileBody } from '../../src/notifiers/body-template.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { completeEvents, sampleEvents } from '../../src/notifiers/sample-events.ts';
import { webhookNotifier } from '../../src/notifiers/webhook.ts';
import { deliveryOf } from '../support/delivery.ts';
import { startReceiver } from '../support/receivers.ts';
import { createWebhookRules } from '../support/webhook-rules.ts';
import { eventsWith, HOSTILE_TEXTS } from './hostile-events.ts';
import { collectOutput, fixedClock, NOW, SIGNING_KEY } from './rig.ts';

const JSON_TYPE = 'application/json';
const FORM = 'application/x-www-form-urlencoded';
const KINDS = [...new Set(completeEvents().map(({ type }) => type))];
const [started] = sampleEvents('mail.example.org', NOW) as [BanEvent];

describe('a body of one’s own', () => {
  it.each([
    [JSON_TYPE, '{"text": "{{ type }} {{ ban.network }}"}', '{"text": "ban.started 203.0.113.7/32"}'],
    [JSON_TYPE, '{"n": {{ ban.attempts }}, "ban": {{ ban.accounts | json }}}', undefined],
    [FORM, 'title={{ ban.network }}&by={{ ban.accounts[0].name }}', 'title=203.0.113.7%2F32&by=info%40example.org'],
    ['text/plain', 'Banned {{ ban.network }}', 'Banned 203.0.113.7/32'],
    ['application/xml', '<b>{{ ban.services | join: "<" }}</b>', '<b>smtp</b>'],
  ])('is %s: %s', (type, text, expected) => {
    expect(bodyMistake(text, type, ['ban.started'])).toBeUndefined();
    const body = compileBody(text, type).render(started);
    if (expected !== undefined) expect(body).toBe(expected);
    else expect(JSON.parse(body)).toMatchObject({ n: 10, ban: [{ attempts: 7 }, { attempts: 3 }] });
  });

  it('may tell kinds apart', () => {
    const text = '{"text": "{% if ban %}{{ ban.network }}{% else %}{{ type }}{% endif %}"}';
    expect(bodyMistake(text, JSON_TYPE, KINDS)).toBeUndefined();
  });

  it.each([
    ['a field that a kind does not have', '{"n": "{{ ban.network }}"}', KINDS, /^of \S+: undefined variable: ban/],
    [
      'a field that there is not',
      '{"n": "{{ ban.netwrok }}"}',
      ['ban.started'],
      /^of ban\.started: undefined variable/,
    ],
    ['no template', '{"n": "{{ ban.network "}', ['ban.started'], /not closed/],
    ['no JSON', '{"n": {{ ban.network }}}', ['ban.started'], /^of ban\.started: it gives no JSON/],
    ['what a quote breaks', '{"n": "{{ ban.accounts[0].name | raw }}"}', ['ban.started'], /a quote in a value/],
  ] as const)('is refused with %s', (_, text, kinds, message) => {
    expect(bodyMistake(text, JSON_TYPE, kinds)).toMatch(message);
  });

  it('is checked with the configuration, against the kinds that it is sent', () => {
    const config = (events: string, body: string) =>
      parseConfig(`notifiers: [{type: webhook, url: 'https://example.org', body: '${body}', events: [${events}]}]`, {
        env: {},
      });
    expect(() => config('ban.started, ban.ended', '{"n": "{{ ban.network }}"}')).not.toThrow();
    expect(() => config('ban.started, source.down', '{"n": "{{ ban.network }}"}')).toThrow(
      /notifiers\[0\]\.body: of source\.down: undefined variable: ban/,
    );
  });

  it('and the templates of a configuration are told beside its other mistakes', () => {
    const webhook = "{type: webhook, url: 'https://example.org', body: '{{ nothing }}'}";
    const terminal = "{type: console, templates: {ban.started: {title: '{{ ban.netwrok }}'}}}";
    const refused = () => parseConfig(`notifiers: [${webhook}, ${terminal}, {type: slakc}]`, { env: {} });
    for (const place of ['notifiers[0].body: ', 'notifiers[1].templates.', 'notifiers[2].type: '])
      expect(refused).toThrow(place);
  });

  it('is JSON of the same shape, and a form of the same fields, whatever a stranger wrote', () => {
    const json = compileBody('{"a": "{{ ban.accounts[0].name }}", "b": {{ ban.evidence | json }}}', JSON_TYPE);
    const form = compileBody('a={{ ban.accounts[0].name }}&b={{ ban.evidence[0] }}', FORM);
    const check = (text: string) => {
      for (const event of eventsWith(text).filter(({ type }) => type === 'ban.started')) {
        expect(Object.keys(JSON.parse(json.render(event)) as object)).toEqual(['a', 'b']);
        expect([...new URLSearchParams(form.render(event)).keys()]).toEqual(['a', 'b']);
      }
    };
    HOSTILE_TEXTS.forEach(check);
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 100 }), check), { numRuns: 200 });
  });

  it('that fails at run time refuses that event, and is not lost without a word', () => {
    const text = '{"n": "{% for i in (1..9999999) %}{{ i }}{% endfor %}"}';
    const failure = () => compileBody(text, JSON_TYPE).render(started);
    expect(failure).toThrow(PermanentError);
    expect(failure).toThrow(/^the body template fails: /);
  });

  it('is sent as it is, one event a request, and signed', async () => {
    const receiver = await startReceiver({ kind: 'webhook', behaviour: { status: 204 } });
    const http = createHttpClient({ userAgent: 'cowbell/test' });
    try {
      const options = { url: receiver.url, secret: SIGNING_KEY, body: 'by={{ type }}', content_type: FORM };
      const parsed = webhookNotifier.options.parse(options);
      expect(webhookNotifier.eventsAtOnce?.(parsed)).toBe(1);
      const tools = { http, clock: fixedClock, stdout: collectOutput(), mailer: createSmtpMailer() };
      const notifier = webhookNotifier.create(parsed, { ...tools, compose: composeMessage });
      await notifier.notify(deliveryOf('one', [started]), new AbortController().signal);
      const [request] = receiver.requests;
      expect(request).toMatchObject({ body: 'by=ban.started', deliveryId: 'one' });
      expect(request?.headers['content-type']).toBe(FORM);
      const problems = createWebhookRules(SIGNING_KEY)(request?.headers ?? {}, request?.body ?? '', {});
      expect(problems).not.toContain('the signature is wrong');
    } finally {
      await http.close();
      await receiver.stop();
    }
  });
});

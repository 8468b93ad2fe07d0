import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BAN_EVENT_TYPES, BanEvent } from '../../src/core/event.ts';
import type { NotifierTools } from '../../src/core/notifier.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { createComposer } from '../../src/notifiers/composer.ts';
import type { MessageTemplates } from '../../src/notifiers/message-templates.ts';
import { deliveryOf } from '../support/delivery.ts';
import { mailProblems } from '../support/mail-rules.ts';
import { controlProblems } from '../support/slack-rules.ts';
import { startSmtpService } from '../support/smtp-service.ts';
import { anyEvents, EVENTS_BY_KIND } from './any-event.ts';
import { buildRig, collectOutput, definitions, fixedClock, type Rig, senders } from './rig.ts';

/** Any event is taken by every destination, and nothing in it acts there. `COWBELL_RUNS` tries more of them. */
const RUNS = Number(process.env.COWBELL_RUNS ?? 60);
const never = new AbortController().signal;

/** Words of an admin who shows all there is of each event. */
const EVERYTHING = [
  'ban',
  'decision',
  'failure',
  'denylist',
  'allowlist',
  'cleared',
  'adopted',
  'rejects',
  'ratelimit',
  'source',
  'notifier',
  'refused',
  'digest',
];
const TALKATIVE = Object.fromEntries(
  [...BAN_EVENT_TYPES, 'group'].map((kind) => [
    kind,
    {
      title: `{{ type }} on {{ host }}: ${EVERYTHING.map((field) => `{{ ${field}.network }}{{ ${field}.name }}`).join('')}`,
      body: `${EVERYTHING.map((field) => `{{ ${field} | json }}`).join('\n')}\n{{ worst | json }} {{ title }}`,
    },
  ]),
) as MessageTemplates;

const WAYS: [string, NotifierTools['compose']][] = [
  ['in our words', createComposer({ timeZone: 'Australia/Lord_Howe', locale: 'ar-EG' })],
  ['in the words of a template', createComposer({ timeZone: 'Europe/Berlin', templates: TALKATIVE })],
];

test.each(EVENTS_BY_KIND)('any %s is an event', (kind, event) => {
  fc.assert(
    fc.property(event, (each) => {
      expect(BanEvent.parse(each)).toEqual(each);
      expect(each.type).toBe(kind);
    }),
    { numRuns: 20 },
  );
});

describe.each(senders.map((definition) => [definition.type, definition] as const))('%s', (_type, definition) => {
  describe.each(WAYS)('%s', (_way, compose) => {
    let rig: Rig;
    beforeAll(async () => {
      rig = await buildRig(definition, 'accept', compose);
    });
    afterAll(() => rig.close());

    test('takes any events, and nothing in them acts', async () => {
      await fc.assert(
        fc.asyncProperty(anyEvents, async (events) => {
          const { requests } = rig.receiver;
          const before = requests.length;
          const outcomes = await Promise.allSettled([
            rig.notifier.notify(deliveryOf('any', events), never),
            rig.notifier.notifyPlainly?.(deliveryOf('any', events), never),
          ]);
          const made = requests.slice(before);
          expect(made.flatMap(({ problems }) => problems)).toEqual([]);
          expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([]);
          const isTold = events.some(({ type }) => definition.events?.includes(type) !== false);
          expect(made.length).toBeGreaterThanOrEqual(isTold ? 1 : 0);
        }),
        { numRuns: RUNS },
      );
    }, 600_000);
  });
});

describe.each(WAYS)('email, %s', (_way, compose) => {
  test('takes any events, and nothing in them acts', async () => {
    const service = await startSmtpService();
    const definition = definitions.find(({ type }) => type === 'email') ?? expect.unreachable();
    const options = {
      host: '127.0.0.1',
      port: service.port,
      security: 'none',
      from: 'a@example.org',
      to: ['b@example.org'],
    };
    const http = createHttpClient({ userAgent: 'cowbell/test' });
    const tools = { http, mailer: createSmtpMailer(), clock: fixedClock, stdout: collectOutput(), compose };
    const notifier = definition.create(definition.options.parse(options), tools);
    await fc.assert(
      fc.asyncProperty(anyEvents, async (events) => {
        const before = service.mails.length;
        await notifier.notify(deliveryOf('any', events), never);
        const mails = service.mails.slice(before);
        expect(mails).toHaveLength(1);
        expect(mails.flatMap(({ raw }) => mailProblems(raw))).toEqual([]);
      }),
      { numRuns: Math.ceil(RUNS / 12) },
    );
    await service.stop();
  }, 600_000);
});

describe.each(WAYS)('console, %s', (_way, compose) => {
  test('takes any events, and nothing in them acts', async () => {
    const definition = definitions.find(({ type }) => type === 'console') ?? expect.unreachable();
    const http = createHttpClient({ userAgent: 'cowbell/test' });
    await fc.assert(
      fc.asyncProperty(anyEvents, async (events) => {
        const stdout = collectOutput();
        const tools = { http, mailer: createSmtpMailer(), clock: fixedClock, stdout, compose };
        await definition.create(definition.options.parse({}), tools).notify(deliveryOf('any', events), never);
        expect(stdout.text().length).toBeGreaterThan(0);
        expect(controlProblems(stdout.text())).toEqual([]);
      }),
      { numRuns: RUNS * 2 },
    );
  }, 600_000);
});

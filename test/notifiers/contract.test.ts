import { Writable } from 'node:stream';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import { BAN_EVENT_TYPES } from '../../src/core/event.ts';
import { plainLine } from '../../src/core/message.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { deliveryOf } from '../support/delivery.ts';
import { eventually } from '../support/eventually.ts';
import { controlProblems } from '../support/slack-rules.ts';
import { eventsWith, HOSTILE_TEXTS, MARKUP_PIECES, stormOf } from './hostile-events.ts';
import { buildRig, collectOutput, definitions, fixedClock, NOW, type Rig, senders } from './rig.ts';

const never = new AbortController().signal;
const samples = sampleEvents('mail.example.org', NOW);

test('there is a sample of every kind of event, each marked as a test', () => {
  expect(new Set(samples.map(({ type }) => type))).toEqual(new Set(BAN_EVENT_TYPES));
  expect(samples.every((event) => event.test === true)).toBe(true);
});

describe.each(definitions.map((definition) => [definition.type, definition] as const))('%s', (_type, definition) => {
  test('every option has a description, and the pace is sound', () => {
    for (const [name, field] of Object.entries(definition.options.shape)) {
      expect.soft(field.description, name).toMatch(/\w/);
    }
    expect(definition.pace.groupIntervalMs).toBeGreaterThanOrEqual(0);
    expect(definition.pace.maxEvents).toBeGreaterThan(0);
    expect(definition.summary).toMatch(/\w/);
  });
});

describe.each(senders.map((definition) => [definition.type, definition] as const))(
  '%s over HTTP',
  (_type, definition) => {
    let rig: Rig;
    beforeAll(async () => {
      rig = await buildRig(definition);
    });
    afterAll(() => rig.close());

    test('sends every sample as the service takes it, under the id of the delivery', async () => {
      for (const event of samples.filter(({ type }) => definition.events?.includes(type) !== false)) {
        const before = rig.receiver.requests.length;
        await rig.notifier.notify(deliveryOf(`delivery-${event.type}`, [event]), never);
        const request = rig.receiver.requests[before];
        expect.soft(request?.problems, event.type).toEqual([]);
        expect(request?.deliveryId).toBe(`delivery-${event.type}`);
      }
    });

    test.each([1, 2, 50, 2_500])('sends %i events within the limits, as one request', async (count) => {
      const before = rig.receiver.requests.length;
      await rig.notifier.notify(deliveryOf('storm', stormOf(count)), never);
      const made = rig.receiver.requests.slice(before);
      expect(made.filter(({ method }) => method !== 'GET')).toHaveLength(1);
      expect(made.flatMap(({ problems }) => problems)).toEqual([]);
    });

    test('nothing that a stranger wrote acts', async () => {
      for (const text of HOSTILE_TEXTS) {
        const events = eventsWith(text);
        for (const batch of [...events.map((event) => [event]), events]) {
          const before = rig.receiver.requests.length;
          await rig.notifier.notify(deliveryOf('hostile', batch), never).catch(() => {});
          const label = `${batch.length > 1 ? 'all' : batch[0]?.type}: ${JSON.stringify(text.slice(0, 60))}`;
          const made = rig.receiver.requests.slice(before);
          expect
            .soft(
              made.flatMap(({ problems }) => problems),
              label,
            )
            .toEqual([]);
        }
      }
      expect(rig.receiver.requests.length).toBeGreaterThan(HOSTILE_TEXTS.length);
    });

    test('no text at all can make a message that is refused or that acts', async () => {
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 400 }), async (text) => {
          const events = eventsWith(text);
          for (const batch of [events, events.slice(0, 1), events.slice(1, 2)]) {
            const before = rig.receiver.requests.length;
            await rig.notifier.notify(deliveryOf('any', batch), never);
            expect(rig.receiver.requests.slice(before).flatMap(({ problems }) => problems)).toEqual([]);
          }
        }),
        { numRuns: 60 },
      );
    });

    test('no mixture of markup can make a message that acts', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.constantFrom(...MARKUP_PIECES), { maxLength: 80 }), async (list) => {
          const events = eventsWith(list.join(''));
          const before = rig.receiver.requests.length;
          await rig.notifier.notify(deliveryOf('markup', events.slice(0, 1)), never);
          await rig.notifier.notify(deliveryOf('markup', events), never);
          expect(rig.receiver.requests.slice(before).flatMap(({ problems }) => problems)).toEqual([]);
        }),
        { numRuns: 60 },
      );
    });
  },
);

test.each(senders.filter(({ audience }) => audience === 'people').map((each) => [each.type, each] as const))(
  '%s says it plainly where its message was refused: short, with the title, and nothing in it acts',
  async (_type, definition) => {
    const rig = await buildRig(definition);
    const batches = [...samples.map((event) => [event]), samples, stormOf(2_500)];
    for (const batch of [...batches, ...HOSTILE_TEXTS.map(eventsWith)]) {
      const before = rig.receiver.requests.length;
      await rig.notifier.notifyPlainly?.(deliveryOf('plain', batch), never).catch(() => {});
      const request = rig.receiver.requests[before];
      const label = JSON.stringify(batch[0]).slice(0, 200);
      expect.soft(request?.problems, label).toEqual([]);
      expect.soft(request?.deliveryId).toBe('plain');
      expect.soft(request?.body.length, label).toBeLessThan(12_000);
      if (!batches.includes(batch)) continue;
      expect.soft(textsIn(request?.json).join('\n'), label).toContain(plainLine(composeMessage(batch).title));
    }
    await rig.close();
  },
);

/** Every text in a body, without the backslashes and entities that it is escaped with. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value.replace(/\\(?=\W)/g, '').replaceAll('&amp;', '&')];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

describe.each(senders.map((definition) => [definition.type, definition] as const))(
  '%s refused',
  (_type, definition) => {
    let rig: Rig;
    beforeAll(async () => {
      rig = await buildRig(definition);
    });
    afterAll(() => rig.close());
    const send = (signal = never) => rig.notifier.notify(deliveryOf('d1', samples.slice(0, 1)), signal);

    test.each([408, 425, 429, 500, 502, 503, 504])('%i may work later', async (status) => {
      rig.receiver.behave({ status });
      await expect(send()).rejects.toBeInstanceOf(TransientError);
    });

    test.each([301, 302, 307, 308, 400, 401, 403, 404, 405, 410, 413, 422, 501])('%i never will', async (status) => {
      rig.receiver.behave({ status, headers: { location: 'http://127.0.0.1:9/elsewhere' } });
      const before = rig.receiver.requests.length;
      await expect(send()).rejects.toBeInstanceOf(PermanentError);
      expect(rig.receiver.requests.length).toBe(before + 1);
    });

    test.each([
      ['seconds', '7', 7_000],
      ['seconds with a fraction', '1.25', 1_250],
      ['a date', new Date(NOW + 90_000).toUTCString(), 90_000],
      ['more than an hour', '86400', 3_600_000],
      ['nonsense', 'soon', undefined],
    ])('Retry-After in %s', async (_form, value, expected) => {
      for (const status of [429, 503]) {
        rig.receiver.behave({ status, headers: { 'retry-after': value } });
        await expect(send()).rejects.toMatchObject({ name: 'TransientError', retryAfterMs: expected });
      }
    });

    test.each([
      [{ retry_after: 2.5 }, 2_500],
      [{ retry_after: 0.5 }, 1_000],
      [{ retry_after_ms: 1_700 }, 1_700],
      [{ parameters: { retry_after: 4 } }, 4_000],
    ])('Retry-After of a second beside a body of %j: the longer counts', async (body, retryAfterMs) => {
      rig.receiver.behave({ status: 429, headers: { 'retry-after': '1' }, body: JSON.stringify(body) });
      await expect(send()).rejects.toMatchObject({ name: 'TransientError', retryAfterMs });
    });

    test("the service's own 429 is obeyed", async () => {
      rig.receiver.behave({ rateLimited: 3 });
      await expect(send()).rejects.toMatchObject({ name: 'TransientError', retryAfterMs: 3_000 });
    });

    test('a connection that is cut, or not there, may work later', async () => {
      rig.receiver.behave('cut');
      await expect(send()).rejects.toBeInstanceOf(TransientError);
      await rig.receiver.stop();
      await expect(send()).rejects.toBeInstanceOf(TransientError);
      await rig.receiver.restart();
      rig.receiver.behave('accept');
      await expect(send()).resolves.toBeUndefined();
    });

    test('an abort ends a request that hangs', async () => {
      rig.receiver.behave('hang');
      const before = rig.receiver.requests.length;
      const giveUp = new AbortController();
      let outcome: unknown;
      send(giveUp.signal).catch((error: unknown) => {
        outcome = error;
      });
      await eventually(() => expect(rig.receiver.requests.length).toBe(before + 1));
      giveUp.abort();
      // Sooner than the client itself would give up.
      await eventually(() => expect(outcome).toBeInstanceOf(TransientError), { timeoutMs: 5_000 });
    });
  },
);

describe('console', () => {
  const definition = definitions.find(({ type }) => type === 'console');
  const http = createHttpClient({ userAgent: 'cowbell/test' });
  const build = (stdout: NodeJS.WritableStream) =>
    definition?.create(definition.options.parse({}), {
      http,
      clock: fixedClock,
      stdout,
      mailer: createSmtpMailer(),
      compose: composeMessage,
    });

  test('no control character passes, whatever is told', async () => {
    const stdout = collectOutput();
    for (const text of HOSTILE_TEXTS) await build(stdout)?.notify(deliveryOf('d', eventsWith(text)), never);
    await build(stdout)?.notify(deliveryOf('d', [...samples, ...stormOf(50)]), never);
    expect(stdout.text()).toContain('203.0.113.7');
    // Our own icons are made of several code points.
    expect(controlProblems(stdout.text())).toEqual([]);
  });

  test('an abort ends a write that nobody reads', async () => {
    const stuck = new Writable({ write: () => {} });
    const giveUp = new AbortController();
    const sent = build(stuck)?.notify(deliveryOf('d', samples), giveUp.signal);
    giveUp.abort();
    await expect(sent).rejects.toBeInstanceOf(TransientError);
  });
});

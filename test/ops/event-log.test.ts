import { afterAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import type { BanEvent } from '../../src/core/event.ts';
import { loggedEvent } from '../../src/core/event-line.ts';
import { createEventLog } from '../../src/event-log.ts';
import { completeEvents, sampleEvents } from '../../src/notifiers/sample-events.ts';
import { createLogger } from '../../src/ops/logger.ts';
import { eventsWith, HOSTILE_TEXTS } from '../notifiers/hostile-events.ts';
import { buildRig, collectOutput, definitions, NOW } from '../notifiers/rig.ts';
import { deliveryOf } from '../support/delivery.ts';
import { createHarness } from '../support/recorder-harness.ts';

const never = new AbortController().signal;
const samples = [...sampleEvents('mail.example.org', NOW), ...completeEvents()];
const closing: (() => Promise<void>)[] = [];
afterAll(async () => {
  await Promise.all(closing.map((close) => close()));
});

/** Docker takes a line apart at this many bytes. */
const DOCKER_LINE = 16_384;

/** The log as it is written: by a configuration, in a format. */
async function logOf(events: readonly BanEvent[], log = '{}', format: 'json' | 'pretty' = 'json') {
  const config = parseConfig(`{notifiers: [{type: console}], log: ${log}}`, { env: {} });
  const stream = collectOutput();
  const logger = await createLogger({ ...config.log, format, stream });
  createEventLog(config, logger, format === 'pretty')?.(events);
  return stream.text();
}

const linesOf = (text: string) => text.split('\n').slice(0, -1);

/** What a notifier that sends JSON by HTTP was heard to send. */
async function sentBy(type: string, events: readonly BanEvent[]): Promise<unknown> {
  const rig = await buildRig(definitions.find((each) => each.type === type) ?? expect.unreachable());
  closing.push(rig.close);
  await rig.notifier.notify(deliveryOf('one', events), never);
  return rig.receiver.requests[0]?.json;
}

/** `ban.network`, `ban.offenders[].ip`: every name there is, as a query reaches it. */
function namesIn(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((each) => namesIn(each, `${path}[]`));
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, each]) => namesIn(each, path === '' ? key : `${path}.${key}`));
}

const named = (value: unknown) => [...new Set(namesIn(value))].sort();

describe('an event in the log', () => {
  it('has the names that the webhook and Loki have, and their values', async () => {
    const logged = linesOf(await logOf(samples)).map((line) => JSON.parse(line) as Record<string, unknown>);
    const webhook = (await sentBy('webhook', samples)) as { id: string; type: string; data: object }[];
    const loki = (await sentBy('loki', samples)) as { streams: { values: [string, string][] }[] };
    const pushed = loki.streams.flatMap(({ values }) => values.map(([, line]) => JSON.parse(line) as { id: string }));
    expect(logged).toHaveLength(samples.length);
    expect(new Set(samples.map(({ type }) => type)).size).toBeGreaterThan(15);
    for (const [index, sample] of samples.entries()) {
      const { level, time, msg, ...event } = logged[index] ?? {};
      expect({ level, msg }).toEqual({ level: 'info', msg: 'event' });
      expect(String(time)).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      expect(event).toEqual(sample);
      const { id, at, host, type, ...data } = event;
      expect(named(data)).toEqual(named(webhook[index]?.data));
      expect(`cowbell.${type}`).toBe(webhook[index]?.type);
      expect(pushed).toContainEqual(event);
      expect([id, at, host]).toEqual([sample.id, sample.at, sample.host]);
    }
  });

  it.each(HOSTILE_TEXTS)('is one line that Docker leaves whole, and nothing in it acts: %#', async (text) => {
    const events = eventsWith(text);
    const lines = linesOf(await logOf(events));
    expect(lines).toHaveLength(events.length);
    for (const [index, line] of lines.entries()) {
      expect(Buffer.byteLength(line)).toBeLessThan(DOCKER_LINE);
      expect(line).not.toMatch(
        /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\\u001b|\\ud8/i,
      );
      expect(named(JSON.parse(line))).toEqual([...named(events[index]), 'level', 'msg', 'time'].sort());
    }
  });

  it('keeps its names where all its texts are as long as can be', () => {
    for (const event of eventsWith('日本語"\\'.repeat(5_000))) {
      const logged = loggedEvent(event);
      expect(Buffer.byteLength(JSON.stringify(logged))).toBeLessThanOrEqual(16_000);
      expect(named(logged)).toEqual(named(event));
    }
  });

  it('is one short line for a person', async () => {
    const lines = linesOf(await logOf(samples, '{}', 'pretty'));
    expect(lines).toHaveLength(samples.length);
    expect(lines[0]).toMatch(/^\[\d\d:\d\d:\d\d\] INFO: 🔔 Test: Banned 203\.0\.113\.7 for 30 min: .*10 failed/);
    for (const text of HOSTILE_TEXTS) {
      const events = eventsWith(text);
      const shown = linesOf(await logOf(events, '{}', 'pretty'));
      expect(shown).toHaveLength(events.length);
      for (const line of shown) {
        expect(line.length).toBeLessThan(250);
        expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/);
      }
    }
  });

  it.each(['{events: false}', '{level: warn}', '{level: error}'])('is left out with %s', async (log) => {
    expect(await logOf(samples, log)).toBe('');
  });

  it('is told once it is recorded, and not where it could not be', () => {
    const { recorder, log, banned, ledger, recorded } = createHarness({ withRedis: false });
    log(banned('203.0.113.7/32', 1), banned('203.0.113.8/32', 1));
    expect(recorded.map(({ type }) => type)).toEqual(['ban.started', 'ban.started']);
    const event = sampleEvents('mail.example.org', NOW)[0] ?? expect.unreachable();
    const broken = () => recorder.announce(event, () => expect.unreachable('the disk is full'));
    expect(broken).toThrow('the disk is full');
    expect(recorded).toHaveLength(2);
    recorder.announceTo('somebody', event);
    expect(recorded.at(-1)).toBe(event);
    expect(ledger.deliveries.eventCounts().get('ban.started')).toBe(3);
  });
});

import { describe, expect, it } from 'vitest';
import { BAN_EVENT_TYPES, BanEvent } from '../../src/core/event.ts';
import { type Message, plainLine } from '../../src/core/message.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { createComposer } from '../../src/notifiers/composer.ts';
import { renderDiscord } from '../../src/notifiers/discord.ts';
import { type MessageTemplates, mistakeIn, templateMistakes } from '../../src/notifiers/message-templates.ts';
import { completeEvents, sampleEvents } from '../../src/notifiers/sample-events.ts';
import { renderSlack } from '../../src/notifiers/slack.ts';
import { discordProblems } from '../support/discord-rules.ts';
import { slackProblems } from '../support/slack-rules.ts';
import { eventsWith, HOSTILE_TEXTS, stormOf } from './hostile-events.ts';
import { NOW } from './rig.ts';

const samples = sampleEvents('mail.example.org', NOW);
const title = (message: Message) => plainLine(message.title);
const compose = (templates: MessageTemplates, timeZone = 'UTC') => {
  const errors: unknown[] = [];
  const composer = createComposer({ timeZone, templates, onTemplateError: (error) => errors.push(error) });
  return { composer, errors };
};

describe('a template', () => {
  it('takes the place of the title, of the body, or of both, and of nothing else', async () => {
    const { composer } = compose({
      'ban.started': {
        title: '{{ ban.network }} is out until {{ ban.until | date: "%H:%M" }}',
        body: '{% for account in ban.accounts %}*{{ account.name }}*: {{ account.attempts }}\n{% endfor %}',
      },
      'source.down': { title: 'Look after {{ source.name }}' },
    });
    const [ban, ...others] = samples;
    const message = await composer(ban === undefined ? [] : [ban]);
    expect(title(message)).toBe('203.0.113.7/32 is out until 12:30');
    expect(message.lead.map(plainLine)).toEqual(['*info@example.org*: 7', '*sales@example.org*: 3']);
    expect([message.facts, message.notes, message.items, message.evidence].flat()).toEqual([]);
    const plain = composeMessage(ban === undefined ? [] : [ban]);
    expect([message.tone, message.footer, message.at]).toEqual([plain.tone, plain.footer, plain.at]);
    for (const event of others.filter(({ type }) => !['ban.started', 'source.down'].includes(type))) {
      expect(await composer([event])).toEqual(composeMessage([event]));
    }
    const down = samples.filter(({ type }) => type === 'source.down');
    expect(title(await composer(down))).toBe('Look after redis');
    expect((await composer(down)).lead).toEqual(composeMessage(down).lead);
  });

  it('may be for many events', async () => {
    const { composer } = compose({ group: { title: '{{ bans }} of {{ total }}', body: '{{ services[0].name }}' } });
    const message = await composer(stormOf(500));
    expect(title(message)).toMatch(/^\d+ of 500$/);
    expect(await composer(samples.slice(0, 1))).toEqual(composeMessage(samples.slice(0, 1)));
  });

  it('tells times in the time zone of the notifier', async () => {
    const { composer } = compose({ 'ban.ended': { title: '{{ at | date: "%H:%M" }}' } }, 'Europe/Berlin');
    expect(title(await composer(samples.filter(({ type }) => type === 'ban.ended')))).toBe('13:00');
    const [until] = (await composer(samples.slice(0, 1))).facts.filter(({ label }) => label === 'Until');
    expect(plainLine(until?.value ?? [])).toBe('2026-11-23 13:30 CET');
  });

  it('writes times as the locale has them', async () => {
    const composer = createComposer({ timeZone: 'Europe/Berlin', locale: 'de-DE' });
    const [until] = (await composer(samples.slice(0, 1))).facts.filter(({ label }) => label === 'Until');
    expect(plainLine(until?.value ?? [])).toBe('23. Nov. 2026, 13:30 MEZ');
  });

  it.each([...HOSTILE_TEXTS.keys()])('never lets a stranger’s text act: %i', async (index) => {
    const text = HOSTILE_TEXTS[index] ?? '';
    const body =
      '{{ ban.accounts[0].name }} and {{ ban.evidence[0] | upcase }} {{ ban.evidence | join: "," }} {{ ban }}';
    const { composer, errors } = compose({ 'ban.started': { title: 'By {{ ban.accounts[0].name }}', body } });
    for (const event of eventsWith(text).filter(({ type }) => type === 'ban.started')) {
      const message = await composer([event]);
      expect(slackProblems(renderSlack(message))).toEqual([]);
      expect(discordProblems(renderDiscord(message))).toEqual([]);
    }
    expect(errors).toEqual([]);
  });

  it('that fails on an event loses no alert', async () => {
    const { composer, errors } = compose({
      'ban.started': { title: '{% for i in (1..100000000) %}{{ i }}{% endfor %}' },
    });
    expect(await composer(samples.slice(0, 1))).toEqual(composeMessage(samples.slice(0, 1)));
    expect(errors).toHaveLength(1);
  });

  it('reads no file, and runs no code', async () => {
    for (const text of ['{% include "/etc/passwd" %}', '{% render "x" %}', '{% layout "x" %}']) {
      expect(mistakeIn(text, [{}])).toMatch(/tag ".*" not found/);
    }
    for (const text of ['{{ constructor }}', '{{ ban.constructor.name }}', '{{ __proto__ }}', '{{ ban.toString }}']) {
      expect(mistakeIn(text, completeEvents())).toMatch(/undefined variable/);
    }
  });
});

describe('mistakes are told before anything is sent', () => {
  it.each([
    ['a field that is not there', '{{ ban.netwrk }}', /undefined variable: ban\.netwrk, line:1, col:4/],
    ['a filter that is not there', '{{ ban.network | shout }}', /undefined filter: shout/],
    ['a tag that is not closed', '{% if ban.late %}late', /tag .* not closed/],
    ['braces that are not closed', 'x {{ ban.network', /not closed/],
  ])('%s', (_what, text, expected) => {
    expect(templateMistakes({ 'ban.started': { body: text } })).toEqual([
      { path: ['ban.started', 'body'], message: expect.stringMatching(expected) },
    ]);
  });

  it('fields that an event may have or not are none', async () => {
    const body =
      '{% if ban.reputation %}{{ ban.reputation.score }}{% endif %} {{ ban.offenders[0].country }} {{ ban.until }}';
    expect(templateMistakes({ 'ban.started': { body } })).toEqual([]);
    expect(
      templateMistakes({ group: { title: '{{ title }}', body: '{{ worst[0].network }} {{ own_bans[0].network }}' } }),
    ).toEqual([]);
  });

  it('the examples have every field that an event can have', async () => {
    const seen = new Map<string, Set<string>>();
    for (const event of completeEvents()) {
      expect(BanEvent.safeParse(event).success).toBe(true);
      const paths = seen.get(event.type) ?? new Set();
      seen.set(event.type, paths);
      for (const [key, value] of Object.entries(event)) {
        paths.add(key);
        if (typeof value === 'object') for (const inner of Object.keys(value)) paths.add(`${key}.${inner}`);
      }
    }
    for (const option of BanEvent.options) {
      const expected = Object.entries(option.shape).flatMap(([key, field]) => {
        const inner = 'shape' in field ? Object.keys(field.shape) : [];
        return [key, ...inner.map((name) => `${key}.${name}`)];
      });
      expect([...(seen.get(option.shape.type.value) ?? [])].sort()).toEqual(expected.sort());
    }
    expect([...seen.keys()].sort()).toEqual([...BAN_EVENT_TYPES].sort());
  });
});

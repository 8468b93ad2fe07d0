import { describe, expect, test } from 'vitest';
import { discordProblems, markdownProblems } from '../support/discord-rules.ts';
import { linkProblems } from '../support/html-rules.ts';
import { mattermostProblems, rocketchatProblems } from '../support/markdown-rules.ts';
import { matrixProblems } from '../support/matrix-rules.ts';
import { gotifyProblems, ntfyProblems, plainTextProblems, pushoverProblems } from '../support/push-rules.ts';
import { controlProblems, mrkdwnProblems, slackProblems } from '../support/slack-rules.ts';
import { teamsProblems } from '../support/teams-rules.ts';
import { telegramProblems } from '../support/telegram-rules.ts';

/** The receivers' own rules: a check that finds nothing would make every test pass. */

const slackBody = { text: 'x', unfurl_links: false, unfurl_media: false };
const discordBody = { content: 'x', allowed_mentions: { parse: [] } };

describe('Slack', () => {
  test.each([
    '<!channel>',
    '<https://evil.example|x>',
    'a & b',
    '*bold*',
    '_it_',
    '~s~',
    'an open `code',
    ':skull:',
    'https://evil.example',
    '&gt; quote',
    '<!date^1^{date}|<!here>>',
    'rtl \u202e',
  ])('%j acts', (text) => expect(mrkdwnProblems(text)).not.toEqual([]));

  test.each([
    'plain words, 3 of them',
    '*Label*\n`&lt;`',
    '`*code* :x: https://evil.example`',
    '<!date^1795430000^{date_short_pretty} {time}|2026-11-23 11:33 UTC>',
    '```\n_a_ `b` &amp;\n```',
  ])('%j does not', (text) => expect(mrkdwnProblems(text)).toEqual([]));

  test.each([
    ['no text', { unfurl_links: false, unfurl_media: false }],
    ['a channel', { ...slackBody, channel: '#x' }],
    ['unfurling', { text: 'x' }],
    ['51 blocks', { ...slackBody, blocks: Array.from({ length: 51 }, () => ({ type: 'divider' })) }],
    [
      'a long section',
      {
        ...slackBody,
        blocks: [{ type: 'section', text: { type: 'mrkdwn', verbatim: true, text: 'x'.repeat(3_001) } }],
      },
    ],
    ['links made of names', { ...slackBody, blocks: [{ type: 'section', text: { type: 'mrkdwn', text: 'x' } }] }],
    [
      '11 fields',
      {
        ...slackBody,
        blocks: [
          {
            type: 'section',
            fields: Array.from({ length: 11 }, () => ({ type: 'mrkdwn', verbatim: true, text: 'x' })),
          },
        ],
      },
    ],
    ['a colour', { ...slackBody, attachments: [{ color: 'pink' }] }],
  ])('%s is refused', (_what, body) => expect(slackProblems(body)).not.toEqual([]));

  test('the least is taken', () => expect(slackProblems(slackBody)).toEqual([]));
});

describe('Discord', () => {
  test.each([
    '@everyone',
    '<@1>',
    '**bold**',
    '~~s~~',
    '||spoiler||',
    '[x](https://evil.example)',
    'https://evil.example',
    ':skull:',
    '# heading',
    '> quote',
    'an open `code',
    '\u0007',
  ])('%j acts', (text) => expect(markdownProblems(text)).not.toEqual([]));

  test.each(['plain: words', '\\@everyone \\*\\*', '`@everyone <@1>`', '<t:1795430000:R>', '```\n@here\n```'])(
    '%j does not',
    (text) => expect(markdownProblems(text)).toEqual([]),
  );

  test.each([
    ['mentions', { content: 'x' }],
    ['nothing in it', { allowed_mentions: { parse: [] } }],
    ['a long title', { ...discordBody, embeds: [{ title: 'x'.repeat(257), color: 1 }] }],
    ['an empty value', { ...discordBody, embeds: [{ color: 1, fields: [{ name: 'x', value: ' ' }] }] }],
    ['too much in all', { ...discordBody, embeds: [1, 2].map(() => ({ color: 1, description: 'x'.repeat(4_000) })) }],
    ['a colour', { ...discordBody, embeds: [{ color: '#ff0000' }] }],
  ])('%s is refused', (_what, body) => expect(discordProblems(body)).not.toEqual([]));

  test('the least is taken', () => expect(discordProblems(discordBody)).toEqual([]));
});

describe('Telegram', () => {
  const body = {
    chat_id: '1',
    parse_mode: 'HTML',
    disable_notification: false,
    link_preview_options: { is_disabled: true },
  };
  test.each([
    'a < b',
    'a & b',
    '&nbsp;',
    '<b>open',
    '<b>a</i></b>',
    '<b><code>x</code></b>',
    '<code><b>x</b></code>',
    '<a href="https://evil.example">x</a>',
    'https://evil.example',
    'evil.example',
    '@everyone',
    'say /start',
    '#tag',
    '<b>x</b>'.repeat(101),
    'x'.repeat(4_097),
    '\u202e',
    ' ',
  ])('%j is refused, or acts', (text) => expect(telegramProblems({ ...body, text })).not.toEqual([]));

  test.each(['plain words', '<b>3 bans</b> of <code>@a https://b.example &lt;</code>', '<pre>/start</pre>'])(
    '%j does not',
    (text) => expect(telegramProblems({ ...body, text })).toEqual([]),
  );

  test('text without markup is one block', () => {
    const { parse_mode, ...plain } = body;
    expect(parse_mode).toBe('HTML');
    expect(telegramProblems({ ...plain, text: '<b>', entities: [{ type: 'pre', offset: 0, length: 3 }] })).toEqual([]);
    expect(telegramProblems({ ...plain, text: 'evil.example' })).not.toEqual([]);
  });
});

test.each(['see https://evil.example', 'mailto:a@b.example', '', 'x'.repeat(101), '\u001b[0m', '\u202e'])(
  '%j is no plain text to push',
  (text) => expect(plainTextProblems(text, 100, 'text')).not.toEqual([]),
);

test('what ntfy and Gotify refuse is found', () => {
  const headers = { 'webhook-id': 'a', 'x-gotify-key': 'k' };
  const ntfy = { topic: 't', title: 'x', message: 'x', priority: 3 };
  expect(ntfyProblems({ headers, json: ntfy })).toEqual([]);
  for (const wrong of [
    { topic: 'a b' },
    { priority: 6 },
    { message: 'ü'.repeat(2_049) },
    { markdown: true },
    { title: '' },
  ])
    expect(ntfyProblems({ headers, json: { ...ntfy, ...wrong } })).not.toEqual([]);
  expect(ntfyProblems({ headers: { ...headers, 'x-sequence-id': 'b' }, json: ntfy })).not.toEqual([]);
  const extras = { 'client::display': { contentType: 'text/plain' } };
  const gotify = { title: 'x', message: 'x', priority: 3, extras };
  expect(gotifyProblems({ headers, json: gotify })).toEqual([]);
  for (const wrong of [{ extras: {} }, { priority: 11 }, { message: '' }, { id: 1 }])
    expect(gotifyProblems({ headers, json: { ...gotify, ...wrong } })).not.toEqual([]);
  expect(gotifyProblems({ headers: {}, json: gotify })).not.toEqual([]);
});

describe('Teams', () => {
  const cardWith = (...body: object[]) => ({
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        content: { type: 'AdaptiveCard', version: '1.2', msteams: { width: 'Full' }, body },
      },
    ],
  });
  const runs = (text: string) => ({ type: 'RichTextBlock', inlines: [{ type: 'TextRun', text }] });
  test.each([
    ['Markdown', cardWith({ type: 'TextBlock', text: '*x*' })],
    ['a function', cardWith(runs('{{DATE(2017-02-14T06:08:00Z)}}'))],
    ['too much', cardWith(runs('x'.repeat(20_000)))],
    ['nothing', cardWith()],
    ['a style', cardWith({ type: 'Container', style: 'red', items: [runs('x')] })],
    ['no list', { type: 'message', text: 'x' }],
    ['a control character', cardWith(runs('\u202e'))],
  ])('%s is refused', (_what, body) => expect(teamsProblems(body)).not.toEqual([]));
  test('the least is taken', () => expect(teamsProblems(cardWith(runs('*x*')))).toEqual([]));
});

describe('Mattermost and Rocket.Chat', () => {
  test.each([
    '*bold*',
    '@all',
    '~town',
    ':skull:',
    'https://evil.example',
    'evil.example',
    '# head',
    '- item',
    '1. item',
    '```open',
  ])('%j acts', (text) => {
    expect(mattermostProblems({ text })).not.toEqual([]);
    expect(rocketchatProblems({ text, parseUrls: false })).not.toEqual([]);
  });
  test.each(['plain words', '**Label**: `@all https://evil.example`', '\\@all', '```\n*x*\n```'])(
    '%j does not',
    (text) => {
      expect(mattermostProblems({ text })).toEqual([]);
      expect(rocketchatProblems({ text, parseUrls: false })).toEqual([]);
    },
  );
  test.each([
    { text: '' },
    { text: 'x', channel: 'town-square' },
    { text: 'x', attachments: [{ color: 'red', text: 'x' }] },
    { text: 'x', attachments: [{ color: '#d32f2f', text: 'x'.repeat(8_000) }] },
    { text: 'x'.repeat(17_000) },
  ])('%j is refused', (body) => {
    expect(mattermostProblems(body)).not.toEqual([]);
    expect(rocketchatProblems({ parseUrls: false, ...body })).not.toEqual([]);
  });
  test('Rocket.Chat would show what is behind a link', () => expect(rocketchatProblems({ text: 'x' })).not.toEqual([]));
});

describe('Matrix', () => {
  const event = { msgtype: 'm.text', body: 'x', 'm.mentions': {} };
  const html = (formatted_body: string) => ({ ...event, format: 'org.matrix.custom.html', formatted_body });
  test.each([
    { msgtype: 'm.text', body: 'x' },
    { ...event, 'm.mentions': { room: true } },
    { ...event, msgtype: 'm.image' },
    { ...event, body: 'https://evil.example' },
    { ...event, body: 'x'.repeat(70_000) },
    html('<a href="https://evil.example">x</a>'),
    html('evil.example'),
    html('<strong>x'),
    html('a < b'),
  ])('%j is refused, or acts', (body) => expect(matrixProblems(body)).not.toEqual([]));
  test.each([event, html('<strong>x</strong><br><code>evil.example &lt;</code><pre>\n</pre>')])('%j does not', (body) =>
    expect(matrixProblems(body)).toEqual([]),
  );
});

test('what Pushover refuses is found', () => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const json = { token: 't', user: 'u', title: 'x', message: 'x', priority: '0' };
  expect(pushoverProblems({ headers, json })).toEqual([]);
  for (const wrong of [
    { priority: '2' },
    { message: 'x'.repeat(1_025) },
    { title: 'x'.repeat(251) },
    { user: '' },
    { html: '1' },
  ])
    expect(pushoverProblems({ headers, json: { ...json, ...wrong } })).not.toEqual([]);
});

test('links are found', () => {
  for (const text of ['https://x', 'evil.example', 'mailto:a', '@a', '+4930123456'])
    expect(linkProblems(text)).not.toEqual([]);
  expect(linkProblems('3 bans within 1.5 s of 203.0.113.7')).toEqual([]);
});

test('control characters are found', () => {
  for (const text of ['\u0000', '\u001b[0m', '\u202e', '\u200b', '\ud800'])
    expect(controlProblems(text)).not.toEqual([]);
  expect(controlProblems('🔔 ü \n')).toEqual([]);
});

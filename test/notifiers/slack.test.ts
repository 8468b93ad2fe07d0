import { afterAll, beforeAll, expect, test } from 'vitest';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { renderSlack, slackNotifier } from '../../src/notifiers/slack.ts';
import { deliveryOf } from '../support/delivery.ts';
import { eventsWith, stormOf } from './hostile-events.ts';
import { buildRig, definitions, NOW, type Rig } from './rig.ts';

const never = new AbortController().signal;
const samples = sampleEvents('mail.example.org', NOW);
const definition = definitions.find(({ type }) => type === 'slack');

let rig: Rig;
beforeAll(async () => {
  if (definition === undefined) throw new Error('slack is not registered');
  rig = await buildRig(definition);
});
afterAll(() => rig.close());

test('a ban is a title, a coloured attachment and times in the reader’s zone', () => {
  const { text, attachments } = renderSlack(composeMessage(samples.slice(0, 1)));
  expect(text).toBe('🔔 Test: Banned `203.0.113.7` for 30 min');
  expect(attachments[0]?.color).toBe('#d32f2f');
  const blocks = JSON.stringify(attachments[0]?.blocks);
  expect(blocks).toContain('10 failed logins on smtp as `info@example.org` and `sales@example.org`');
  const until = Date.parse('2026-11-23T12:30:00Z') / 1000;
  expect(blocks).toContain(`<!date^${until}^{date_short_pretty} {time}|2026-11-23 12:30 UTC>`);
  expect(blocks).toContain(`<!date^${until}^{ago}|`);
  expect(blocks).toContain('```\\nwarning: unknown[203.0.113.7]');
  expect(blocks).toContain('mail.example.org · netfilter');
});

test('a long list goes over several sections, all of it within the limit of a message', () => {
  const [, first] = eventsWith('&'.repeat(64));
  if (first === undefined || !('ban' in first)) throw new Error('no sample of a ban');
  const { ban } = first;
  const own = { name: '&'.repeat(64), last_seen_at: ban.started_at, logins: 1 };
  const events = Array.from({ length: 40 }, () => ({ ...first, ban: { ...ban, known_users: [own] } }));
  const body = renderSlack(composeMessage(events));
  expect(body.attachments[0]?.blocks?.filter((block) => block.type === 'section').length).toBeGreaterThan(2);
  expect(JSON.stringify(renderSlack(composeMessage(stormOf(2_500)))).length).toBeLessThan(10_000);
});

test.each([
  ['an error with 200', { status: 200, body: 'no_text' }, 'Slack answered no_text'],
  ['a page with 200', { status: 200, body: '<html>portal</html>' }, "the answer is not Slack's"],
  ['nothing with 200', { status: 200 }, "the answer is not Slack's"],
  ['a revoked webhook', { status: 404, body: 'no_service' }, 'HTTP 404: no_service'],
  ['an archived channel', { status: 410, body: 'channel_is_archived' }, 'HTTP 410: channel_is_archived'],
])('%s is refused for good', async (_what, answer, message) => {
  rig.receiver.behave(answer);
  const sent = rig.notifier.notify(deliveryOf('d', samples), never);
  await expect(sent).rejects.toMatchObject({ name: 'PermanentError', message });
});

test('ok with a line end is ok', async () => {
  rig.receiver.behave({ status: 200, body: 'ok\n' });
  await expect(rig.notifier.notify(deliveryOf('d', samples), never)).resolves.toBeUndefined();
});

test('an error of their own may work later', async () => {
  rig.receiver.behave({ status: 500, body: 'rollup_error' });
  const sent = rig.notifier.notify(deliveryOf('d', samples), never);
  await expect(sent).rejects.toMatchObject({ name: 'TransientError', message: 'HTTP 500: rollup_error' });
});

test('the address is needed, and is an http address', () => {
  expect(slackNotifier.options.safeParse({}).success).toBe(false);
  for (const url of ['hooks.slack.com/services/x', 'ftp://hooks.slack.com', 'https://', '']) {
    const result = slackNotifier.options.safeParse({ url });
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).not.toContain('services/x');
  }
});

import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { eventually } from '../support/eventually.ts';
import { API_KEY, type MailcowApiServer, startMailcowApi } from '../support/mailcow-api-server.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import { shortEvent } from '../support/recorder-harness.ts';

let stack: NetfilterStack;
let mailcow: MailcowApiServer;
beforeEach(async () => {
  mailcow = await startMailcowApi({ clock: systemClock });
  stack = await startStack({ withEngine: false, withRedis: false, withExtensions: true });
});
afterEach(async () => {
  await mailcow.close();
  await stack.close();
});

const IP = '185.36.81.23';
const told = () => stack.events().map(shortEvent);
const section = (key = API_KEY) => `mailcow_api: {url: '${mailcow.address.url.reveal()}', key: ${key}}\n`;
/** Every look costs mailcow something: they are ten seconds apart at the least. */
const SOON = { timeoutMs: 60_000, everyMs: 50 };

it('from another host, mailcow’s API gives every ban, its end, and why it ended', { timeout: 180_000 }, async () => {
  const cowbell = await stack.startCowbell(`${section()}watchers: [{type: mailcow-api, poll_interval_seconds: 10}]`);
  await eventually(() => expect(mailcow.requests.length).toBeGreaterThan(0));
  mailcow.ban(`${IP}/32`, 1_800);
  mailcow.ban('45.142.120.9/32', 8);
  await eventually(() => expect(told()).toContain(`ban.started ${IP}/32`), SOON);
  mailcow.ban(`${IP}/32`, 3_600);
  await eventually(() => expect(told()).toContain(`ban.extended ${IP}/32`), SOON);
  mailcow.unban(`${IP}/32`);
  mailcow.ban('45.0.0.1/32', 1_800);
  mailcow.ban('45.0.0.2/32', 1_800);
  await eventually(() => expect(told()).toContain(`ban.ended ${IP}/32 lifted`), SOON);
  mailcow.restart();
  await eventually(() => expect(told()).toContain('bans.cleared 2'), SOON);
  expect(stack.events().at(-1)).toMatchObject({ cleared: { reason: 'netfilter restarted' } });
  expect(mailcow.sessions()).toBe(1);
  expect(mailcow.failedLogins()).toBe(0);
  expect(await cowbell.end()).toBe(0);
});

it('without naming watchers, the log that mailcow gives out explains the ban', { timeout: 180_000 }, async () => {
  for (let n = 0; n < 10; n++) mailcow.fail(IP, 'info@example.org');
  await stack.startCowbell(section());
  await eventually(() => expect(mailcow.requests).toContain('get/fail2ban'), SOON);
  await eventually(
    () => expect(mailcow.requests.some((path) => path.startsWith('get/logs/netfilter'))).toBe(true),
    SOON,
  );
  // Records have whole seconds: one of the second in which cowbell first ran may be from before.
  const runsSince = Date.now();
  await eventually(() => expect(Date.now() - runsSince).toBeGreaterThan(1_500));
  mailcow.ban(`${IP}/32`, 1_800);
  await eventually(() => expect(told()).toContain(`ban.started ${IP}/32`), { timeoutMs: 60_000, everyMs: 100 });
  expect(stack.events().at(-1)).toMatchObject({
    ban: { attempts: 10, services: ['smtp'], accounts: [{ name: 'info@example.org', attempts: 10 }], confirmed: true },
  });
});

it('a wrong key is tried once and never again: it would ban this host', { timeout: 180_000 }, async () => {
  await stack.startCowbell(
    `${section('000000-000000-000000-000000-000000')}watchers: [{type: mailcow-api, poll_interval_seconds: 10, grace_seconds: 0}]`,
  );
  await eventually(() => expect(told()).toEqual(['source.down mailcow-api']), SOON);
  expect(mailcow.failedLogins()).toBe(1);
  expect(JSON.stringify(stack.events())).not.toContain('000000-000000');
});

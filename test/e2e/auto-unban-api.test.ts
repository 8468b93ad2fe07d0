import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { eventually } from '../support/eventually.ts';
import { API_KEY, type MailcowApiServer, READ_ONLY_KEY, startMailcowApi } from '../support/mailcow-api-server.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import { shortEvent } from '../support/recorder-harness.ts';

const OWN = '185.36.81.23';
const SOON = { timeoutMs: 60_000, everyMs: 50 };

let stack: NetfilterStack;
let mailcow: MailcowApiServer;
let ticks: NodeJS.Timeout;
beforeEach(async () => {
  mailcow = await startMailcowApi({ clock: systemClock });
  ticks = setInterval(() => mailcow.purge(), 1_000);
  stack = await startStack({ withEngine: false, withRedis: false });
});
afterEach(async () => {
  clearInterval(ticks);
  // Its settings were never overwritten.
  expect(mailcow.disasters).toEqual([]);
  await mailcow.close();
  await stack.close();
});

const told = () => stack.events().map(shortEvent);

/** The policy, by the API alone, with somebody who is always lifted; he is banned then. */
async function banOwn(key: string): Promise<void> {
  await stack.startCowbell(`mailcow_api: {url: '${mailcow.address.url.reveal()}', key: ${key}}
watchers: [{type: mailcow-api, poll_interval_seconds: 10}]
auto_unban: {mode: enforce, require: any, always: [${OWN}], delay_seconds: 0, then: allowlist}
`);
  await eventually(() => expect(mailcow.requests.length).toBeGreaterThan(0), SOON);
  mailcow.ban(`${OWN}/32`, 1_800);
  await eventually(() => expect(told()).toContain(`unban.decided ${OWN}/32 lift`), SOON);
}

it('by mailcow’s API alone, a ban is lifted and seen to be gone', { timeout: 120_000 }, async () => {
  await banOwn(API_KEY);
  await eventually(() => expect(told()).toContain(`ban.ended ${OWN}/32 lifted-by-cowbell`), SOON);
  expect(mailcow.hash.size).toBe(0);
  expect(mailcow.requests.filter((path) => path === 'edit/fail2ban')).toHaveLength(1);
  await eventually(async () => expect((await stack.cowbell('audit')).output).toMatch(/lifted +185.*\n.* lift +185/));
  // What could not be taken off again is not put on the allowlist.
  expect(mailcow.allowlist).toEqual([]);
  expect(stack.events().find(({ type }) => type === 'unban.decided')).toMatchObject({
    decision: {
      reasons: [
        'it lies in a network that is always lifted',
        expect.stringContaining('not put on the allowlist: mailcow'),
      ],
    },
  });
});

it('a key that may only read is asked once, and the ban is told to be standing', { timeout: 120_000 }, async () => {
  await banOwn(READ_ONLY_KEY);
  await eventually(() => expect(told()).toContain(`unban.failed ${OWN}/32`), SOON);
  expect(stack.events().find(({ type }) => type === 'unban.failed')).toMatchObject({
    failure: { reason: expect.stringContaining('a key with read-write access is needed') },
  });
  expect([...mailcow.hash.keys()]).toEqual([`${OWN}/32`]);
  expect(mailcow.requests.filter((path) => path === 'edit/fail2ban')).toHaveLength(1);
});

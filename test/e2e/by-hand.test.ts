import { afterEach, beforeEach, expect, it } from 'vitest';
import { openLedger } from '../../src/ledger/ledger.ts';
import { eventually } from '../support/eventually.ts';
import { type NetfilterPurge, startPurge } from '../support/netfilter-purge.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import { net, shortEvent } from '../support/recorder-harness.ts';

const PHONE = '185.36.81.23/32';
const WATCHERS = 'watchers: [{type: redis}]\n';

let stack: NetfilterStack;
let purge: NetfilterPurge;
beforeEach(async () => {
  stack = await startStack({ withEngine: false });
  await stack.redis.client.set('F2B_OPTIONS', '{}');
  purge = startPurge(stack.redis.client);
});
afterEach(async () => {
  await purge.stop();
  await stack.close();
});

it('a ban that a person lifts beside the daemon is told as lifted by cowbell', { timeout: 180_000 }, async () => {
  await stack.startCowbell(WATCHERS);
  await stack.redis.client.hset('F2B_ACTIVE_BANS', PHONE, String(Math.ceil(Date.now() / 1_000) + 1_800));
  await eventually(() => expect(stack.events().map(shortEvent)).toContain(`ban.started ${PHONE}`));
  const { code, output } = await stack.cowbell('unban', '185.36.81.23');
  expect(output).toContain(`${PHONE} (netfilter) is not banned any more`);
  expect(code).toBe(0);
  await eventually(() =>
    expect(stack.events().map(shortEvent)).toEqual([`ban.started ${PHONE}`, `ban.ended ${PHONE} lifted-by-cowbell`]),
  );
});

it('the daemon takes off the allowlist what has come to its end, and nothing else', { timeout: 180_000 }, async () => {
  await stack.redis.client.hset('F2B_WHITELIST', PHONE, '1', '198.51.100.0/24', '1', '203.0.113.0/24', '1');
  const ledger = openLedger(stack.state, Date.now);
  const jail = 'netfilter';
  ledger.allowances.add({ jail, network: net(PHONE), until: Date.now() - 1_000, by: 'person' });
  ledger.allowances.add({ jail, network: net('203.0.113.0/24'), until: Date.now() + 3_600_000, by: 'person' });
  ledger.close();
  await stack.startCowbell(WATCHERS);
  await eventually(async () =>
    expect((await stack.redis.client.hkeys('F2B_WHITELIST')).sort()).toEqual(['198.51.100.0/24', '203.0.113.0/24']),
  );
});

import { afterEach, beforeEach, expect, it } from 'vitest';
import { bansTold } from '../support/chat-counts.ts';
import { eventually } from '../support/eventually.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import { shortEvent } from '../support/recorder-harness.ts';

let stack: NetfilterStack;
beforeEach(async () => {
  stack = await startStack({ chatIntervalMs: 200 });
  await stack.redis.client.set('F2B_OPTIONS', '{}');
  await stack.startNetfilter();
});
afterEach(() => stack.close());

async function ban(index: number): Promise<void> {
  const network = `45.8.0.${index}/32`;
  await stack.print(`2026-11-23 12:00:00 CRIT: Banning ${network} for 30 minutes`);
  await stack.redis.client.hset('F2B_ACTIVE_BANS', network, String(Math.ceil(Date.now() / 1000) + 1_800));
}

it('a webhook that was deleted is parked, told by the others and by /readyz, and goes on when it is asked to', {
  timeout: 180_000,
}, async () => {
  stack.slack.behave({ status: 404, body: 'no_service' });
  const cowbell = await stack.startCowbell();
  const [, address] = /"http":"(?:http:\/\/)?([\d.:]+)"/.exec(cowbell.output()) ?? [];
  const readiness = async () => {
    const response = await fetch(`http://${address}/readyz`);
    const { lanes } = (await response.json()) as { lanes: { name: string; up: boolean }[] };
    return { status: response.status, lanes, down: lanes.filter(({ up }) => !up).map(({ name }) => name) };
  };
  expect(await readiness()).toMatchObject({ status: 200, down: [] });
  await ban(1);
  const told = () => stack.events().map(shortEvent);
  await eventually(() => expect(told()).toContain('notifier.down slack'));
  for (const index of [2, 3, 4]) await ban(index);
  await eventually(() => expect(bansTold(stack.discord)).toBe(4));
  await eventually(() => {
    const text = stack.discord
      .accepted()
      .map(({ json }) => JSON.stringify(json))
      .join('\n');
    expect(text).toMatch(/Alerts do not reach/);
  });
  const { status, lanes, down } = await readiness();
  expect([status, down]).toEqual([503, ['slack']]);
  expect(lanes).toContainEqual(
    expect.objectContaining({ name: 'slack', state: 'parked', reason: 'HTTP 404: no_service' }),
  );
  // Asked once: a far side that says no is left alone.
  expect(stack.slack.requests).toHaveLength(1);
  const { output } = await stack.cowbell('outbox', 'list');
  expect(output).toMatch(/slack +\d+/);
  expect(output).toMatch(/slack: parked for .*HTTP 404: no_service/);

  stack.slack.behave('accept');
  expect((await stack.cowbell('outbox', 'retry', 'slack')).code).toBe(0);
  await eventually(() => expect(bansTold(stack.slack)).toBe(4), { timeoutMs: 60_000 });
  await eventually(() => expect(told()).toContain('notifier.up slack'));
  expect(stack.slack.problems()).toEqual([]);
  await eventually(async () => expect((await readiness()).down).toEqual([]));
  expect((await stack.cowbell('outbox', 'list')).output).toContain('nothing is owed');
});

it('a payload that is refused is sent without markup, and set aside and told if that is refused too', {
  timeout: 180_000,
}, async () => {
  stack.slack.behave(({ json }) =>
    'attachments' in (json as object) ? { status: 400, body: 'invalid_blocks' } : 'accept',
  );
  stack.discord.behave({ status: 400, body: '{"code": 50035}' });
  await stack.startCowbell();
  await ban(1);
  await eventually(() => expect(bansTold(stack.slack)).toBe(1));
  expect(stack.slack.accepted()[0]?.json).toMatchObject({ text: expect.stringContaining('Banned 45.8.0.1') });
  await eventually(() => expect(stack.events().map(shortEvent)).toContain('notifier.refused discord'));
  expect((await stack.cowbell('outbox', 'list')).output).toMatch(/discord: 1 alert, refused: HTTP 400/);

  // Nothing else happens: that a person asks for it is enough.
  stack.discord.behave('accept');
  expect((await stack.cowbell('outbox', 'retry', 'discord')).output).toContain('1 alert is owed again');
  await eventually(() => expect(bansTold(stack.discord)).toBe(1), { timeoutMs: 20_000 });
});

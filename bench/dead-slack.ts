import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/support/eventually.ts';
import { type NetfilterStack, startStack } from '../test/support/netfilter-stack.ts';
import { banMany, banOne } from './bans.ts';
import { percentile, type Row } from './row.ts';

const BANS = 500;
/** What the dead one is owed before it begins. */
const BACKLOG = 5_000;
const BATCH = 100;
const WATCHERS = 'watchers: [{type: netfilter}, {type: redis}]';

/**
 * From the line being written to another lane's message, beside a Slack that is well and beside one that is dead: each
 * ban is told by one stack and then by the other, so that whatever else the machine does is in both.
 */
export async function benchDeadSlack(program: string[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, makeReady] of Object.entries(DEATHS)) {
    const well = await start(program);
    const dead = await start(program);
    try {
      await makeReady(well, false);
      await makeReady(dead, true);
      const beside: Record<'well' | 'dead', number[]> = { well: [], dead: [] };
      for (let index = 0; index < BANS; index++) {
        beside.well.push(await latencyOf(well, index));
        beside.dead.push(await latencyOf(dead, index));
      }
      const delays = [0.5, 0.99].map((share) => percentile(beside.dead, share) - percentile(beside.well, share));
      rows.push({
        what: `log line written → webhook accepted beside a Slack that ${name}: how much later, p50 and p99`,
        goal: '≤ 50 ms',
        figure: delays.map((ms) => `${ms.toFixed(1)} ms`).join(', '),
        isMet: delays.every((ms) => ms <= 50),
      });
    } finally {
      await Promise.all([well.close(), dead.close()]);
    }
  }
  return rows;
}

/** Each makes a stack ready; of one of the two Slack is dead. */
const DEATHS: Record<string, (stack: NetfilterStack, isDead: boolean) => Promise<void>> = {
  async hangs(stack, isDead) {
    if (isDead) stack.slack.behave('hang');
    await latencyOf(stack, BANS);
  },
  async 'is gone, and is owed 5 000 bans'(stack, isDead) {
    if (isDead) await stack.slack.stop();
    for (let first = 0; first < BACKLOG; first += BATCH) await banMany(stack, first, BATCH);
    await eventually(
      () => {
        if (stack.events().filter(({ type }) => type === 'ban.started').length < BACKLOG)
          throw new Error('not all are told');
      },
      { timeoutMs: 120_000, everyMs: 1_000 },
    );
    // They end, so that what is looked at is as little as before.
    await stack.redis.client.del('F2B_ACTIVE_BANS');
    await eventually(
      () => {
        if (!stack.events().some(({ type }) => type === 'bans.cleared')) throw new Error('they stand');
      },
      { timeoutMs: 60_000, everyMs: 1_000 },
    );
    // Begins anew, so that it tries as often as it ever does.
    await stack.stopCowbell();
    await stack.startCowbell(WATCHERS);
  },
};

async function start(program: string[]): Promise<NetfilterStack> {
  const stack = await startStack({ program });
  await stack.startNetfilter();
  await stack.redis.client.set('F2B_OPTIONS', '{}');
  await stack.startCowbell(WATCHERS);
  await latencyOf(stack, BANS + 1);
  return stack;
}

/** Until the webhook has it, in ms. */
async function latencyOf(stack: NetfilterStack, index: number): Promise<number> {
  const network = `45.9.${index >> 8}.${index & 255}/32`;
  const writtenAt = performance.timeOrigin + performance.now();
  await banOne(stack, network);
  const arrived = await eventually(
    () => {
      const found = stack.webhook.requests.findLast(({ body }) => body.includes(`"subject":"${network}"`));
      if (found === undefined) throw new Error('nothing arrived');
      return found;
    },
    { everyMs: 1 },
  );
  await sleep(20);
  return arrived.at - writtenAt;
}

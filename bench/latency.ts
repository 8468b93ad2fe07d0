import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import { eventually } from '../test/support/eventually.ts';
import { startStack } from '../test/support/netfilter-stack.ts';
import { banOne } from './bans.ts';
import { percentile, type Row } from './row.ts';

const BANS = 200;

/** From the line being written to the webhook having it, against a bare POST of the same body. */
export async function benchLatency(program: string[]): Promise<Row[]> {
  const stack = await startStack({ program });
  try {
    await stack.startNetfilter();
    await stack.redis.client.set('F2B_OPTIONS', '{}');
    await stack.startCowbell('watchers: [{type: netfilter}, {type: redis}]');
    await banOne(stack, networkOf(0));
    await eventually(() => {
      if (stack.webhook.accepted().length < 1) throw new Error('nothing arrived');
    });
    const latencies = await measure(stack, 1);
    const body = stack.webhook.accepted()[1]?.body ?? '';
    const bare = await barePosts(stack.webhook.url, body, () => stack.webhook.requests.at(-1)?.at ?? 0);
    const over = (share: number) => percentile(latencies, share) - percentile(bare, share);
    const row = (name: string, share: number, goalMs: number): Row => ({
      what: `log line written → webhook accepted, quiet system, ${name}`,
      goal: `≤ ${goalMs} ms over a bare POST`,
      figure: `${over(share).toFixed(1)} ms over ${percentile(bare, share).toFixed(1)} ms`,
      isMet: over(share) <= goalMs,
    });
    return [row('p50', 0.5, 10), row('p99', 0.99, 50)];
  } finally {
    await stack.close();
  }
}

/** Latencies of as many bans, in ms. */
async function measure(stack: Awaited<ReturnType<typeof startStack>>, first: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let index = first; index < first + BANS; index++) {
    const writtenAt = performance.timeOrigin + performance.now();
    await banOne(stack, networkOf(index));
    await eventually(
      () => {
        if (stack.webhook.accepted().length <= index) throw new Error('nothing arrived');
      },
      { everyMs: 1 },
    );
    latencies.push((stack.webhook.accepted()[index]?.at ?? 0) - writtenAt);
    await sleep(20);
  }
  return latencies;
}

function networkOf(index: number): string {
  return `45.9.${index >> 8}.${index & 255}/32`;
}

async function barePosts(url: string, body: string, acceptedAt: () => number): Promise<number[]> {
  const agent = new Agent();
  const { origin, pathname, search } = new URL(url);
  const times: number[] = [];
  for (let index = 0; index < BANS; index++) {
    const sentAt = performance.timeOrigin + performance.now();
    const { body: answer } = await agent.request({
      origin,
      path: pathname + search,
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body,
    });
    await answer.dump();
    times.push(acceptedAt() - sentAt);
    await sleep(20);
  }
  await agent.close();
  return times;
}

import { setTimeout as sleep } from 'node:timers/promises';
import { bansTold } from '../test/support/chat-counts.ts';
import { eventually } from '../test/support/eventually.ts';
import { startStack } from '../test/support/netfilter-stack.ts';
import type { Behaviour, Receiver } from '../test/support/receivers.ts';
import { banMany } from './bans.ts';
import { residentMib } from './process-figures.ts';
import type { Row } from './row.ts';

const BANS = 10_000;
const BATCH = 100;
const SECONDS = 10;
const CHAT_INTERVAL_MS = 15_000;

/** One message a second: https://docs.slack.dev/apis/web-api/rate-limits */
function slackLike(): Behaviour {
  let last = Number.NEGATIVE_INFINITY;
  return ({ at }) => {
    if (at - last < 1_000) return { rateLimited: 1 };
    last = at;
    return 'accept';
  };
}

/** Five in two seconds, as is seen of webhooks, told by the headers that Discord documents. */
function discordLike(): Behaviour {
  let taken: number[] = [];
  return ({ at }) => {
    taken = taken.filter((time) => at - time < 2_000);
    if (taken.length >= 5) return { rateLimited: 2 };
    taken.push(at);
    const resetAfter = (2 - (at - (taken[0] ?? at)) / 1_000).toFixed(3);
    const headers = { 'x-ratelimit-remaining': String(5 - taken.length), 'x-ratelimit-reset-after': resetAfter };
    return { status: 200, headers: { 'content-type': 'application/json', ...headers }, body: '{"id":"1","type":0}' };
  };
}

/** Ten thousand bans in ten seconds: what arrives, in how many messages, in how much memory. */
export async function benchStorm(program: string[]): Promise<Row> {
  const stack = await startStack({ chatIntervalMs: CHAT_INTERVAL_MS, program });
  try {
    await stack.startNetfilter();
    await stack.redis.client.set('F2B_OPTIONS', '{}');
    const cowbell = await stack.startCowbell();
    await sleep(1_500);
    stack.slack.behave(slackLike());
    stack.discord.behave(discordLike());
    let peakMib = 0;
    const sampling = setInterval(() => {
      peakMib = Math.max(peakMib, residentMib(cowbell.pid));
    }, 100);
    const startedAt = Date.now();
    for (let first = 0; first < BANS; first += BATCH) {
      await banMany(stack, first, BATCH);
      const waitMs = startedAt + ((first + BATCH) / BANS) * SECONDS * 1_000 - Date.now();
      if (waitMs > 0) await sleep(waitMs);
    }
    await eventually(
      async () => {
        const { output } = await stack.cowbell('outbox', 'list');
        if (!output.includes('nothing is owed') || count(stack) < BANS) throw new Error(`${count(stack)}: ${output}`);
      },
      { timeoutMs: 180_000, everyMs: 1_000 },
    );
    clearInterval(sampling);
    const inFirstMinute = (requests: readonly { at: number }[]) =>
      requests.filter(({ at }) => at - startedAt <= 60_000).length;
    const messages = Math.max(inFirstMinute(stack.slack.requests), inFirstMinute(stack.discord.requests));
    const lost = BANS - Math.min(count(stack), bansTold(stack.slack), bansTold(stack.discord));
    const refused = Math.max(refusedBy(stack.slack), refusedBy(stack.discord));
    return {
      what: '10 000 distinct bans in 10 s, to a Slack of 1 message/s and a Discord of 5 in 2 s',
      goal: 'none lost, ≤ 30 messages a chat lane in the first minute, one 429 at most, ≤ 150 MB resident',
      figure: `${lost} lost, ${messages} messages, ${refused} × 429, ${peakMib.toFixed(0)} MB`,
      isMet: lost === 0 && messages <= 30 && refused <= 1 && peakMib <= 150,
    };
  } finally {
    await stack.close();
  }
}

function refusedBy({ requests }: Receiver): number {
  return requests.filter(({ status }) => status === 429).length;
}

function count(stack: Awaited<ReturnType<typeof startStack>>): number {
  return new Set(stack.events().flatMap((event) => (event.type === 'ban.started' ? [event.ban.network] : []))).size;
}

import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/support/eventually.ts';
import { startStack } from '../test/support/netfilter-stack.ts';
import { residentMib } from './process-figures.ts';
import type { Row } from './row.ts';

const BANS = 10_000;
const BATCH = 100;
const SECONDS = 10;
const CHAT_INTERVAL_MS = 15_000;

/** Ten thousand bans in ten seconds: what arrives, in how many messages, in how much memory. */
export async function benchStorm(program: string[]): Promise<Row> {
  const stack = await startStack({ chatIntervalMs: CHAT_INTERVAL_MS, program });
  try {
    await stack.startNetfilter();
    await stack.redis.client.set('F2B_OPTIONS', '{}');
    const cowbell = await stack.startCowbell();
    await sleep(1_500);
    let peakMib = 0;
    const sampling = setInterval(() => {
      peakMib = Math.max(peakMib, residentMib(cowbell.pid));
    }, 100);
    const startedAt = Date.now();
    for (let first = 0; first < BANS; first += BATCH) {
      await banMany(stack, first);
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
    const lost = BANS - count(stack);
    return {
      what: '10 000 distinct bans in 10 s',
      goal: 'none lost, ≤ 30 messages a chat lane in the first minute, ≤ 150 MB resident',
      figure: `${lost} lost, ${messages} messages, ${peakMib.toFixed(0)} MB`,
      isMet: lost === 0 && messages <= 30 && peakMib <= 150,
    };
  } finally {
    await stack.close();
  }
}

function count(stack: Awaited<ReturnType<typeof startStack>>): number {
  return new Set(stack.events().flatMap((event) => (event.type === 'ban.started' ? [event.ban.network] : []))).size;
}

async function banMany(stack: Awaited<ReturnType<typeof startStack>>, first: number): Promise<void> {
  const lines: string[] = [];
  const fields: string[] = [];
  const until = String(Math.ceil(Date.now() / 1000) + 1_800);
  for (let index = first; index < first + BATCH; index++) {
    const ip = `45.10.${index >> 8}.${index & 255}`;
    lines.push(
      `2026-11-23 12:00:00 WARN: ${ip} matched rule id 3 (warning: unknown[${ip}]: SASL LOGIN authentication failed: x, sasl_username=user${index}@example.org)`,
      `2026-11-23 12:00:00 CRIT: Banning ${ip}/32 for 30 minutes`,
    );
    fields.push(`${ip}/32`, until);
  }
  await stack.print(...lines);
  await stack.redis.client.hset('F2B_ACTIVE_BANS', ...(fields as [string, string]));
}

import type { NetfilterStack } from '../test/support/netfilter-stack.ts';

/** Makes netfilter ban a network: the line, and the entry in Redis. */
export async function banOne(stack: NetfilterStack, network: string): Promise<void> {
  await stack.print(`2026-11-23 12:00:00 CRIT: Banning ${network} for 30 minutes`);
  await stack.redis.client.hset('F2B_ACTIVE_BANS', network, String(Math.ceil(Date.now() / 1000) + 1_800));
}

/** Makes it ban as many at once, each with the failed login that it is for; `first` is the number of the first. */
export async function banMany(stack: NetfilterStack, first: number, count: number): Promise<void> {
  const lines: string[] = [];
  const fields: string[] = [];
  const until = String(Math.ceil(Date.now() / 1000) + 1_800);
  for (let index = first; index < first + count; index++) {
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

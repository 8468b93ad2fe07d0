import { expect } from 'vitest';
import { openDatabase } from '../../src/ledger/database.ts';
import { eventually } from '../support/eventually.ts';
import { type NetfilterPurge, startPurge } from '../support/netfilter-purge.ts';
import { startStack } from '../support/netfilter-stack.ts';
import { shortEvent } from '../support/recorder-harness.ts';

/** A mailcow without a Docker socket, whose bans the policy decides on. */
export async function startPolicyStack() {
  const stack = await startStack({ withEngine: false });
  const { client } = stack.redis;
  await client.set('F2B_OPTIONS', '{}');
  const purges: NetfilterPurge[] = [];
  let logins = 0;

  /** What is in the ledger, beside whoever has it open. */
  function rows(sql: string): object[] {
    const db = openDatabase(stack.state, { readOnly: true });
    try {
      return db.all<object>(sql).map((row) => ({ ...row }));
    } finally {
      db.close();
    }
  }

  return {
    stack,
    rows,
    /** Netfilter's side of the queue; a stack may have one after another. */
    startPurge(options: Parameters<typeof startPurge>[1] = {}): NetfilterPurge {
      const purge = startPurge(client, options);
      purges.push(purge);
      return purge;
    },
    told: (about = '') =>
      stack
        .events()
        .map(shortEvent)
        .filter((event) => event.includes(about)),
    audit: () => rows('SELECT by, action, network FROM audit ORDER BY seq').map((row) => Object.values(row).join(' ')),
    /** An own user logs in from there, and the ledger knows. */
    async logIn(ip: string, times: number): Promise<void> {
      for (let index = 0; index < times; index++) {
        const message = `4F3B21A${index}: client=x[${ip}], sasl_method=PLAIN, sasl_username=anna@example.org`;
        const record = {
          time: String(Math.round(Date.now() / 1_000)),
          program: 'postfix/smtps/smtpd',
          priority: 'info',
          message,
        };
        await client.lpush('POSTFIX_MAILLOG', `${JSON.stringify(record)}\n`);
      }
      logins += times;
      await eventually(() => expect(rows('SELECT sum(logins) AS n FROM known_users')).toEqual([{ n: logins }]));
    },
    ban: (ip: string, seconds = 1_800) =>
      client.hset('F2B_ACTIVE_BANS', `${ip}/32`, String(Math.ceil(Date.now() / 1_000) + seconds)),
    banned: async () => (await client.hkeys('F2B_ACTIVE_BANS')).sort(),
    /** The reasons of each decision that was told, by its network. */
    reasons: () =>
      Object.fromEntries(
        stack
          .events()
          .flatMap((event) => (event.type === 'unban.decided' ? [[event.ban.network, event.decision.reasons]] : [])),
      ) as Record<string, string[]>,
    async close() {
      for (const purge of purges) await purge.stop();
      await stack.close();
    },
  };
}

export type PolicyStack = Awaited<ReturnType<typeof startPolicyStack>>;

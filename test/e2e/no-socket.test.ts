import { afterEach, beforeEach, expect, it } from 'vitest';
import { openDatabase } from '../../src/ledger/database.ts';
import { eventually } from '../support/eventually.ts';
import { type Mailcow, startMailcow } from '../support/mailcow.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import { shortEvent } from '../support/recorder-harness.ts';

let stack: NetfilterStack;
let mailcow: Mailcow;
beforeEach(async () => {
  stack = await startStack({ withEngine: false, withExtensions: true });
  mailcow = await startMailcow(stack.redis);
});
afterEach(async () => {
  mailcow.end();
  await stack.close();
});

const A = '185.36.81.23';
const B = '45.142.120.9';
const told = () => stack.events().map(shortEvent);

/** A record of a list as mailcow's syslog-ng writes it. */
async function keep(list: string, program: string, message: string): Promise<void> {
  const time = String(Math.round(Date.now() / 1_000));
  await stack.redis.client.lpush(list, `${JSON.stringify({ time, program, priority: 'info', message })}\n`);
}

function countOf(table: string): number {
  const db = openDatabase(stack.state, { readOnly: true });
  const rows = db.get<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)?.n ?? 0;
  db.close();
  return rows;
}

it('without a Docker socket, Redis alone gives every ban with its reasons, its end and why it ended', async () => {
  const cowbell = await stack.startCowbell();
  expect(cowbell.output()).toContain('there is no Docker socket');
  // What syslog-ng keeps of postfix: one of our own users logs in, and is refused once.
  await keep(
    'POSTFIX_MAILLOG',
    'postfix/smtps/smtpd',
    `4F3B21A0: client=x[${A}], sasl_method=PLAIN, sasl_username=anna@example.org`,
  );
  await keep('POSTFIX_MAILLOG', 'postfix/postscreen', `PREGREET 11 after 0 from [${A}]:54881: EHLO x`);
  await eventually(() => expect(countOf('known_users')).toBe(1));
  for (let n = 0; n < 10; n++) await mailcow.fail(A, n < 7 ? 'info@example.org' : 'sales@example.org');
  await eventually(() => expect(told()).toEqual([`ban.started ${A}/32`]));
  const [started] = stack.events();
  expect(started).toMatchObject({
    ban: {
      confirmed: true,
      attempts: 10,
      rejects: 1,
      known_users: [{ name: 'anna@example.org', logins: 1 }],
      services: ['smtp'],
      rules: ['3'],
      offenders: [{ ip: A, attempts: 10 }],
      accounts: [
        { name: 'info@example.org', attempts: 7 },
        { name: 'sales@example.org', attempts: 3 },
      ],
    },
  });
  expect(JSON.stringify(started)).toContain('SASL LOGIN authentication failed');

  await mailcow.ban(`${A}/32`, 3_600);
  await eventually(() => expect(told().at(-1)).toBe(`ban.extended ${A}/32`));
  // One that runs out by itself.
  await mailcow.ban(`${B}/32`, 9);
  await eventually(() => expect(told()).toContain(`ban.started ${B}/32`));
  await mailcow.unban(`${B}/32`);
  await eventually(() => expect(told()).toContain(`ban.ended ${B}/32 expired`));
  await mailcow.unban(`${A}/32`);
  await eventually(() => expect(told()).toContain(`ban.ended ${A}/32 lifted`));
  expect(stack.events().at(-1)).toMatchObject({ ban: { repeats: 1 } });

  await mailcow.ban('45.0.0.1/32');
  await mailcow.ban('45.0.0.2/32');
  await eventually(() => expect(told()).toHaveLength(7));
  await mailcow.restart();
  await eventually(() => expect(told().at(-1)).toBe('bans.cleared 2'));
  expect(stack.events().at(-1)).toMatchObject({ cleared: { reason: 'netfilter restarted' } });
  expect(await cowbell.end()).toBe(0);
}, 180_000);

it('rate limits are told, and the watchers may be named', async () => {
  await stack.startCowbell(`summaries: {ratelimits_seconds: 10}
watchers: [{type: redis}, {type: netfilter, from: redis}, {type: ratelimits}]`);
  await mailcow.ban(`${A}/32`);
  await eventually(() => expect(told()).toEqual([`ban.started ${A}/32`]));
  const record = {
    time: Math.round(Date.now() / 1_000),
    user: 'info@example.org',
    rl_name: 'limit_mailbox',
    rcpt: 'a@b',
  };
  await stack.redis.client.lpush('RL_LOG', JSON.stringify(record));
  await eventually(() => expect(told().at(-1)).toBe('ratelimit.applied info@example.org 1'));
}, 180_000);

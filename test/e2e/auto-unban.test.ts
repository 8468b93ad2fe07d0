import { afterEach, beforeEach, expect, it } from 'vitest';
import { openDatabase } from '../../src/ledger/database.ts';
import { ABUSEIPDB_KEY, startAbuseipdb } from '../support/abuseipdb-server.ts';
import { eventually } from '../support/eventually.ts';
import { type NetfilterPurge, startPurge } from '../support/netfilter-purge.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import { shortEvent } from '../support/recorder-harness.ts';

const OWN = '185.36.81.23';
const STRANGER = '45.142.120.9';
const POLICY = `watchers: [{type: redis}, {type: postfix, from: redis}]
auto_unban: {mode: enforce, require: any, min_known_logins: 3, delay_seconds: 0, tell: all}
`;

let stack: NetfilterStack;
let purge: NetfilterPurge | undefined;
beforeEach(async () => {
  stack = await startStack({ withEngine: false });
  await stack.redis.client.set('F2B_OPTIONS', '{}');
});
afterEach(async () => {
  await purge?.stop();
  purge = undefined;
  await stack.close();
});

const told = () => stack.events().map(shortEvent);

async function logIn(ip: string, times: number): Promise<void> {
  for (let index = 0; index < times; index++) {
    const message = `4F3B21A${index}: client=x[${ip}], sasl_method=PLAIN, sasl_username=anna@example.org`;
    const record = {
      time: String(Math.round(Date.now() / 1_000)),
      program: 'postfix/smtps/smtpd',
      priority: 'info',
      message,
    };
    await stack.redis.client.lpush('POSTFIX_MAILLOG', `${JSON.stringify(record)}\n`);
  }
  await eventually(() => expect(rows('SELECT sum(logins) AS n FROM known_users')).toEqual([{ n: times }]));
}

function rows(sql: string): object[] {
  const db = openDatabase(stack.state, { readOnly: true });
  try {
    return db.all<object>(sql).map((row) => ({ ...row }));
  } finally {
    db.close();
  }
}

const ban = (ip: string) =>
  stack.redis.client.hset('F2B_ACTIVE_BANS', `${ip}/32`, String(Math.ceil(Date.now() / 1_000) + 1_800));

it('lifts the ban of an own user, tells so and why, and leaves a stranger’s', { timeout: 180_000 }, async () => {
  purge = startPurge(stack.redis.client);
  await stack.startCowbell(POLICY);
  await logIn(OWN, 3);
  await ban(STRANGER);
  await ban(OWN);
  await eventually(() => expect(told()).toContain(`ban.ended ${OWN}/32 lifted-by-cowbell`), { timeoutMs: 60_000 });
  await eventually(() => expect(told()).toContain(`unban.decided ${STRANGER}/32 keep`));
  expect(told().filter((event) => event.includes(OWN))).toEqual([
    `ban.started ${OWN}/32`,
    `unban.decided ${OWN}/32 lift`,
    `ban.ended ${OWN}/32 lifted-by-cowbell`,
  ]);
  const decision = stack.events().find(({ type, ...event }) => type === 'unban.decided' && 'ban' in event);
  expect(JSON.stringify(decision)).toMatch(/own users logged in [03] times in 14 days/);
  expect(purge.lifted).toEqual([`${OWN}/32`]);
  expect(await stack.redis.client.hkeys('F2B_ACTIVE_BANS')).toEqual([`${STRANGER}/32`]);
});

it('killed between the order and its effect, it goes on: one lift, one trail, one message', {
  timeout: 180_000,
}, async () => {
  const first = await stack.startCowbell(POLICY);
  await logIn(OWN, 3);
  await ban(OWN);
  // Nobody works off the queue yet.
  await eventually(() =>
    expect(rows('SELECT state FROM decisions WHERE sent_at IS NOT NULL')).toEqual([{ state: 'lifting' }]),
  );
  await first.end('SIGKILL');
  purge = startPurge(stack.redis.client);
  await stack.startCowbell(POLICY);
  await eventually(() => expect(told()).toContain(`ban.ended ${OWN}/32 lifted-by-cowbell`), { timeoutMs: 60_000 });
  await eventually(() =>
    expect(rows('SELECT action FROM audit ORDER BY seq')).toEqual([{ action: 'lift' }, { action: 'lifted' }]),
  );
  expect(purge.lifted).toEqual([`${OWN}/32`]);
  expect(told().filter((event) => event.startsWith('unban'))).toEqual([`unban.decided ${OWN}/32 lift`]);
});

it('lifts what AbuseIPDB knows nothing bad of, and leaves the rest when it does not answer', {
  timeout: 180_000,
}, async () => {
  const abuseipdb = await startAbuseipdb();
  abuseipdb.scores.set(STRANGER, 90);
  purge = startPurge(stack.redis.client);
  try {
    await stack.startCowbell(`watchers: [{type: redis}]
reputation: {abuseipdb: {key: ${ABUSEIPDB_KEY}, url: '${abuseipdb.url}'}}
auto_unban: {mode: enforce, min_known_logins: 0, delay_seconds: 0, tell: all}
`);
    await ban(OWN);
    await ban(STRANGER);
    await eventually(() => expect(told()).toContain(`ban.ended ${OWN}/32 lifted-by-cowbell`), { timeoutMs: 60_000 });
    await eventually(() => expect(told()).toContain(`unban.decided ${STRANGER}/32 keep`));
    abuseipdb.answerWith({ status: 500 });
    await ban('45.142.120.10');
    await eventually(() => expect(told()).toContain('unban.decided 45.142.120.10/32 keep'));
    const decisions = stack.events().flatMap((event) => (event.type === 'unban.decided' ? [event] : []));
    const reasons = new Map(decisions.map(({ ban: { network }, decision }) => [network, decision.reasons]));
    expect(Object.fromEntries(reasons)).toEqual({
      [`${OWN}/32`]: ['score 0 of 100 (abuseipdb), within 25'],
      [`${STRANGER}/32`]: ['score 90 of 100 (abuseipdb), above 25'],
      '45.142.120.10/32': ['no score: abuseipdb: HTTP 500'],
    });
    expect(decisions.find(({ ban: { network } }) => network.startsWith(STRANGER))?.ban.reputation).toMatchObject({
      source: 'abuseipdb',
      score: 90,
      reports: 7,
    });
    expect(purge.lifted).toEqual([`${OWN}/32`]);
  } finally {
    await abuseipdb.close();
  }
});

import { afterEach, beforeEach, expect, it } from 'vitest';
import { openDatabase } from '../../src/ledger/database.ts';
import { ABUSEIPDB_KEY, type AbuseipdbServer, startAbuseipdb } from '../support/abuseipdb-server.ts';
import { eventually } from '../support/eventually.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import { shortEvent } from '../support/recorder-harness.ts';

const STRANGER = '45.142.120.9';
const OTHER = '45.142.120.10';

let stack: NetfilterStack;
let abuseipdb: AbuseipdbServer;
beforeEach(async () => {
  abuseipdb = await startAbuseipdb();
  stack = await startStack({ withEngine: false });
  await stack.redis.client.set('F2B_OPTIONS', '{}');
});
afterEach(async () => {
  await stack.close();
  await abuseipdb.close();
});

const start = (key = ABUSEIPDB_KEY) =>
  stack.startCowbell(`watchers: [{type: redis}, {type: postfix, from: redis}]
reputation: {abuseipdb: {key: ${key}, url: '${abuseipdb.url}', report: {daily: 100}}}
`);

/** A failed login that the mail server logs, and the ban for it. */
async function ban(ip: string): Promise<void> {
  const message = `warning: unknown[${ip}]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=anna@example.org`;
  const record = {
    time: String(Math.round(Date.now() / 1_000)),
    program: 'postfix/smtps/smtpd',
    priority: 'warning',
    message,
  };
  await stack.redis.client.lpush('POSTFIX_MAILLOG', `${JSON.stringify(record)}\n`);
  await eventually(() => expect(rows(`SELECT 1 AS one FROM evidence WHERE address = '${ip}'`)).toHaveLength(1));
  await stack.redis.client.hset('F2B_ACTIVE_BANS', `${ip}/32`, String(Math.ceil(Date.now() / 1_000) + 1_800));
}

function rows(sql: string): object[] {
  const db = openDatabase(stack.state, { readOnly: true });
  try {
    return db.all<object>(sql).map((row) => ({ ...row }));
  } finally {
    db.close();
  }
}

const reasons = () =>
  rows(`SELECT json ->> 'reason' AS reason FROM audit ORDER BY seq`).map((row) => Object.values(row)[0]);

it('reports who was banned, without whom he tried to be, and after kill -9 once all the same', {
  timeout: 180_000,
}, async () => {
  const first = await start();
  await ban(STRANGER);
  await eventually(() => expect(reasons()).toEqual([`${STRANGER}: abuseipdb was told of 1 failed attempt`]));
  abuseipdb.answerWith('keep');
  await ban(OTHER);
  await eventually(() => expect(abuseipdb.reports).toHaveLength(2));
  await first.end('SIGKILL');
  abuseipdb.answerWith(undefined);
  await start();
  await eventually(() => expect(reasons().slice(1)).toEqual([`${OTHER}: abuseipdb has a report of ours already`]), {
    timeoutMs: 60_000,
  });
  expect(abuseipdb.reports.map(({ ip }) => ip)).toEqual([STRANGER, OTHER]);
  expect(JSON.stringify(abuseipdb.reports)).not.toMatch(/anna|@/);
  expect(rows("SELECT count(*) AS n FROM outbox WHERE consumer = 'abuse-reports' AND delivery IS NULL")).toEqual([
    { n: 0 },
  ]);
});

it('a key that is refused parks the reports, tells so, and holds up nothing else', { timeout: 180_000 }, async () => {
  await start('a-key-that-is-wrong');
  await ban(STRANGER);
  const told = () => stack.events().map(shortEvent);
  await eventually(() => expect(told()).toEqual(expect.arrayContaining([`ban.started ${STRANGER}/32`])));
  await eventually(() =>
    expect(stack.events().find(({ type }) => type === 'notifier.down')).toMatchObject({
      notifier: { name: 'abuse-reports', reason: expect.stringContaining('AbuseIPDB refuses the key: HTTP 401') },
    }),
  );
  expect((await stack.cowbell('outbox', 'list')).output).toMatch(/abuse-reports +1 /);
  expect(JSON.stringify(stack.events())).not.toContain('a-key-that-is-wrong');
});

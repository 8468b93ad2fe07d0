import { afterEach, beforeEach, expect, it } from 'vitest';
import { ABUSEIPDB_KEY, type FixedAnswer, startAbuseipdb } from '../support/abuseipdb-server.ts';
import { eventually } from '../support/eventually.ts';
import { type PolicyStack, startPolicyStack } from './policy-stack.ts';

const OWN = '185.36.81.23';
const STRANGER = '45.142.120.9';
const POLICY = `watchers: [{type: redis}, {type: postfix, from: redis}]
auto_unban: {mode: enforce, require: any, min_known_logins: 3, delay_seconds: 0, tell: all}
`;
/** Ten seconds in the real one. */
const TICK_MS = 10_000;

let mailcow: PolicyStack;
beforeEach(async () => {
  mailcow = await startPolicyStack();
});
afterEach(() => mailcow.close());

/** The policy by score alone, with this AbuseIPDB. */
const byScore = (url: string, more = '') => `watchers: [{type: redis}]
reputation: {abuseipdb: {key: ${ABUSEIPDB_KEY}, url: '${url}', timeout_seconds: 2}}
auto_unban: {mode: enforce, min_known_logins: 0, tell: all, ${more}}
`;

it('lifts the ban of an own user, tells so and why, and leaves a stranger’s', { timeout: 60_000 }, async () => {
  const { stack, told, banned, ban, reasons } = mailcow;
  const purge = mailcow.startPurge();
  await stack.startCowbell(POLICY);
  await mailcow.logIn(OWN, 3);
  await ban(STRANGER);
  await ban(OWN);
  await eventually(() => expect(told()).toContain(`ban.ended ${OWN}/32 lifted-by-cowbell`), { timeoutMs: 20_000 });
  await eventually(() => expect(told()).toContain(`unban.decided ${STRANGER}/32 keep`));
  expect(told(OWN)).toEqual([
    `ban.started ${OWN}/32`,
    `unban.decided ${OWN}/32 lift`,
    `ban.ended ${OWN}/32 lifted-by-cowbell`,
  ]);
  expect(reasons()).toEqual({
    [`${OWN}/32`]: ['own users logged in 3 times in 14 days'],
    [`${STRANGER}/32`]: [
      'own users logged in 0 times in 14 days, at least 3 needed',
      expect.stringContaining('no score'),
    ],
  });
  expect(purge.lifted).toEqual([`${OWN}/32`]);
  expect(await banned()).toEqual([`${STRANGER}/32`]);
});

it('lifts what AbuseIPDB knows nothing bad of within the delay and netfilter’s time, and leaves the rest', {
  timeout: 90_000,
}, async () => {
  const { stack, told, ban, banned } = mailcow;
  const abuseipdb = await startAbuseipdb();
  abuseipdb.scores.set(STRANGER, 90);
  const purge = mailcow.startPurge({ everyMs: TICK_MS });
  const delayMs = 2_000;
  try {
    await stack.startCowbell(byScore(abuseipdb.url, `delay_seconds: ${delayMs / 1_000}`));
    const bannedAt = Date.now();
    await ban(OWN);
    await ban(STRANGER);
    // The alert is first, and waits for no decision.
    await eventually(() => expect(told()).toContain(`ban.started ${OWN}/32`), { timeoutMs: delayMs });
    expect(told('unban')).toEqual([]);
    await eventually(async () => expect(await banned()).toEqual([`${STRANGER}/32`]), { timeoutMs: 30_000 });
    expect(Date.now() - bannedAt).toBeLessThan(delayMs + 12_000);
    await eventually(() => expect(mailcow.audit()).toContain(`policy lifted ${OWN}/32`), { timeoutMs: 20_000 });
    await eventually(() => expect(told()).toContain(`ban.ended ${OWN}/32 lifted-by-cowbell`), { timeoutMs: 20_000 });
    expect(mailcow.reasons()).toEqual({
      [`${OWN}/32`]: ['score 0 of 100 (abuseipdb), within 25'],
      [`${STRANGER}/32`]: ['score 90 of 100 (abuseipdb), above 25'],
    });
    const decisions = stack.events().flatMap((event) => (event.type === 'unban.decided' ? [event] : []));
    expect(decisions.find(({ ban: { network } }) => network.startsWith(STRANGER))?.ban.reputation).toMatchObject({
      source: 'abuseipdb',
      score: 90,
      reports: 7,
    });
    await eventually(() =>
      expect(mailcow.audit().sort()).toEqual([
        `policy keep ${STRANGER}/32`,
        `policy lift ${OWN}/32`,
        `policy lifted ${OWN}/32`,
      ]),
    );
    expect(purge.lifted).toEqual([`${OWN}/32`]);
    // The commands show the same.
    const { output: audited } = await stack.cowbell('audit');
    expect(audited).toMatch(new RegExp(`keep +${STRANGER}/32 +netfilter +score 90 of 100 \\(abuseipdb\\), above 25`));
    expect(audited).toMatch(new RegExp(`lift +${OWN}/32 +netfilter +score 0 of 100 \\(abuseipdb\\), within 25`));
    const { output: bans } = await stack.cowbell('bans', '--all');
    expect(bans).toMatch(new RegExp(`${STRANGER}/32 .* stands +kept +score 90 of 100 \\(abuseipdb\\), above 25`));
    expect(bans).toMatch(
      new RegExp(`${OWN}/32 .* lifted-by-cowbell +lifted +score 0 of 100 \\(abuseipdb\\), within 25`),
    );
  } finally {
    await abuseipdb.close();
  }
});

const JSON_TYPE = { 'content-type': 'application/json' };
const answer = (data: object) => ({ status: 200, headers: JSON_TYPE, body: JSON.stringify({ data }) });

it.each<[string, FixedAnswer, RegExp]>([
  ['is down', 'cut', /^no score: abuseipdb: /],
  ['fails', { status: 500 }, /^no score: abuseipdb: HTTP 500/],
  ['does not answer', 'hang', /^no score: abuseipdb: /],
  [
    'has no more calls today',
    { status: 429, headers: { 'retry-after': '29241', 'x-ratelimit-remaining': '0' }, body: '{"errors":[]}' },
    /^no score: abuseipdb: .*(budget|calls|limit|429)/i,
  ],
  ['refuses the key', { status: 401, headers: JSON_TYPE, body: '{"errors":[{"detail":"x","status":401}]}' }, /key/],
  ['answers what is no JSON', { status: 200, body: '<html>' }, /^no score: abuseipdb: /],
  ['answers without a score', answer({ ipAddress: OWN, totalReports: 0 }), /^no score: abuseipdb: /],
  ['has a score that is none', answer({ ipAddress: OWN, abuseConfidenceScore: '0' }), /^no score: abuseipdb: /],
  ['answers about another', answer({ ipAddress: '8.8.8.8', abuseConfidenceScore: 0 }), /^no score: /],
])('a ban stays, and it is said why, where AbuseIPDB %s', { timeout: 60_000 }, async (_, fixed, why) => {
  const { stack, ban } = mailcow;
  const abuseipdb = await startAbuseipdb();
  abuseipdb.answerWith(fixed);
  const purge = mailcow.startPurge();
  try {
    await stack.startCowbell(byScore(abuseipdb.url, 'delay_seconds: 0'));
    await ban(OWN);
    await eventually(() => expect(mailcow.told()).toContain(`unban.decided ${OWN}/32 keep`), { timeoutMs: 20_000 });
    expect(mailcow.reasons()[`${OWN}/32`]?.[0]).toMatch(why);
    expect(mailcow.audit()).toEqual([`policy keep ${OWN}/32`]);
    expect([await mailcow.banned(), purge.printed]).toEqual([[`${OWN}/32`], []]);
  } finally {
    await abuseipdb.close();
  }
});

it('what is over the own budget is not asked, and stays', { timeout: 60_000 }, async () => {
  const { stack, ban, told } = mailcow;
  const abuseipdb = await startAbuseipdb();
  mailcow.startPurge();
  try {
    await stack.startCowbell(
      byScore(abuseipdb.url, 'delay_seconds: 0').replace('timeout_seconds: 2', 'daily_checks: 1'),
    );
    await ban(OWN);
    await eventually(() => expect(told()).toContain(`unban.decided ${OWN}/32 lift`), { timeoutMs: 20_000 });
    await ban(STRANGER);
    await eventually(() => expect(told()).toContain(`unban.decided ${STRANGER}/32 keep`), { timeoutMs: 20_000 });
    expect(mailcow.reasons()[`${STRANGER}/32`]?.[0]).toMatch(/^no score: abuseipdb: .*budget/);
    expect(abuseipdb.requests).toEqual([`check ${OWN}`]);
  } finally {
    await abuseipdb.close();
  }
});

it('a ban that netfilter has forgotten, and so cannot lift, is told to be standing', { timeout: 90_000 }, async () => {
  const { stack, told } = mailcow;
  const purge = mailcow.startPurge({ forgotten: [`${OWN}/32`] });
  await stack.startCowbell(POLICY);
  await mailcow.logIn(OWN, 3);
  await mailcow.ban(OWN);
  await eventually(() => expect(told()).toContain(`unban.failed ${OWN}/32`), { timeoutMs: 40_000 });
  expect(told(OWN)).toEqual([`ban.started ${OWN}/32`, `unban.decided ${OWN}/32 lift`, `unban.failed ${OWN}/32`]);
  const failed = stack.events().find(({ type }) => type === 'unban.failed');
  expect(failed).toMatchObject({
    failure: { reason: 'the ban still stands 15 s after redis was asked to lift it' },
  });
  expect(mailcow.audit()).toEqual([`policy lift ${OWN}/32`, `policy failed ${OWN}/32`]);
  expect(purge.printed).toEqual([`${OWN}/32 is not banned, skipping unban and deleting from queue (if any)`]);
  expect((await stack.cowbell('bans')).output).toMatch(/ failed +the ban still stands 15 s after redis/);
});

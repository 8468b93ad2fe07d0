import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/ledger/database.ts';
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts';
import { bansTold } from '../support/chat-counts.ts';
import { eventually } from '../support/eventually.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import { type Scrape, scrape } from '../support/scrape.ts';

const DEMO = join(import.meta.dirname, '..', '..', 'demo');
/** What `npm run demo` plays; the seconds in front of netfilter's lines are Docker's to give. */
const NETFILTER = linesOf('netfilter.log').map((line) => line.replace(/^\d+\.\d+ /, ''));
const FAIL2BAN = linesOf('fail2ban.log');
/** Told when all lines before it were read. */
const LAST_OF_NETFILTER = '2026-11-23 12:00:00 CRIT: Banning 45.9.9.0/24 for 30 minutes';
const LAST_OF_FAIL2BAN = '2026-11-23 11:59:59,000 fail2ban.actions        [4667]: NOTICE  [sshd] Ban 45.9.10.1';

let stack: NetfilterStack;
let printFail2ban: (...lines: string[]) => Promise<void>;
beforeEach(async () => {
  stack = await startStack({ withRedis: false, chatIntervalMs: 200 });
  await stack.startNetfilter();
  printFail2ban = await stack.startService('fail2ban');
});
afterEach(() => stack.close());

function linesOf(file: string): string[] {
  return readFileSync(join(DEMO, file), 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

const networksBanned = () =>
  stack.events().flatMap((event) => (event.type === 'ban.started' ? [event.ban.network as string] : []));

/** Until all that was printed is told to everybody. */
async function settle(): Promise<void> {
  await stack.print(LAST_OF_NETFILTER);
  await printFail2ban(LAST_OF_FAIL2BAN);
  await eventually(() => expect(networksBanned()).toEqual(expect.arrayContaining(['45.9.9.0/24', '45.9.10.1/32'])));
  await eventually(async () => expect((await stack.cowbell('outbox', 'list')).output).toContain('nothing is owed'), {
    everyMs: 500,
  });
}

/** How often each value comes. */
function count(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

/** What was told, by what a webhook got. */
function messages() {
  const events = stack.events();
  const started = events.flatMap((event) => (event.type === 'ban.started' ? [event.ban] : []));
  const ended = events.flatMap((event) => {
    if (event.type === 'ban.ended') return [event.ban.end_reason ?? ''];
    return event.type === 'bans.cleared' ? Array.from({ length: event.cleared.count }, () => 'cleared') : [];
  });
  return {
    types: count(events.map(({ type }) => type)),
    jails: count(started.map(({ jail }) => jail)),
    services: count(started.map(({ services }) => services[0] ?? 'unknown')),
    ended: count(ended),
  };
}

/** What the ledger holds, by its report and its tables. */
function held() {
  const ledger: Ledger = openLedger(stack.state, Date.now, { readOnly: true });
  const report = ledger.report(0, Date.now() + 60_000);
  ledger.close();
  const db = openDatabase(stack.state, { readOnly: true });
  const counted = (sql: string) =>
    Object.fromEntries(db.all<{ name: string; n: number }>(sql).map(({ name, n }) => [name, n]));
  const figures = {
    report,
    types: counted('SELECT type AS name, count(*) AS n FROM events GROUP BY type'),
    failures: counted(`SELECT coalesce(service, 'unknown') AS name, sum(times) AS n FROM evidence GROUP BY 1`),
    // The report leaves out those that were found standing, and so never began.
    ended: counted(`SELECT end_reason AS name, count(*) AS n FROM bans WHERE state = 'ended' GROUP BY end_reason`),
    standing: counted(`SELECT jail AS name, count(*) AS n FROM bans WHERE state = 'open' GROUP BY jail`),
    delivered: counted(
      `SELECT consumer AS name, count(*) AS n FROM deliveries WHERE state = 'delivered' GROUP BY consumer`,
    ),
  };
  db.close();
  return figures;
}

const named = (counted: readonly { name: string; count: number }[]) =>
  Object.fromEntries(counted.map(({ name, count }) => [name, count]));

function expectEqualNumbers(metrics: Scrape): void {
  const told = messages();
  const { report, ...ledger } = held();
  expect(metrics.by('cowbell_events_total', 'type')).toEqual(ledger.types);
  expect(ledger.types).toMatchObject(told.types);

  expect(metrics.by('fail2ban_bans_total', 'jail')).toEqual(told.jails);
  expect(named(report.jails)).toEqual(told.jails);
  expect(metrics.by('fail2ban_bans_total', 'service')).toEqual(told.services);
  expect(metrics.sum('fail2ban_bans_total')).toBe(report.bans);
  for (const chat of [stack.slack, stack.discord]) expect(bansTold(chat)).toBe(report.bans);

  expect(metrics.by('fail2ban_unbans_total', 'reason')).toEqual(told.ended);
  expect(ledger.ended).toEqual(told.ended);
  expect(metrics.by('fail2ban_active_bans', 'jail')).toEqual(ledger.standing);
  expect(metrics.sum('fail2ban_active_bans')).toBe(report.standing);
  expect(metrics.by('fail2ban_auth_failures_total', 'service')).toEqual(ledger.failures);

  const networks = count(networksBanned());
  for (const { labels, value } of metrics.series.filter(({ name }) => name === 'fail2ban_top_offender_bans'))
    expect([labels.network, value]).toEqual([labels.network, networks[labels.network ?? '']]);
  expect(metrics.sum('cowbell_outbox_events')).toBe(0);
  expect(metrics.series.length).toBeLessThan(1_000);
}

describe('after the attack of the demo', () => {
  it('metrics, ledger and messages have the same numbers', { timeout: 120_000 }, async () => {
    const cowbell = await stack.startCowbell();
    await stack.print(...NETFILTER);
    await printFail2ban(...FAIL2BAN);
    await settle();
    const metrics = await scrape(cowbell);
    expectEqualNumbers(metrics);
    expect(metrics.sum('fail2ban_bans_total')).toBeGreaterThan(30);
    expect(metrics.by('fail2ban_unbans_total', 'reason').cleared).toBeGreaterThan(0);

    // Each message once, and nothing was refused.
    const { delivered } = held();
    expect(metrics.by('cowbell_deliveries_total', 'notifier')).toEqual(delivered);
    expect(metrics.by('cowbell_deliveries_total', 'outcome')).toEqual({
      delivered: metrics.sum('cowbell_deliveries_total'),
    });
    expect(stack.webhook.accepted()).toHaveLength(delivered.webhook ?? 0);
    expect(metrics.sum('cowbell_delivered_events_total', { notifier: 'webhook' })).toBe(stack.events().length);
    expect(metrics.by('cowbell_source_up', 'source')).toEqual({ 'netfilter log': 1, 'fail2ban log': 1 });
    for (const lag of Object.values(metrics.by('cowbell_source_lag_seconds', 'source'))) expect(lag).toBeLessThan(60);
  });

  it('they still have, where it was killed and started again in between', { timeout: 120_000 }, async () => {
    let cowbell = await stack.startCowbell();
    const half = Math.floor(NETFILTER.length / 2);
    await stack.print(...NETFILTER.slice(0, half));
    await printFail2ban(...FAIL2BAN);
    await eventually(() => expect(stack.webhook.accepted().length).toBeGreaterThan(0));
    await cowbell.end('SIGKILL');
    await stack.print(...NETFILTER.slice(half));
    cowbell = await stack.startCowbell();
    await settle();
    const before = await scrape(cowbell);
    expectEqualNumbers(before);

    // Nothing is counted twice by a restart, and nothing lost.
    await cowbell.end('SIGKILL');
    cowbell = await stack.startCowbell();
    const after = await scrape(cowbell);
    expectEqualNumbers(after);
    expect(after.by('fail2ban_auth_failures_total', 'service')).toEqual(
      before.by('fail2ban_auth_failures_total', 'service'),
    );
    expect(after.by('cowbell_deliveries_total', 'outcome')).toEqual(before.by('cowbell_deliveries_total', 'outcome'));
  });
});

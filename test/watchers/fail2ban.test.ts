import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Observation } from '../../src/core/observation.ts';
import { createFail2banWatcher } from '../../src/watchers/fail2ban.ts';
import { parseFail2banLine, readFail2banLine } from '../../src/watchers/fail2ban-line.ts';
import { lineSource, observe } from './line-source.ts';

const folder = new URL('../fixtures/fail2ban/', import.meta.url);
const fixture = (name: string) => readFileSync(new URL(name, folder), 'utf8').split('\n');

/** A recording, stamped with the time that it prints, as if its clock were UTC. */
function readRun(name: string): Promise<Observation[]> {
  let stamp = '2026-11-23T00:00:00.000Z';
  const lines = fixture(name).map((text) => {
    const printed = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d),(\d{3}) /.exec(text);
    if (printed !== null) stamp = `${printed[1]}T${printed[2]}.${printed[3]}Z`;
    return { stamp, text };
  });
  return observe(createFail2banWatcher('fail2ban', lineSource(lines)));
}

function count(observations: readonly Observation[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const said of observations) {
    const network = 'network' in said ? said.network : said.ip;
    const kind = said.kind === 'banned' && said.restored ? 'restored' : said.kind;
    const key = `${kind} [${said.jail}] ${network}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** What stands after the observations up to `at`, as `fail2ban-client banned` lists it: jail and network. */
function standing(observations: readonly Observation[], at = Number.POSITIVE_INFINITY): string[] {
  const bans = new Set<string>();
  for (const said of observations) {
    if (said.at > at || !('network' in said)) continue;
    if (said.kind === 'banned') bans.add(`${said.jail} ${said.network}`);
    else if (said.kind === 'unbanned') bans.delete(`${said.jail} ${said.network}`);
  }
  return [...bans].sort();
}

test('the whole run: each ban, repeat, renewal, restored ban and unban, none of the shutdown’s', async () => {
  const told = await readRun('server-stdout.stdout.log');
  const bans = Object.entries(count(told)).filter(([key]) => !key.startsWith('auth-failed'));
  expect(Object.fromEntries(bans)).toEqual({
    // Two bans, two `already banned`, one Increase Ban.
    'banned [postfix-sasl-test] 203.0.113.7/32': 5,
    'banned [postfix-sasl-test] 2001:db8:bad::7/128': 3,
    'banned [postfix-sasl-test] 198.51.100.9/32': 1,
    'banned [postfix-sasl-test] 203.0.113.8/32': 1,
    'banned [postfix-sasl-test] 203.0.113.9/32': 1,
    'banned [postfix-sasl-test] 203.0.113.99/32': 1,
    'banned [postfix-sasl-test] 203.0.113.128/25': 1,
    'banned [postfix-sasl-test] 2001:db8::1/128': 1,
    'banned [postfix-sasl-test] 2001:db8::2/128': 1,
    'banned [postfix-sasl-test] 203.0.113.77/32': 1,
    'banned [recidive-like] 203.0.113.7/32': 1,
    'banned [recidive-like] 2001:db8:bad::7/128': 1,
    'banned [badaction] 203.0.113.51/32': 1,
    'banned [perm] 203.0.113.50/32': 1,
    'restored [postfix-sasl-test] 203.0.113.7/32': 1,
    'restored [postfix-sasl-test] 2001:db8:bad::7/128': 1,
    'restored [recidive-like] 203.0.113.7/32': 1,
    'restored [recidive-like] 2001:db8:bad::7/128': 1,
    'restored [badaction] 203.0.113.51/32': 1,
    'restored [perm] 203.0.113.50/32': 1,
    'unbanned [postfix-sasl-test] 203.0.113.7/32': 2,
    'unbanned [postfix-sasl-test] 2001:db8:bad::7/128': 2,
    'unbanned [postfix-sasl-test] 198.51.100.9/32': 1,
    'unbanned [postfix-sasl-test] 203.0.113.99/32': 1,
    'unbanned [postfix-sasl-test] 203.0.113.128/25': 1,
    'unbanned [postfix-sasl-test] 203.0.113.8/32': 1,
    'unbanned [postfix-sasl-test] 203.0.113.9/32': 1,
    'unbanned [postfix-sasl-test] 2001:db8::1/128': 1,
    'unbanned [postfix-sasl-test] 2001:db8::2/128': 1,
    'unbanned [recidive-like] 203.0.113.7/32': 1,
    'unbanned [recidive-like] 2001:db8:bad::7/128': 1,
    // `stop perm`, and later `unban --all`.
    'unbanned [perm] 203.0.113.50/32': 2,
    'unbanned [badaction] 203.0.113.51/32': 1,
  });
  const failures = count(told.filter(({ kind }) => kind === 'auth-failed'));
  expect(failures['auth-failed [postfix-sasl-test] 203.0.113.7']).toBe(10);
  expect(failures['auth-failed [recidive-like] 203.0.113.7']).toBe(10);
});

test('what stands is what fail2ban-client listed at that time', async () => {
  const told = await readRun('server-stdout.stdout.log');
  // client-stdout.txt, `banned`, between the unban of 198.51.100.9 and `status --all`.
  expect(standing(told, Date.parse('2026-11-23T11:12:19.283Z'))).toEqual([
    'badaction 203.0.113.51/32',
    'perm 203.0.113.50/32',
    'postfix-sasl-test 203.0.113.8/32',
    'postfix-sasl-test 203.0.113.9/32',
    'recidive-like 203.0.113.7/32',
  ]);
  // After the restart, before `unban --all`.
  expect(standing(told, Date.parse('2026-11-23T11:12:51.642Z'))).toEqual([
    'badaction 203.0.113.51/32',
    'perm 203.0.113.50/32',
    'postfix-sasl-test 2001:db8:bad::7/128',
    'postfix-sasl-test 203.0.113.7/32',
    'recidive-like 2001:db8:bad::7/128',
    'recidive-like 203.0.113.7/32',
  ]);
});

test('a ban’s end follows from the ban time of its jail, and moves with Increase Ban', async () => {
  const told = await readRun('server-stdout.stdout.log');
  const bans = (jail: string, ip: string) =>
    told.flatMap((said) => (said.kind === 'banned' && said.jail === jail && said.ip === ip ? [said] : []));
  const [first, repeat, , second, increased, restored] = bans('postfix-sasl-test', '203.0.113.7');
  expect(first).toMatchObject({ minutes: 0.2, until: (first?.at ?? 0) + 12_000 });
  expect(repeat).not.toHaveProperty('until');
  expect(second).toMatchObject({ until: (second?.at ?? 0) + 12_000 });
  expect(increased).toMatchObject({ minutes: 0.4, until: Date.parse('2026-11-23T11:13:00Z') });
  expect(restored).toMatchObject({ restored: true });
  expect(restored).not.toHaveProperty('until');
  expect(bans('recidive-like', '203.0.113.7')[0]).toMatchObject({ minutes: 60 });
  for (const ban of bans('perm', '203.0.113.50')) expect(ban.until).toBe(Number.POSITIVE_INFINITY);
});

test.each([
  ['fmt-stdout-v0.log', 1],
  ['fmt-stderr.log', 1],
  ['fmt-stdout-v1-crazymax.log', 1],
  ['fmt-stdout-v2.log', 1],
  ['fmt-stdout-v4.log', 1],
  ['fmt-stdout-nodatetime.log', 1],
  ['fmt-stdout-noformatpad.log', 1],
  ['fmt-sysout.log', 1],
  ['fmt-kill9-restart.log', 2],
])('%s: the same run, whatever the format', async (name, starts) => {
  const told = await readRun(name);
  // The same six lines of mail.log in each jail at each start; the unbans are those of the shutdown.
  expect(count(told)).toEqual({
    'auth-failed [postfix-sasl-test] 203.0.113.7': 3 * starts,
    'auth-failed [postfix-sasl-test] 2001:db8::7': 3 * starts,
    'auth-failed [recidive-like] 203.0.113.7': 3 * starts,
    'auth-failed [recidive-like] 2001:db8::7': 3 * starts,
    'banned [postfix-sasl-test] 203.0.113.7/32': 1,
    'banned [postfix-sasl-test] 2001:db8::7/128': 1,
    ...(starts > 1 && {
      'restored [postfix-sasl-test] 203.0.113.7/32': 1,
      'restored [postfix-sasl-test] 2001:db8::7/128': 1,
    }),
  });
  for (const said of told) {
    expect(said.service).toBe(said.jail === 'recidive-like' ? undefined : 'smtp');
    if (said.kind === 'banned' && !said.restored) expect(said.until).toBe(said.at + 12_000);
  }
});

test('a log at level WARNING has no bans in it', async () => {
  expect(await readRun('fmt-loglevel-warning.log')).toEqual([]);
});

const HEADS = [
  '2026-11-23 11:12:03,875 fail2ban.actions        [4667]: NOTICE  ',
  '2026-11-23 11:12:03 fail2ban.actions        [4667]: NOTICE  ',
  '2013-01-01 12:00:00,000 fail2ban.actions: WARNING ',
  'fail2ban.actions: WARNING ',
  '2025-12-03 07:57:15 fail2ban.actions:  NOTICE  ',
  'fail2ban.actions[4667]: NOTICE ',
  'fail2ban.actions        [4667]: NOTICE  ',
  '2026-11-23 11:12:03,875 fail2ban.server.actions [4667]: NOTICE  ',
  ' 2026-11-23 11:15:13,546 7F5311C9D6C0 NOTIC ',
  ' 7F5311C9D6C0 NOTIC ',
  ' + 2289 7FBD861FC6C0 fail2ban.actions          NOTIC ',
  ' + 2289 7FBD861FC6C0 fail2ban.actions          NOTIC |         helpers-25: __safeLog            | ',
  'Nov 23 11:12:03 host fail2ban.actions[123]: NOTICE ',
  'Nov  3 01:12:03 host fail2ban.actions        [123]: NOTICE  ',
  'Nov 23 11:12:03 host fail2ban-server[1]: fail2ban.actions        [1]: NOTICE  ',
  'Nov 23 11:12:03 host fail2ban-server[1]: 2026-11-23 11:12:03,875 fail2ban.actions [1]: NOTICE  ',
  'Nov 23 11:12:03 host fail2ban-server[1]: NOTICE ',
  'Nov 23 11:12:03 host fail2ban-server[1]: ',
  'fail2ban-server[1]: NOTICE ',
  '2026-11-23T11:12:03.123456+01:00 host fail2ban.actions[123]: NOTICE ',
  '<29>Nov 23 11:12:03 host fail2ban.actions[123]: NOTICE ',
];

test.each(HEADS)('%j in front of what was done', (head) => {
  const place = { jail: 'sshd', network: '203.0.113.7/32', ip: '203.0.113.7' };
  expect(parseFail2banLine(`${head}[sshd] Ban 203.0.113.7`)).toMatchObject({ kind: 'banned', ...place });
  expect(parseFail2banLine(`${head}[sshd] Unban 203.0.113.7`)).toMatchObject({ kind: 'unbanned', ...place });
  expect(parseFail2banLine(`${head}[sshd] Restore Ban 203.0.113.7`)).toMatchObject({ ...place, restored: true });
  expect(parseFail2banLine(`${head}[sshd] 203.0.113.7 already banned`)).toMatchObject({ kind: 'banned', ...place });
  expect(parseFail2banLine(`${head}[sshd] Reban 203.0.113.7, action 'iptables'`)).toMatchObject({ kind: 'banned' });
});

test('a flush clears its jail', () => {
  for (const head of HEADS.filter((each) => !each.includes('WARNING'))) {
    expect(parseFail2banLine(`${head}[sshd] Flush ticket(s) with iptables-multiport`)).toMatchObject({
      kind: 'cleared',
      jail: 'sshd',
    });
  }
});

const ACTIONS = '2026-11-23 11:12:03,875 fail2ban.actions        [4667]: NOTICE  ';

test.each([
  `${ACTIONS}[sshd] Ban not-an-ip`,
  `${ACTIONS}[sshd] Ban 203.0.113.256`,
  `${ACTIONS}[sshd] Ban 203.0.113.7 `,
  `${ACTIONS}[sshd] Ban 203.0.113.7\n`,
  `${ACTIONS}[sshd] ban 203.0.113.7`,
  `${ACTIONS}[sshd] Banned 203.0.113.7`,
  `${ACTIONS}[sshd] [sshd] Ban 203.0.113.7`,
  `${ACTIONS}[ssh d] Ban 203.0.113.7`,
  `x${ACTIONS}[sshd] Ban 203.0.113.7`,
  // Another level or program.
  '2026-11-23 11:12:03,875 fail2ban.actions        [4667]: ERROR   [sshd] Ban 203.0.113.7',
  '2026-11-23 11:12:03,875 fail2ban.actions        [4667]: DEBUG   [sshd] Ban 203.0.113.7',
  '2026-11-23 11:12:03,875 fail2ban.filter         [4667]: NOTICE  [sshd] Ban 203.0.113.7',
  '2026-11-23 11:12:03,875 fail2ban.utils          [4667]: NOTICE  [sshd] Ban 203.0.113.7',
  '2026-11-23 11:12:03,875 fail2ban.actions        [4667]: INFO    [sshd] Found 203.0.113.7',
  // The observer's own count, and what is no ban at all.
  '2026-11-23 11:12:01,080 fail2ban.observer       [4667]: INFO    [sshd] Found 203.0.113.7, bad - 2026-11-23 11:12:00, 1 # -> 2.0, Ban',
  '2026-11-23 11:12:01,080 fail2ban.observer       [4667]: INFO    [sshd] Found 203.0.113.7',
  "2026-11-23 11:12:54,601 fail2ban.actions        [4795]: DEBUG   Banned 1 / 1, 1 ticket(s) in 'sshd'",
  '2026-11-23 11:12:09,090 fail2ban.filter         [4667]: INFO    [sshd] Ignore 192.0.2.99 by ip',
  '2026-11-23 11:12:37,358 fail2ban.observer       [4667]: INFO    [sshd] IP 203.0.113.7 is bad: 1 # last 2026-11-23 11:11:57 - incr 12s to 24s',
  // Without the program's own front.
  '[sshd] Ban 203.0.113.7',
  'NOTICE  [sshd] Ban 203.0.113.7',
  'Nov 23 11:12:03 host sshd[123]: [sshd] Ban 203.0.113.7',
  'Nov 23 11:12:03 host sshd[123]: fail2ban.actions [1]: NOTICE [sshd] Ban 203.0.113.7',
  '',
])('%j says nothing', (text) => {
  expect(parseFail2banLine(text)).toBeUndefined();
});

test('one Ban can name several addresses', () => {
  const networks = (text: string) =>
    readFail2banLine(`${ACTIONS}${text}`)?.statements.map((said) => ('network' in said ? said.network : undefined));
  expect(networks('[sshd] Ban 203.0.113.7 2001:DB8::7')).toEqual(['203.0.113.7/32', '2001:db8::7/128']);
  expect(networks('[sshd] Ban 203.0.113.7, 203.0.113.8')).toEqual(['203.0.113.7/32', '203.0.113.8/32']);
  expect(networks('[sshd] Unban 203.0.113.128/25')).toEqual(['203.0.113.128/25']);
});

test.each([
  ['24s', 0.4],
  ['10m', 10],
  ['1d 2h', 1560],
  ['1w', 10_080],
  ['1y 3w 4d', 561_600],
  ['1 day, 2:00:00', 1560],
  ['1d 02:00:00', 1560],
  ['0:10:00', 10],
])('Increase Ban for %s', (duration, minutes) => {
  const head = 'fail2ban.observer       [4667]: NOTICE  ';
  const line = readFail2banLine(`${head}[sshd] Increase Ban 203.0.113.7 (2 # ${duration} -> 2026-11-23 11:13:00)`);
  expect(line).toMatchObject({ statements: [{ kind: 'banned', minutes }], lastsMs: minutes * 60_000 });
});

test('Increase Ban without an end', () => {
  expect(
    parseFail2banLine('fail2ban.observer [4667]: NOTICE [sshd] Increase Ban 203.0.113.7 (2 # permanent -> infinite)'),
  ).toMatchObject({ kind: 'banned', until: Number.POSITIVE_INFINITY });
});

test.each([
  ['postfix-sasl', 'smtp'],
  ['postscreen', 'postscreen'],
  ['dovecot', 'dovecot'],
  ['courier-imap', 'imap'],
  ['sogo-auth', 'sogo'],
  ['Sieve', 'sieve'],
  ['recidive', undefined],
])('jail %s guards %s', (jail, service) => {
  const found = parseFail2banLine(`fail2ban.filter [1]: INFO [${jail}] Found 203.0.113.7 - 2026-11-23 11:12:36`);
  expect(found).toMatchObject({ kind: 'auth-failed', jail, ip: '203.0.113.7' });
  expect(found?.service).toBe(service);
});

test('a stop that was cut short ends with the next start', async () => {
  const server = 'fail2ban.server         [1]: INFO    ';
  const actions = 'fail2ban.actions        [1]: NOTICE  ';
  const told = await observe(
    createFail2banWatcher(
      'fail2ban',
      lineSource([
        `${server}Shutdown in progress...`,
        `${actions}[sshd] Flush ticket(s) with iptables`,
        `${actions}[sshd] Unban 203.0.113.7`,
        `${server}Starting Fail2ban v1.1.0`,
        `${actions}[sshd] Unban 203.0.113.8`,
      ]),
    ),
  );
  expect(count(told)).toEqual({ 'unbanned [sshd] 203.0.113.8/32': 1 });
});

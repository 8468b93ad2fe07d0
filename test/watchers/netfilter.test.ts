import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Observation } from '../../src/core/observation.ts';
import { createNetfilterWatcher, netfilterWatcher } from '../../src/watchers/netfilter.ts';
import { lineSource, observe, stampedLines } from './line-source.ts';

const folder = new URL('../fixtures/netfilter/', import.meta.url);

const RUNS = [
  '01-defaults',
  '02-expiry-escalation',
  '04a-sigkill-restart',
  '04c-redis-restart',
  '06-hostile',
  '07-2025-07',
  '07-2025-09a',
  '08-chain-order',
  '12-api',
  '14-deaf-netfilter',
];

/** Fields that the recording person put into the hash, or took out of it, by hand: netfilter knows nothing of that. */
const BY_HAND = ['1.2.3.4/32', '1.2.3.5/32', '80.94.96.1/32', '91.240.118.1/32'];

/** A shutdown deletes field by field, and the recorder looked every 50 ms. */
const SHUTDOWN_SECONDS = 0.3;

function readRun(name: string): Promise<Observation[]> {
  const text = readFileSync(new URL(`${name}.stdout.ts.log`, folder), 'utf8');
  return observe(createNetfilterWatcher('netfilter', lineSource(stampedLines(text))));
}

function lines(...texts: string[]): Promise<Observation[]> {
  return observe(createNetfilterWatcher('netfilter', lineSource(texts)));
}

function brief(observations: readonly Observation[]): string[] {
  return observations.map((said) =>
    [said.kind, 'network' in said ? said.network : '', said.reason ?? ''].join(' ').trim(),
  );
}

/** The sets of banned networks that the hash went through while the run lasted, by its recorded history. */
function hashHistory(name: string): string[] {
  const states: { at: number; set: string }[] = [];
  for (const line of readFileSync(new URL(`${name}.redis-changes.jsonl`, folder), 'utf8')
    .trim()
    .split('\n')) {
    const { at, key, value } = JSON.parse(line) as { at: number; key: string; value: Record<string, string> };
    if (key === 'ERR') break;
    if (key === 'F2B_ACTIVE_BANS') states.push({ at, set: setText(Object.keys(value)) });
  }
  const settled = states.filter(
    ({ at, set }) =>
      set === '' || !states.some((next) => next.set === '' && next.at > at && next.at - at < SHUTDOWN_SECONDS),
  );
  return distinct(settled.map(({ set }) => set));
}

/** The sets that follow from what the watcher said. */
function toldHistory(observations: readonly Observation[]): string[] {
  const standing = new Set<string>();
  const sets = [setText(standing)];
  for (const said of observations) {
    if (said.kind === 'banned') standing.add(said.network);
    else if (said.kind === 'unbanned') standing.delete(said.network);
    else if (said.kind === 'cleared') standing.clear();
    sets.push(setText(standing));
  }
  return distinct(sets);
}

function distinct(sets: readonly string[]): string[] {
  return sets.filter((set, index) => set !== sets[index - 1]);
}

function setText(networks: Iterable<string>): string {
  return [...networks]
    .filter((network) => !BY_HAND.includes(network))
    .sort()
    .join(' ');
}

test.each(RUNS)('run %s: the bans told are those of the hash, in its order, with the ends', async (name) => {
  const told = toldHistory(await readRun(name));
  // The hash was looked at every 50 ms: it may have missed a state, but never have had another.
  let at = 0;
  for (const set of hashHistory(name)) {
    at = told.indexOf(set, at);
    expect(at, `${name}: the hash held "${set}"`).toBeGreaterThanOrEqual(0);
  }
  expect(new Set(told.flatMap((set) => set.split(' ')))).toEqual(
    new Set(hashHistory(name).flatMap((set) => set.split(' '))),
  );
});

/** Taken while the run still went on. */
const CUT_SHORT = ['04a-sigkill-restart', '07-2025-07', '07-2025-09a'];

/** NETFILTER_LOG holds the same messages one by one, framed: an independent reading. */
test.each(RUNS.filter((name) => existsSync(new URL(`${name}.NETFILTER_LOG.jsonl`, folder))))(
  'run %s: the bans and failures are the records of NETFILTER_LOG, in their order',
  async (name) => {
    const records = readFileSync(new URL(`${name}.NETFILTER_LOG.jsonl`, folder), 'utf8')
      .trim()
      .split('\n');
    const expected = records.flatMap((record) => {
      const [first = '', second = '', third = ''] = (JSON.parse(record) as { message: string }).message.split(' ');
      if (first === 'Banning') return [`banned ${second}`];
      return second === 'matched' && third === 'rule' ? [`failed ${first.replace('::ffff:', '')}`] : [];
    });
    const told = (await readRun(name)).flatMap((said) => {
      if (said.kind === 'banned') return [`banned ${said.network}`];
      return said.kind === 'auth-failed' ? [`failed ${said.ip}`] : [];
    });
    expect(expected.length).toBeGreaterThan(0);
    expect(CUT_SHORT.includes(name) ? told.slice(0, expected.length) : told).toEqual(expected);
  },
);

test('every failure of a run that was counted knows the network it was counted for', async () => {
  const failures = (await readRun('01-defaults')).filter((said) => said.kind === 'auth-failed');
  expect(failures.length).toBe(63);
  for (const failure of failures) expect(failure.network).toBe(`${failure.ip}/${failure.ip.includes(':') ? 128 : 32}`);
});

test('a clear tells why, as the lines before it say', async () => {
  const reasons = async (name: string) =>
    (await readRun(name)).filter((said) => said.kind === 'cleared').map((said) => said.reason);
  expect(await reasons('01-defaults')).toEqual([
    'netfilter restarted',
    'netfilter was stopped',
    'netfilter restarted',
    'netfilter was stopped',
  ]);
  expect(await reasons('04a-sigkill-restart')).toEqual([
    'netfilter restarted',
    'netfilter restarted',
    'netfilter was stopped',
  ]);
  expect(await reasons('08-chain-order')).toEqual([
    'netfilter restarted',
    'netfilter restarted: its chain was not in its place in the firewall',
    'netfilter was stopped',
  ]);
  // What went wrong before a person stopped it is not why it was stopped.
  expect(await reasons('14-deaf-netfilter')).toEqual(['netfilter restarted', 'netfilter was stopped']);
});

test('a restart after Redis was gone says so', async () => {
  const run = readFileSync(new URL('04c-redis-restart.stdout.log', folder), 'utf8').trim().split('\n');
  const told = await lines(...run, ...run.slice(0, 2));
  expect(told.at(-1)).toMatchObject({
    kind: 'cleared',
    reason: 'netfilter restarted: it lost its connection to Redis',
  });
});

test('records that interleave with a shutdown are told as they come', async () => {
  const told = await lines(
    '2026-11-23 11:49:16 INFO: Clearing all bans',
    '2026-11-23 11:49:16 INFO: Unbanning 185.36.81.23/32',
    '2026-11-23 11:49:16 WARN: 185.36.81.99 matched rule id 3 (warning: unknown[185.36.81.99]: SASL LOGIN authentication failed: x, sasl_username=y)',
    '2026-11-23 11:49:16 INFO: Unbanning 185.36.81.24/32',
    '2026-11-23 11:49:16 CRIT: Banning 185.36.81.99/32 for 30 minutes',
    '2026-11-23 11:49:16 INFO: Clear completed: ip',
  );
  expect(brief(told)).toEqual([
    'cleared  netfilter was stopped',
    'unbanned 185.36.81.23/32',
    'auth-failed 185.36.81.99/32 SASL LOGIN authentication failed',
    'unbanned 185.36.81.24/32',
    'banned 185.36.81.99/32',
  ]);
});

const FAILURE =
  '2026-11-23 11:48:41 WARN: 193.56.28.9 matched rule id 3 (warning: unknown[193.56.28.9]: SASL LOGIN authentication failed: x, sasl_username=info@example.org)';
const DOUBTFUL =
  '2026-11-23 11:48:41 WARN: 193.56.28.9 matched rule id 3 (warning: unknown[45.9.20.1]: SASL LOGIN authentication failed: x, sasl_username=y)';
const BAN = '2026-11-23 11:48:41 CRIT: Banning 193.56.28.0/24 for 30 minutes';

test('a ban of a network takes service and rule from its last failure, which learns its network', async () => {
  const [failure, other, ban] = await lines(FAILURE, FAILURE.replaceAll('193.56.28.9', '45.9.20.1'), BAN);
  expect(failure).toMatchObject({ kind: 'auth-failed', network: '193.56.28.0/24', account: 'info@example.org' });
  expect(other).not.toHaveProperty('network');
  expect(ban).toMatchObject({ kind: 'banned', network: '193.56.28.0/24', service: 'smtp', rule: '3', minutes: 30 });
  expect(ban).not.toHaveProperty('ip');
  expect(ban).not.toHaveProperty('claimed');
});

test('doubt about the last failure reaches the ban, also when the ban comes in a later chunk', async () => {
  expect((await lines(FAILURE, DOUBTFUL, BAN)).at(-1)).toMatchObject({ kind: 'banned', claimed: true });
  expect((await lines(DOUBTFUL, FAILURE, BAN)).at(-1)).not.toHaveProperty('claimed');
  const source = lineSource([DOUBTFUL, BAN], 1);
  const [failure, ban] = await observe(createNetfilterWatcher('netfilter', source));
  expect(failure).toMatchObject({ kind: 'auth-failed', claimed: true });
  expect(failure).not.toHaveProperty('network');
  expect(ban).toMatchObject({ kind: 'banned', claimed: true });
});

test('a failure is told in the chunk it stands in, whatever follows', async () => {
  expect(brief(await lines(FAILURE))).toEqual(['auth-failed  SASL LOGIN authentication failed']);
});

test('once today’s prefix was seen, lines without it are not netfilter’s, unless an older release starts', async () => {
  const old = 'Banning 185.36.81.23/32 for 30 minutes';
  expect(brief(await lines(old))).toEqual(['banned 185.36.81.23/32']);
  expect(brief(await lines(BAN, old))).toEqual(['banned 193.56.28.0/24']);
  expect(brief(await lines(BAN, 'Using NFTables backend', 'Clearing all bans', old))).toEqual([
    'banned 193.56.28.0/24',
    'cleared  netfilter restarted',
    'banned 185.36.81.23/32',
  ]);
});

test('one line with today’s prefix does not hide what an older release goes on to say', async () => {
  const old = 'Banning 185.36.81.23/32 for 30 minutes';
  expect(brief(await lines(old, BAN, '2026-11-23 11:48:41 INFO: All nameservers failed', old))).toEqual([
    'banned 185.36.81.23/32',
    'banned 193.56.28.0/24',
    'banned 185.36.81.23/32',
  ]);
});

test('the further lines of a name with line breaks say nothing, up to the closing parenthesis', async () => {
  const told = await lines(
    '80.94.96.4 matched rule id 1 (mailcow UI: Invalid password for x',
    'Banning 8.8.8.8/32 for 30 minutes',
    'Clearing all bans',
    'y by 80.94.96.4)',
    '1 more attempts in the next 600 seconds until 80.94.96.4/32 is banned',
    'Banning 80.94.96.4/32 for 30 minutes',
  );
  expect(brief(told)).toEqual(['auth-failed 80.94.96.4/32 Invalid password', 'banned 80.94.96.4/32']);
  expect(told.at(-1)).toMatchObject({ claimed: true });
});

test('a line over 8 KiB is read as far as it goes, and hides nothing of what follows', async () => {
  const told = await lines(
    `${FAILURE.slice(0, -1)}${'A'.repeat(70_000)})`,
    '2026-11-23 11:48:41 CRIT: Banning 193.56.28.9/32 for 30 minutes',
  );
  expect(brief(told)).toEqual(['auth-failed 193.56.28.9/32 SASL LOGIN authentication failed', 'banned 193.56.28.9/32']);
  for (const said of told) expect(said.line?.length).toBeLessThanOrEqual(512);
});

test('one batch for each chunk, with its cursor and what was read; the time is the stamp’s', async () => {
  const stamp = '2026-11-23T10:48:41.934288306Z';
  const source = lineSource(
    [
      { stamp, text: BAN },
      { stamp, text: 'nothing' },
      { stamp, text: '' },
    ],
    2,
  );
  const watcher = createNetfilterWatcher('mail', source);
  expect(watcher).toMatchObject({ name: 'mail', authority: 'log' });
  const batches = await Array.fromAsync(watcher.watch(undefined, new AbortController().signal));
  expect(batches.map(({ cursor, read, observations }) => [cursor, read, observations.length])).toEqual([
    ['2', 2, 1],
    ['3', 1, 0],
  ]);
  expect(batches[0]?.observations[0]?.at).toBe(Date.UTC(2026, 10, 23, 10, 48, 41, 934));
});

test('the definition asks for the service of mailcow, or for the container that is named', () => {
  const asked: unknown[] = [];
  const tools = {
    containerLog: (selector: unknown) => {
      asked.push(selector);
      return lineSource([]);
    },
  } as unknown as Parameters<typeof netfilterWatcher.create>[2];
  netfilterWatcher.create('a', netfilterWatcher.options.parse({}), tools);
  netfilterWatcher.create('b', netfilterWatcher.options.parse({ container: 'nf' }), tools);
  expect(asked).toEqual([{ service: 'netfilter-mailcow' }, { container: 'nf' }]);
});

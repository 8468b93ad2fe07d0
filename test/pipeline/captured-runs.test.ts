import { describe, expect, it } from 'vitest';
import { toRfc3339 } from '../../src/core/clock.ts';
import { type Network, parseNetwork } from '../../src/core/network.ts';
import type { LogLine, LogSource } from '../../src/core/watcher.ts';
import { createNetfilterWatcher } from '../../src/watchers/netfilter.ts';
import { type RecordedLine, type RecordedState, readCapturedRun, standingIn } from '../support/captured-run.ts';
import { createHarness } from '../support/recorder-harness.ts';

/** When the state is looked at again after a line has hinted at a ban or its end, in ms. */
const LOOKS = [0, 2, 5, 10, 20, 50, 100, 250, 500, 1_000, 2_000];
const POLL_MS = 1_000;

interface Step {
  at: number;
  run: () => void | Promise<void>;
}

/** Plays a recorded run, lines and state at their own times, through the real parser and recorder. */
async function play(run: { lines: RecordedLine[]; states: RecordedState[] }, { withRedis = true } = {}) {
  const startedAt = (run.states[0]?.at ?? 0) - 10;
  const h = createHarness({ startedAt, withRedis });
  const steps: Step[] = [];
  let state = run.states[0] as RecordedState;

  const feed = createFeed();
  const watcher = createNetfilterWatcher('netfilter', feed.source);
  const batches = watcher.watch(undefined, new AbortController().signal)[Symbol.asyncIterator]();
  for (const line of run.lines) {
    steps.push({
      at: line.at,
      run: async () => {
        feed.push({ stamp: toRfc3339(line.at), text: line.text });
        const { value } = await batches.next();
        if (value !== undefined) h.recorder.record(watcher, value);
        scheduleLooks(line.at);
      },
    });
  }
  for (const recorded of run.states)
    steps.push({
      at: recorded.at,
      run: () => {
        state = recorded;
      },
    });
  const lastAt = Math.max(...steps.map((step) => step.at)) + 30_000;
  if (withRedis) for (let at = startedAt; at < lastAt; at += POLL_MS) steps.push({ at, run: snapshot });

  let shown = '';
  function snapshot() {
    const text = JSON.stringify(state);
    if (text === shown) return;
    shown = text;
    const active = Object.entries(state.active).flatMap(([field, value]): [Network, number | undefined][] => {
      const network = parseNetwork(field);
      return network === undefined ? [] : [[network, /^\d+$/.test(value) ? Number(value) * 1000 : undefined]];
    });
    h.snapshot(Object.fromEntries(active) as Record<string, number>, {
      ...(state.restarted && { cleared: 'Redis restarted' }),
      denylist: Object.keys(state.permanent).flatMap((field) => parseNetwork(field) ?? []),
    });
  }
  function scheduleLooks(from: number) {
    for (const look of h.looks.splice(0)) {
      const [network, expected] = look.split(' ') as [Network, string];
      const isThere = () => network in state.active;
      let isAnswered = false;
      for (const [index, delay] of LOOKS.entries()) {
        const run = () => {
          if (isAnswered || (isThere() !== (expected === 'banned') && index < LOOKS.length - 1)) return;
          isAnswered = true;
          const fact = { jail: 'netfilter', network, at: from + delay };
          if (!isThere()) h.state({ kind: 'unbanned', ...fact });
          else h.state({ kind: 'banned', ...fact, until: Number(state.active[network]) * 1000 });
        };
        insert({ at: from + delay, run });
      }
    }
  }
  function insert(step: Step) {
    const index = steps.findIndex((other) => other.at > step.at);
    steps.splice(index < 0 ? steps.length : index, 0, step);
  }

  steps.sort((a, b) => a.at - b.at);
  for (let step = steps.shift(); step !== undefined; step = steps.shift()) {
    h.at((step.at - startedAt) / 1000);
    await step.run();
    if ((h.recorder.nextDueAt() ?? Number.POSITIVE_INFINITY) <= step.at) h.tick();
  }
  return h;
}

function createFeed(): { source: LogSource; push(line: LogLine): void } {
  const lines: LogLine[] = [];
  return {
    push: (line) => void lines.push(line),
    source: {
      name: 'recorded',
      async *read() {
        for (;;) yield { lines: lines.splice(0), cursor: 'c' };
      },
    },
  };
}

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
/** Fields that the recording put into the hash by hand; netfilter never banned them. */
const PLANTED = new Set(['1.2.3.4/32', '1.2.3.5/32']);
/** Bans whose failures were taken out of the recording. */
const UNEXPLAINED: Record<string, string[]> = { '06-hostile': ['8.8.8.8/32'] };

describe('a recorded run of the real netfilter', () => {
  it.each(RUNS)(
    '%s: each stretch in the hash is one ban, told once, and ends once for the right reason',
    async (name) => {
      const run = readCapturedRun(name);
      const h = await play(run);
      const stretches = stretchesOf(run);
      const started = h.events.filter((event) => event.type === 'ban.started').map((event) => event.ban);
      expect(started.map((ban) => ban.network).sort()).toEqual(stretches.map((stretch) => stretch.network).sort());
      expect(started.every((ban) => ban.confirmed)).toBe(true);
      expect(started.filter((ban) => ban.attempts === 0).map((ban) => ban.network)).toEqual(UNEXPLAINED[name] ?? []);

      const records = h.ledger.bans.recent(1_000);
      for (const stretch of stretches) {
        const record = records.find(
          (ban) => ban.network === stretch.network && Math.abs(ban.startedAt - stretch.from) < 1_000,
        );
        expect(record, stretch.network).toBeDefined();
        expect([stretch.network, record?.endReason]).toEqual([stretch.network, expectedReason(stretch, run)]);
      }
    },
  );

  it.each([
    ['01-defaults', 1],
    ['02-expiry-escalation', 1],
    ['04a-sigkill-restart', 2],
    ['04c-redis-restart', 1],
    ['06-hostile', 1],
    ['08-chain-order', 1],
    ['14-deaf-netfilter', 0],
  ])('%s: a restart is one message for all', async (name, restarts) => {
    const run = readCapturedRun(name);
    const h = await play(run);
    const cleared = h.events.filter((event) => event.type === 'bans.cleared').map((event) => event.cleared.count);
    expect(cleared).toHaveLength(restarts);
    const expected = stretchesOf(run).filter((stretch) => expectedReason(stretch, run) === 'cleared').length;
    expect(cleared.reduce((sum, count) => sum + count, 0)).toBe(expected);
  });

  it('names what the restart was for', async () => {
    const reasons = async (name: string) =>
      (await play(readCapturedRun(name))).events.flatMap((event) =>
        event.type === 'bans.cleared' ? [event.cleared.reason] : [],
      );
    expect(await reasons('04a-sigkill-restart')).toEqual(['netfilter restarted', 'netfilter was stopped']);
    expect(await reasons('08-chain-order')).toEqual([expect.stringMatching(/^netfilter restarted: its chain/)]);
  });

  it('tells no forged line, neither as told by the log nor in the end', async () => {
    const forged = await play(readCapturedRun('06-hostile'));
    const networks = forged.bans().map((ban) => ban.network);
    expect(networks).not.toContain('8.8.4.4/32');
    expect(networks).not.toContain('1.1.1.1/32');
    expect(networks).not.toContain('9.9.9.9/32');
    const old = await play(readCapturedRun('07-2025-07'));
    expect(old.bans().map((ban) => ban.network)).not.toContain('8.8.8.8/32');
  });

  it('changes of the denylist are told', async () => {
    const told = (await play(readCapturedRun('07-2025-07'))).told().filter((event) => event.startsWith('denylist'));
    expect(told).toEqual(['denylist.added 45.9.20.0/24', 'denylist.removed 45.9.20.0/24']);
  });

  it('without Redis gives the same bans from the log alone', async () => {
    for (const name of ['01-defaults', '02-expiry-escalation', '08-chain-order']) {
      const run = readCapturedRun(name);
      const h = await play(run, { withRedis: false });
      const stretches = stretchesOf(run);
      const started = h.events.filter((event) => event.type === 'ban.started').map((event) => event.ban);
      expect(started.map((ban) => ban.network).sort()).toEqual(stretches.map((stretch) => stretch.network).sort());
      expect(started.every((ban) => !ban.confirmed)).toBe(true);
    }
  });
});

function stretchesOf(run: { states: RecordedState[] }) {
  return standingIn(run.states).filter((stretch) => !PLANTED.has(stretch.network));
}

/** The reason by the hash's history: at its time or later, at a start or stop of netfilter, or earlier by a person. */
function expectedReason(
  stretch: { to: number; until: number },
  run: { lines: RecordedLine[]; states: RecordedState[] },
): string | undefined {
  if (stretch.to === Number.POSITIVE_INFINITY) return undefined;
  if (stretch.to >= stretch.until - 10_000) return 'expired';
  if (run.states.some((state) => state.restarted && state.at === stretch.to)) return 'cleared';
  const isClear = run.lines.some(
    (line) => line.text.includes('Clearing all bans') && stretch.to - line.at > -200 && stretch.to - line.at < 200,
  );
  return isClear ? 'cleared' : 'lifted';
}

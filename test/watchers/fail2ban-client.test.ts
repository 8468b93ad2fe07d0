import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TransientError } from '../../src/core/errors.ts';
import type { Cursor, Snapshot } from '../../src/core/watcher.ts';
import { fail2banClientWatcher } from '../../src/watchers/fail2ban-client.ts';
import {
  parseBanned,
  parseJailList,
  parseOffset,
  parseStatus,
  parseTimes,
} from '../../src/watchers/fail2ban-client-answers.ts';
import { createHarness } from '../support/recorder-harness.ts';
import { createRecordingLogger, type RecordingLogger } from '../support/recording-logger.ts';
import { type Run, runWatcher } from '../support/run-watcher.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';
import { watcherTools } from '../support/watcher-tools.ts';
import { createFakeFail2ban, type FakeFail2ban } from './fail2ban-client-rig.ts';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'fail2ban');
const T0 = 1_795_430_000_000;

/** Every answer of the real client, by its command: what it printed and its exit code. */
const CAPTURED = ['client-file.txt', 'client-stdout.txt'].flatMap((file) =>
  readFileSync(join(FIXTURES, file), 'utf8')
    .split(/^\$ fail2ban-client /m)
    .slice(1)
    .map((text) => {
      const end = text.indexOf('\n');
      const exit = /^\[exit (\d+)\]$/m.exec(text);
      return { command: text.slice(0, end), output: text.slice(end + 1, exit?.index), exitCode: Number(exit?.[1]) };
    }),
);
const outputs = (command: string) =>
  CAPTURED.filter((each) => each.command === command && each.exitCode === 0).map(({ output }) => output);

describe('what the real client printed', () => {
  it('is read: the jails', () => {
    expect(outputs('status').map(parseJailList)).toEqual([
      ['badaction', 'perm', 'postfix-sasl-test', 'recidive-like'],
      ['badaction', 'perm', 'postfix-sasl-test', 'recidive-like'],
      ['badaction', 'postfix-sasl-test', 'recidive-like'],
      ['badaction', 'perm', 'postfix-sasl-test', 'recidive-like'],
      ['badaction', 'perm', 'postfix-sasl-test', 'recidive-like'],
      ['badaction', 'postfix-sasl-test', 'recidive-like'],
    ]);
  });

  it('is read: what is banned, in all jails and in one', () => {
    const bans = {
      'postfix-sasl-test': ['203.0.113.8', '203.0.113.9'],
      'recidive-like': ['203.0.113.7'],
      perm: ['203.0.113.50'],
      badaction: ['203.0.113.51'],
    };
    const none = { 'postfix-sasl-test': [], 'recidive-like': [], perm: [], badaction: [] };
    expect(outputs('banned').map((text) => Object.fromEntries(parseBanned(text) ?? []))).toEqual([
      none,
      bans,
      none,
      bans,
    ]);
    expect(outputs('status recidive-like').map(parseStatus)).toEqual(Array(2).fill(['2001:db8:bad::7', '203.0.113.7']));
    expect(outputs('status postfix-sasl-test').map((text) => parseStatus(text)?.length)).toEqual([0, 2, 2, 0, 2, 2]);
    // Of another command, and of one that leaves the list out.
    expect(outputs('banned 203.0.113.7').map(parseBanned)).toEqual([undefined, undefined]);
    expect(outputs('status postfix-sasl-test short').map(parseStatus)).toEqual([undefined, undefined]);
  });

  it('is read: until when', () => {
    const [first] = outputs('get postfix-sasl-test banip --with-time').map(parseTimes);
    expect([...(first?.times ?? [])]).toEqual([
      [
        '203.0.113.8',
        { text: '2026-11-23 11:11:10 + 12', startedAt: Date.UTC(2026, 10, 23, 11, 11, 10), lengthMs: 12_000 },
      ],
      [
        '203.0.113.9',
        { text: '2026-11-23 11:11:12 + 12', startedAt: Date.UTC(2026, 10, 23, 11, 11, 12), lengthMs: 12_000 },
      ],
    ]);
    expect(first?.others).toBe(0);
  });
});

describe('an answer', () => {
  it('may hold targets of every kind', () => {
    const text = `[{'a': ['1.2.3.0/24', 'not-an-ip', "it's", 'a \\'b\\' "c"', 'back\\\\slash', 'x\\ny\\x41\\u00e9', ('t', 'u')]}, {'b': []}]`;
    expect(Object.fromEntries(parseBanned(text) ?? [])).toEqual({
      a: ['1.2.3.0/24', 'not-an-ip', "it's", `a 'b' "c"`, 'back\\slash', 'x\nyA\u00e9', '?'],
      b: [],
    });
    expect(parseBanned("[{u'a': [u'1.2.3.4']}]")?.get('a')).toEqual(['1.2.3.4']);
    const { times, others } = parseTimes(
      'not-an-ip \t2026-11-23 18:11:58 + -1 = 9999-12-31 23:59:59\na b \t2026-11-23 18:11:58 + 60 = 2026-11-23 18:12:58\nx\n2026-13-45\n',
    );
    expect([...times].map(([target, { lengthMs }]) => [target, lengthMs])).toEqual([
      ['not-an-ip', Number.POSITIVE_INFINITY],
      ['a b', 60_000],
    ]);
    expect(others).toBe(2);
  });

  it('is not read where it is not whole, or something else', () => {
    for (const text of [
      '',
      '[',
      "[{'a': ['1.2.3.4'",
      "[{'a': ['1.2.3.4']}",
      "[{'a'}]",
      '{}',
      "[{'a': 7}]",
      '[None]',
      "['a']",
    ]) {
      expect(parseBanned(text)).toBeUndefined();
    }
    expect(parseBanned('[]')).toEqual(new Map());
    expect(parseBanned('['.repeat(100_000))).toBeUndefined();
    for (const text of ['', 'Number of jail:\t2\nJail list:\ta', 'Jail list:\ta'])
      expect(parseJailList(text)).toBeUndefined();
    expect(parseJailList('Status\n|- Number of jail:\t0\n`- Jail list:\t')).toEqual([]);
    expect(parseStatus('Currently banned:\t2\nBanned IP list:\t1.2.3.4')).toBeUndefined();
    expect(['+0130', '-1100\n', '+0000'].map(parseOffset)).toEqual([5_400_000, -39_600_000, 0]);
    expect(['', 'UTC', '+1', '%z'].map(parseOffset)).toEqual(Array(4).fill(undefined));
  });

  it('property: whatever is banned comes out of the list as it went in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 8 }), async (targets) => {
        const real = createFakeFail2ban({ clock: { now: () => T0 } });
        for (const target of targets) real.ban('a', target, 60);
        const { stdout } = await real.exec({}, ['fail2ban-client', 'banned'], new AbortController().signal);
        expect(parseBanned(stdout)?.get('a')).toEqual([...new Set(targets)]);
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseBanned(text);
        parseBanned(`[{'a': ['${text}`);
        parseTimes(text);
        parseStatus(text);
        parseJailList(text);
      }),
    );
  });
});

let clock: TestClock;
let logger: RecordingLogger;
let fake: FakeFail2ban;
const runs: Run[] = [];
beforeEach(() => {
  clock = createTestClock(T0);
  logger = createRecordingLogger();
  fake = createFakeFail2ban({ clock });
});
afterEach(async () => {
  for (const run of runs.splice(0)) await run.stop().catch(() => {});
});

const tools = () => watcherTools({ clock, logger, exec: fake.exec });
const create = (options: object = {}) =>
  fail2banClientWatcher.create('fail2ban-client', fail2banClientWatcher.options.parse(options), tools());

async function watch(options: object = {}, from?: Cursor): Promise<Run> {
  const run = runWatcher(create(options), clock, { from });
  runs.push(run);
  await run.idle();
  return run;
}

/** `jail network@seconds`, sorted: seconds from `T0` to its end. */
const standing = (snapshot: Snapshot | undefined) =>
  (snapshot?.bans ?? [])
    .map(({ jail, network, until }) => `${jail} ${network}@${until === undefined ? '?' : (until - T0) / 1_000}`)
    .sort();

describe('the watcher', () => {
  it('tells what is banned in each jail, and until when, whatever the zone of the container', async () => {
    for (const zone of ['+0000', '+0545', '-0930']) {
      fake.zone = zone;
      fake.jails.clear();
      fake.jails.set('empty', new Map());
      fake.ban('sshd', '203.0.113.7', 600);
      fake.ban('sshd', '203.0.113.128/25', -1);
      fake.ban('postfix-sasl', '2001:DB8::1', 3_600);
      fake.ban('postfix-sasl', '203.0.113.7', 60);
      const run = await watch();
      expect(run.last()).toMatchObject({ at: T0, jails: ['empty', 'sshd', 'postfix-sasl'] });
      expect(standing(run.last())).toEqual([
        'postfix-sasl 2001:db8::1/128@3600',
        'postfix-sasl 203.0.113.7/32@60',
        'sshd 203.0.113.128/25@Infinity',
        'sshd 203.0.113.7/32@600',
      ]);
      await run.stop();
    }
  });

  it('runs one command where nothing has changed, and asks a jail again when it has', async () => {
    fake.ban('sshd', '203.0.113.7', 6_000);
    fake.ban('recidive', '203.0.113.8', 6_000);
    const { pass, last } = await watch();
    expect(fake.commands.splice(0)).toEqual([
      'banned',
      'get sshd banip --with-time',
      'date +%z',
      'get recidive banip --with-time',
    ]);
    await pass(90_000);
    expect(fake.commands.splice(0)).toEqual(['banned', 'banned', 'banned']);
    fake.ban('sshd', '203.0.113.9', 60);
    await pass(30_000);
    // fail2ban may make it longer a moment later.
    fake.ban('sshd', '203.0.113.9', 120);
    await pass(30_000);
    expect(fake.commands.splice(0)).toEqual([
      ...['banned', 'get sshd banip --with-time', 'date +%z'],
      ...['banned', 'get sshd banip --with-time', 'date +%z'],
    ]);
    expect(standing(last())).toContain('sshd 203.0.113.9/32@240');
    await pass(300_000);
    expect(fake.commands).toContain('get recidive banip --with-time');
  });

  it('sees a ban that was made longer, at the latest when its end has come', async () => {
    fake.ban('sshd', '203.0.113.7', 60);
    const { pass, last } = await watch();
    await pass(35_000);
    fake.ban('sshd', '203.0.113.7', 600);
    await pass(60_000);
    expect(standing(last())).toEqual(['sshd 203.0.113.7/32@635']);
  });

  it('keeps an end where the container changes its zone in between', async () => {
    fake.ban('sshd', '203.0.113.7', 86_400);
    const { pass, snapshots } = await watch();
    const startedAt = fake.jails.get('sshd')?.get('203.0.113.7')?.at ?? 0;
    expect(startedAt).toBe(T0);
    fake.zone = '+0200';
    // Python still prints the start in the zone of that time.
    fake.jails.get('sshd')?.set('203.0.113.7', { at: startedAt - 3_600_000, seconds: 86_400 });
    await pass(600_000);
    expect(new Set(snapshots().flatMap(standing))).toEqual(new Set(['sshd 203.0.113.7/32@86400']));
  });

  it('takes the times for UTC where the container has no `date`', async () => {
    fake.zone = undefined;
    fake.ban('sshd', '203.0.113.7', 600);
    expect(standing((await watch()).last())).toEqual(['sshd 203.0.113.7/32@600']);
  });

  it('passes over what is no network, and says so once; nor is a jail an option', async () => {
    fake.ban('sshd', 'not-an-ip', 600);
    fake.ban('sshd', '203.0.113.7\n8.8.8.8', 600);
    fake.ban('sshd', '203.0.113.9', 600);
    fake.ban('--help', '203.0.113.9', 600);
    fake.ban('a b', '203.0.113.9', 600);
    const { pass, last } = await watch();
    await pass(60_000);
    expect(last()?.jails).toEqual(['sshd']);
    expect(standing(last())).toEqual(['sshd 203.0.113.9/32@600']);
    expect(logger.told()).toHaveLength(4);
    expect(fake.commands.filter((command) => /--help|a b/.test(command))).toEqual([]);
  });

  it('takes no target from the times that the list does not have', async () => {
    fake.ban('sshd', `203.0.113.7 \t2026-11-23 18:11:58 + 60 = 2026-11-23 18:12:58\n8.8.8.8`, 600);
    expect(standing((await watch()).last())).toEqual([]);
  });

  it('asks an older fail2ban jail by jail', async () => {
    fake.knowsBanned = false;
    fake.ban('sshd', '203.0.113.7', 600);
    fake.jails.set('empty', new Map());
    const { pass, last } = await watch();
    expect(standing(last())).toEqual(['sshd 203.0.113.7/32@600']);
    expect(last()?.jails).toEqual(['sshd', 'empty']);
    expect(fake.commands.slice(0, 5)).toEqual([
      ...['banned', 'status', 'status sshd', 'get sshd banip --with-time', 'date +%z'],
    ]);
    await pass(60_000);
    expect(fake.commands.filter((command) => command === 'banned')).toHaveLength(1);
  });

  it('reckons with the length of a ban where fail2ban does not tell its times', async () => {
    fake.knowsBanned = false;
    fake.knowsTimes = false;
    fake.ban('sshd', '203.0.113.7', 600);
    const { pass, last } = await watch();
    expect(standing(last())).toEqual(['sshd 203.0.113.7/32@0']);
    await pass(45_000);
    fake.ban('sshd', '203.0.113.9', 3_600);
    await pass(30_000);
    // Not there at 30 s, so it ends no sooner than an hour later.
    expect(standing(last())).toEqual(['sshd 203.0.113.7/32@0', 'sshd 203.0.113.9/32@3630']);
  });

  it('gives its arguments as they are, each by itself', async () => {
    fake.ban('sshd', '203.0.113.7', 600);
    await watch({ socket: '/run/f 2b;.sock' });
    expect(fake.argv.slice(0, 2)).toEqual([
      ['fail2ban-client', '-s', '/run/f 2b;.sock', 'banned'],
      ['fail2ban-client', '-s', '/run/f 2b;.sock', 'get', 'sshd', 'banip', '--with-time'],
    ]);
  });

  it('tells of the jails that are asked for', async () => {
    fake.ban('sshd', '203.0.113.7', 600);
    fake.ban('recidive', '203.0.113.8', 600);
    const { last } = await watch({ jails: ['recidive', 'gone'] });
    expect(last()?.jails).toEqual(['recidive']);
    expect(standing(last())).toEqual(['recidive 203.0.113.8/32@600']);
    expect(logger.told()).toEqual(['warn: fail2ban has no such jail now']);
    const failure = await runWatcher(create({ jails: ['gone', 'away'] }), clock).failure();
    expect(failure).toMatchObject({
      name: 'TransientError',
      message: 'fail2ban has none of the jails that are configured: gone, away',
    });
  });

  it('says what it finds', async () => {
    fake.ban('sshd', '203.0.113.7', 600);
    fake.jails.set('recidive', new Map());
    const { options, probe } = fail2banClientWatcher;
    expect(await probe?.(options.parse({}), tools(), new AbortController().signal)).toBe(
      'fail2ban answers: 2 jails: sshd (1), recidive (0)',
    );
  });

  it('refuses options that cannot be meant', () => {
    const isTaken = (options: object) => fail2banClientWatcher.options.safeParse(options).success;
    expect([{}, { poll_interval_seconds: 5 }, { socket: '/run/x' }, { jails: ['a'] }].map(isTaken)).toEqual(
      Array(4).fill(true),
    );
    const wrong = [{ poll_interval_seconds: 4 }, { socket: 'x' }, { jails: [] }, { jails: ['-x'] }, { jails: ['a b'] }];
    expect(wrong.map(isTaken)).toEqual(Array(5).fill(false));
  });
});

describe('a failure', () => {
  const stderr = (text: string) => `2026-11-23 18:11:59,551 fail2ban                [7102]: ERROR   ${text}\n`;
  const cases: [string, object, RegExp][] = [
    [
      'no server',
      { exitCode: 255, stderr: stderr('Failed to access socket path: /run/f2b.sock. Is fail2ban running?') },
      /^fail2ban does not run in fail2ban, or has its socket elsewhere than \/run\/f2b\.sock: .*`socket`$/,
    ],
    [
      'no permission',
      { exitCode: 255, stderr: stderr('Permission denied to socket: /run/f2b.sock, (you must be root)') },
      /^fail2ban-client may not open \/run\/f2b\.sock in fail2ban: the user of the container has to be root/,
    ],
    [
      'a dead server',
      { exitCode: 255, stderr: stderr('[Errno 111] Connection refusedUnable to contact server. Is it running?') },
      /does not answer at its socket/,
    ],
    [
      'no client',
      { exitCode: 127, stdout: 'exec: "fail2ban-client": executable file not found' },
      /no fail2ban-client in/,
    ],
    [
      'anything else',
      { exitCode: 3, stderr: 'Traceback \u001b[31m' },
      /^fail2ban-client banned fails with exit code 3: Traceback \[31m$/,
    ],
    ['too much', { isCut: true, stdout: "[{'sshd': ['203." }, /^fail2ban-client banned prints more than can be read$/],
    ['nonsense', { stdout: 'hello' }, /^fail2ban-client status prints no list of jails$/],
  ];

  it.each(cases)('is told with what to do: %s', async (_what, result, message) => {
    fake.answerWith(result);
    const error = await runWatcher(create(), clock).failure();
    expect(error).toBeInstanceOf(TransientError);
    expect(error).toMatchObject({ message: expect.stringMatching(message) });
  });

  it('in the middle of a reading ends it: nothing of it is told', async () => {
    fake.ban('sshd', '203.0.113.7', 600);
    const { exec } = fake;
    fake.exec = async (selector, argv, signal) =>
      argv.includes('--with-time')
        ? { exitCode: 255, stdout: "Sorry but the jail 'sshd' does not exist\n", stderr: '', isCut: false }
        : exec(selector, argv, signal);
    const run = runWatcher(create(), clock);
    expect(await run.failure()).toMatchObject({ message: 'fail2ban in fail2ban has no jail sshd' });
    expect(run.batches).toEqual([]);
  });

  it('of the exec itself is passed on, and an end that was asked for is none', async () => {
    fake.exec = async () => {
      throw new TransientError('the container fail2ban does not run: Exited (1)');
    };
    expect(await runWatcher(create(), clock).failure()).toMatchObject({ message: /does not run/ });
    fake = createFakeFail2ban({ clock });
    await (await watch()).stop();
  });
});

describe('bans that are gone', () => {
  /** Recorded as supervision would, with everything that was told. */
  async function record() {
    const watcher = create();
    const harness = createHarness({ clock, watchers: [{ watcher, reads: (jail) => jail !== 'netfilter' }] });
    const { recorder } = harness;
    let cursor: Cursor | undefined;
    const start = () => {
      const run = runWatcher(watcher, clock, {
        from: cursor,
        onBatch: (batch) => {
          recorder.record(watcher, batch);
          cursor = batch.cursor ?? cursor;
        },
      });
      runs.push(run);
      return run;
    };
    let run = start();
    await run.idle();
    return {
      ...harness,
      async restart() {
        await run.stop().catch(() => {});
        run = start();
        await run.idle();
      },
      async pass(ms: number) {
        for (let left = ms; left > 0; left -= 1_000) {
          await run.pass(Math.min(left, 1_000));
          if ((recorder.nextDueAt() ?? Number.POSITIVE_INFINITY) <= clock.now()) recorder.tick();
        }
      },
    };
  }

  it('began, were extended, and ended as they ended', async () => {
    fake.ban('sshd', '203.0.113.1', 3_600);
    const { pass, told, bans } = await record();
    expect(told()).toEqual(['bans.adopted 1+0']);
    fake.ban('sshd', '203.0.113.7', 60);
    fake.ban('sshd', '203.0.113.8', 3_600);
    fake.ban('recidive', '203.0.113.8', 604_800);
    fake.ban('recidive', '203.0.113.0/24', -1);
    await pass(35_000);
    expect(told().slice(1).sort()).toEqual([
      'ban.started 203.0.113.0/24',
      'ban.started 203.0.113.7/32',
      'ban.started 203.0.113.8/32',
      'ban.started 203.0.113.8/32',
    ]);
    expect(bans()).toContainEqual(
      expect.objectContaining({ jail: 'recidive', network: '203.0.113.8/32', confirmed: true }),
    );
    fake.ban('sshd', '203.0.113.8', 7_200);
    await pass(20_000);
    fake.unban('sshd', '203.0.113.7');
    fake.unban('recidive', '203.0.113.0/24');
    await pass(60_000);
    expect(told().slice(5).sort()).toEqual([
      'ban.ended 203.0.113.0/24 lifted',
      'ban.ended 203.0.113.7/32 expired',
      'ban.extended 203.0.113.8/32',
    ]);
    fake.jails.get('sshd')?.clear();
    await pass(60_000);
    expect(told().slice(8)).toEqual(['bans.cleared 2']);
  });

  it('with their jail are told as one, with the reason', async () => {
    fake.ban('sshd', '203.0.113.1', 3_600);
    fake.ban('recidive', '203.0.113.2', 3_600);
    const { pass, told, events } = await record();
    await pass(30_000);
    fake.jails.delete('sshd');
    await pass(40_000);
    expect(told()).toEqual(['bans.adopted 2+0']);
    await pass(40_000);
    expect(told().slice(1)).toEqual(['bans.cleared 1']);
    expect(events.at(-1)).toMatchObject({ cleared: { jail: 'sshd', reason: 'the jail sshd was stopped' } });
  });

  it('are not told where fail2ban only restarts, and puts them back one after the other', async () => {
    for (let n = 0; n < 100; n++) fake.ban('sshd', `203.0.113.${n}`, 3_600);
    fake.ban('recidive', '203.0.113.8', 604_800);
    const { pass, told, restart } = await record();
    await pass(30_000);
    const before = new Map(fake.jails);
    fake.jails.clear();
    await pass(20_000);
    fake.answerWith({ exitCode: 255, stderr: 'Failed to access socket path: /run/f2b.sock. Is fail2ban running?' });
    await expect(pass(30_000)).rejects.toThrow('fail2ban does not run');
    fake.answerWith(undefined);
    const back = new Map();
    fake.jails.set('sshd', back);
    await restart();
    for (const [target, time] of before.get('sshd') ?? []) {
      await pass(1_000);
      back.set(target, time);
    }
    fake.jails.set('recidive', before.get('recidive') ?? new Map());
    await pass(60_000);
    expect(told()).toEqual(['bans.adopted 101+0']);
  });

  it('while cowbell was away are told when it is back', async () => {
    fake.ban('sshd', '203.0.113.1', 3_600);
    fake.ban('sshd', '203.0.113.2', 3_600);
    fake.ban('gone', '203.0.113.3', 3_600);
    const { pass, told, restart } = await record();
    await pass(30_000);
    fake.unban('sshd', '203.0.113.1');
    fake.jails.delete('gone');
    await restart();
    await pass(60_000);
    expect(told().slice(1).sort()).toEqual(['ban.ended 203.0.113.1/32 lifted', 'bans.cleared 1']);
  });
});

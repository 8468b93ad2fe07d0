import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BAN_EVENT_TYPES } from '../../src/core/event.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { startReceiver } from '../support/receivers.ts';
import { startRedis } from '../support/redis-server.ts';
import { cowbell } from '../support/run-cli.ts';
import { sampleEvent } from '../support/sample-bans.ts';
import { RECEIVER_TOKEN } from '../support/service.ts';
import { slackProblems } from '../support/slack-rules.ts';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const FIXTURES = join(ROOT, 'test/fixtures');

function configIn(folder: string, notifiers = '[{type: console}]'): string {
  const file = join(folder, 'cowbell.yaml');
  writeFileSync(
    file,
    `host: mail.example.org\nstate: ${folder}/cowbell.db\ndocker: {socket: ${folder}/none.sock}\nnotifiers: ${notifiers}\n`,
  );
  return file;
}

describe('cowbell', () => {
  it('helps with every command, and says what is wrong with a command line', async () => {
    const help = await cowbell(['--help']);
    expect(help.code).toBe(0);
    for (const name of [
      'run',
      'check',
      'ring',
      'demo',
      'replay',
      'explain',
      'bans',
      'unban',
      'allow',
      'deny',
      'outbox',
      'health',
      'schema',
      'example',
    ]) {
      expect(help.out).toContain(`\n  ${name} `);
      expect((await cowbell([name, '--help'])).code).toBe(0);
    }
    const unknown = await cowbell(['rnu']);
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining("unknown command 'rnu'")]);
  });

  it('leaves with 78 and every mistake where the configuration is wrong', async () => {
    const file = join(tempDir(), 'c.yaml');
    writeFileSync(file, 'notifiers: [{type: slak}]\nhots: x\n');
    const { code, err } = await cowbell(['run', '--config', file]);
    expect(code).toBe(78);
    expect(err).toContain(`${file}:1:20: notifiers[0].type: expected one of slack`);
    expect(err).toContain('hots: is not known here; did you mean "host"?');
    expect(err).toContain('2 mistakes; `cowbell example`');
  });

  it('says where a configuration is looked for, where there is none', async () => {
    const { code, err } = await cowbell(['check'], { env: {} });
    expect(code).toBe(78);
    expect(err).toMatch(/^notifiers: is missing: .*COWBELL_SLACK_URL/);
    expect(err).toContain(
      'there is no cowbell.yaml and no /etc/cowbell/cowbell.yaml: write one, or name yours by --config',
    );
  });

  it('says in one line that it needs a newer Node.js', () => {
    const folder = tempDir();
    execFileSync(process.execPath, [
      join(ROOT, 'node_modules/typescript/bin/tsc'),
      '-p',
      join(ROOT, 'tsconfig.build.json'),
      '--outDir',
      join(folder, 'dist'),
    ]);
    writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
    const older = '/usr/bin/node';
    const isOlder = existsSync(older) && Number(/^v(\d+)/.exec(execFileSync(older, ['-v']).toString())?.[1]) < 24;
    // Where the system has no older one, the process is told that it is one.
    const args = isOlder
      ? []
      : ['--import', `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.1.0'})`];
    let output = '';
    try {
      execFileSync(isOlder ? older : process.execPath, [...args, join(folder, 'dist/main.js'), 'run'], {
        stdio: 'pipe',
      });
    } catch (error) {
      output = String((error as { stderr: Buffer }).stderr);
      expect((error as { status: number }).status).toBe(1);
    }
    expect(output).toMatch(/^cowbell needs Node\.js 24 or newer; this is v[\d.]+\n$/);
  }, 180_000);
});

describe('explain', () => {
  it('prints one JSON object a line, in order', async () => {
    const input = [
      '2026-11-23 11:48:41 CRIT: Banning 185.36.81.23/32 for 30 minutes',
      'netfilter-mailcow-1  | 2026-11-23 11:48:57 INFO: Unbanning 185.36.81.23/32',
      'nothing of interest',
    ].join('\n');
    const { code, out } = await cowbell(['explain', '--watcher', 'netfilter'], { input });
    expect(code).toBe(0);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      {
        line: 1,
        observation: { kind: 'banned', network: '185.36.81.23/32', ip: '185.36.81.23', jail: 'netfilter', minutes: 30 },
      },
      { line: 2, observation: expect.objectContaining({ kind: 'unbanned', network: '185.36.81.23/32' }) },
      { line: 3, observation: null },
    ]);
  });

  it('takes only a line feed for the end of a line', async () => {
    const input = 'a\rBanning 8.8.8.8/32 for 30 minutes\nb\u2028Banning 8.8.8.8/32 for 30 minutes\r\nlast';
    const { out } = await cowbell(['explain', '-w', 'netfilter'], { input });
    expect(out).toBe([1, 2, 3].map((line) => `{"line":${line},"observation":null}\n`).join(''));
  });

  it('reads the watchers of a configuration, whatever the rest of it lacks', async () => {
    const folder = tempDir();
    const file = join(folder, 'cowbell.yaml');
    const pattern = "{kind: auth-failed, regex: '^login of (?P<account>\\S+) from <HOST> failed$'}";
    const watchers = `[{type: redis}, {type: pattern, container: app, patterns: [${pattern}]}]`;
    writeFileSync(
      file,
      `redis: {password: '\${NONE}'}\nnotifiers: [{type: slack, url: '\${NONE}'}]\nwatchers: ${watchers}\n`,
    );
    const { out, err } = await cowbell(['explain', '-w', 'pattern', '-c', file], {
      input: 'login of bob from 198.51.100.7 failed\n',
    });
    expect(err).toBe('');
    expect(JSON.parse(out)).toMatchObject({ observation: { kind: 'auth-failed', account: 'bob' } });
    writeFileSync(file, `notifiers: [{type: slack}]\nwatchers: [{type: pattern}]\n`);
    expect((await cowbell(['explain', '-w', 'pattern', '-c', file], { input: 'x' })).err).toContain('watchers[0]');
  });

  it('says which watchers there are, and that a file is not there', async () => {
    expect((await cowbell(['explain', '--watcher', 'redis'])).err).toContain('there are netfilter, ');
    expect((await cowbell(['explain', '-w', 'netfilter', '/nowhere'])).err).toMatch(/\/nowhere cannot be read: ENOENT/);
  });
});

describe('replay', () => {
  it('plays a log through everything, to the terminal or to the notifiers of a configuration', async () => {
    const log = join(FIXTURES, 'netfilter/01-defaults.stdout.ts.log');
    const shown = await cowbell(['replay', '--watcher', 'netfilter', log]);
    expect([shown.code, shown.err]).toEqual([0, '']);
    expect(shown.out).toContain('Banned 185.36.81.23 for 30 min');
    const lines = readFileSync(log, 'utf8').split('\n').length - 1;
    expect(shown.out).toMatch(new RegExp(`\\n${lines} lines read, 25 bans, \\d+ alerts delivered\\n$`));

    const receiver = await startReceiver({ kind: 'webhook' });
    onTestFinished(() => receiver.stop());
    const file = configIn(tempDir(), `[{type: webhook, url: '${receiver.url}'}]`);
    const sent = await cowbell(['replay', '--watcher', 'netfilter', '--config', file, log]);
    expect(sent.code).toBe(0);
    expect(receiver.events().filter(({ type }) => type === 'cowbell.ban.started')).toHaveLength(25);
    expect(receiver.problems()).toEqual([]);
  });

  it('tells what was refused at the end of the log', async () => {
    const { code, out } = await cowbell(['replay', '-w', 'postfix', '-'], {
      input: 'Nov 23 12:25:23 h postfix/postscreen[80]: PREGREET 11 after 0 from [192.0.2.1]:25: EHLO x\\r\\n\n'.repeat(
        3,
      ),
    });
    expect(code).toBe(0);
    expect(out).toContain('3 rejects from 1 address');
    expect(out).toMatch(/\n3 lines read, 0 bans, 1 alert delivered\n$/);
  });

  it('fails with what to do for a watcher that is none', async () => {
    expect(await cowbell(['replay', '--watcher', 'nope', '/dev/null'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('there are netfilter, '),
    });
  });
});

describe('demo', () => {
  it('ends by itself, with everything shown and received', async () => {
    const { code, out, err } = await cowbell(['demo']);
    expect([code, err]).toEqual([0, '']);
    const [, shown, received] = /(\d+) shown above, (\d+) received by HTTP\n$/.exec(out) ?? [];
    expect(Number(shown)).toBeGreaterThan(40);
    expect(received).toBe(shown);
  });
});

describe('bans and outbox', () => {
  it('look into the ledger beside the daemon', async () => {
    const folder = tempDir();
    const file = configIn(folder);
    expect(await cowbell(['bans', '-c', file])).toMatchObject({
      code: 1,
      err: expect.stringContaining('there is no ledger'),
    });
    const ledger = openLedger(join(folder, 'cowbell.db'), Date.now);
    const at = Date.UTC(2026, 10, 23, 11, 48, 41);
    const ban = { jail: 'netfilter', network: '185.36.81.23/32' as never, startedAt: at, seenAt: at };
    ledger.transaction(() => {
      ledger.bans.add({ ...ban, state: 'open', until: at + 1_800_000, confirmed: true });
      ledger.bans.add({
        ...ban,
        state: 'ended',
        network: '5.188.206.14/32' as never,
        endedAt: at + 60_000,
        endReason: 'lifted',
      });
      ledger.deliveries.publish(sampleEvent('e1'), [{ name: 'slack' }, { name: 'discord' }]);
      ledger.deliveries.publish(sampleEvent('e2'), [{ name: 'slack' }]);
    });
    expect((await cowbell(['bans', '-c', file])).out).toBe(
      `NETWORK          JAIL       SINCE                 UNTIL                 ATTEMPTS  SERVICES  STATE   POLICY  WHY
185.36.81.23/32  netfilter  2026-11-23T11:48:41Z  2026-11-23T12:18:41Z  0         -         stands  -       -
`,
    );
    expect((await cowbell(['bans', '--all', '-c', file])).out).toMatch(/5\.188\.206\.14\/32 .* lifted {2}- +-\n/);
    const json = (await cowbell(['bans', '--json', '-c', file])).out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(json).toMatchObject([{ network: '185.36.81.23/32', until: '2026-11-23T12:18:41.000Z', confirmed: true }]);

    const delivery = ledger.deliveries.claim('slack', 10);
    ledger.deliveries.park('slack', delivery?.id ?? '', 'HTTP 404: no_service');
    const listed = await cowbell(['outbox', '-c', file]);
    expect(listed.out).toMatch(/slack +0 +2 /);
    expect(listed.out).toMatch(/discord +1 +0 /);
    expect(listed.out).toContain('slack: 2 alerts, refused: HTTP 404: no_service');
    expect((await cowbell(['outbox', 'retry', 'slack', '-c', file])).out).toBe('2 alerts are owed again\n');
    expect((await cowbell(['outbox', 'drop', '-c', file])).out).toBe('3 alerts were dropped\n');
    expect((await cowbell(['outbox', 'list', '-c', file])).out).toBe('nothing is owed\n');
    ledger.close();
  });

  it('say which parked lane goes on, and leave nothing of one that is owed nothing any more', async () => {
    const dir = tempDir();
    const file = configIn(dir, '[{type: console}]');
    const ledger = openLedger(join(dir, 'cowbell.db'), Date.now);
    const park = () => {
      const delivery = ledger.deliveries.claim('gone', 10);
      ledger.deliveries.parkLane('gone', delivery?.id ?? '', 'HTTP 404: no such hook');
    };
    ledger.transaction(() => ledger.deliveries.publish(sampleEvent('e1'), [{ name: 'gone' }]));
    park();
    expect((await cowbell(['outbox', 'retry', '-c', file])).out).toBe('gone goes on\n');
    park();
    expect((await cowbell(['outbox', 'drop', 'gone', '-c', file])).out).toBe('1 alert was dropped\n');
    expect((await cowbell(['outbox', 'list', '-c', file])).out).toBe('nothing is owed\n');
    ledger.close();
  });
});

describe('ring and check', () => {
  it('ring sends every kind of event through each notifier, and tells which one it could not reach', async () => {
    const [good, bad] = await Promise.all([
      startReceiver({ kind: 'webhook' }),
      startReceiver({ kind: 'discord', behaviour: { status: 404 } }),
    ]);
    onTestFinished(async () => void (await Promise.all([good.stop(), bad.stop()])));
    const file = configIn(tempDir(), `[{type: webhook, url: '${good.url}'}, {type: discord, url: '${bad.url}'}]`);
    const all = await cowbell(['ring', '-c', file]);
    expect([all.code, all.out]).toEqual([
      1,
      expect.stringMatching(
        /^webhook: \d+ samples accepted in [\d.]+ s, the slowest after \d+ ms\ndiscord: failed at ban\.started: HTTP 404/,
      ),
    ]);
    expect(new Set(good.events().map(({ type }) => type.replace('cowbell.', '')))).toEqual(new Set(BAN_EVENT_TYPES));
    expect(good.events().every(({ data }) => data.test)).toBe(true);
    expect(all.out + all.err).not.toContain(new URL(bad.url).pathname.split('/').at(-1));
    const one = await cowbell(['ring', 'webhook', '--only', 'source.down', '-c', file]);
    expect([one.code, good.events().at(-1)?.type]).toEqual([0, 'cowbell.source.down']);
    expect((await cowbell(['ring', 'teams', '-c', file])).err).toContain('there are webhook, discord');
    expect((await cowbell(['ring', '--only', 'ban', '-c', file])).err).toContain('there are ban.started');
  });

  it('ring waits where a service asks for patience', async () => {
    const receiver = await startReceiver({
      kind: 'webhook',
      behaviour: [{ status: 429, headers: { 'retry-after': '0.1' } }],
    });
    onTestFinished(() => receiver.stop());
    const file = configIn(tempDir(), `[{type: webhook, url: '${receiver.url}'}]`);
    expect(await cowbell(['ring', '--only', 'source.down', '-c', file])).toMatchObject({ code: 0, err: '' });
    expect(receiver.requests.map(({ status }) => status)).toEqual([429, 204]);
  });

  it('ring prints what a notifier would send, and sends nothing', async () => {
    const receiver = await startReceiver({ kind: 'slack' });
    onTestFinished(() => receiver.stop());
    const file = configIn(tempDir(), `[{type: slack, url: '${receiver.url}'}]`);
    const { code, out } = await cowbell(['ring', '--render', 'slack', '-c', file]);
    expect([code, receiver.requests]).toEqual([0, []]);
    expect(out).toMatch(/^# ban\.started\nPOST http:\/\/127\.0\.0\.1:\d+\/… \(application\/json; charset=utf-8\)\n\{/);
    expect(out.match(/^# /gm)).toHaveLength(sampleEvents('h', 0).length);
    expect(out).not.toContain(RECEIVER_TOKEN);
    const first = out.split('\n\n# ')[0]?.split('\n').slice(2).join('\n') ?? '';
    expect(slackProblems(JSON.parse(first))).toEqual([]);
  });

  it('check tells what it found, and what to do about what it did not', async () => {
    const { code, out, err } = await cowbell(['check', '-c', configIn(tempDir())]);
    expect(code).toBe(1);
    expect(out).toContain('ok    configuration: alerts of mail.example.org go to console');
    expect(out).toContain('will be made');
    expect(out).toMatch(/FAIL {2}watcher netfilter: there is no Docker socket at .*: mount it/);
    expect(err).toBe('1 problem found\n');
  });

  it('check looks at where the state is to be, and makes nothing', async () => {
    const folder = tempDir();
    const file = configIn(folder);
    const checked = async (state: string) => {
      writeFileSync(file, readFileSync(file, 'utf8').replace(/^state: .*$/m, `state: ${state}`));
      return (await cowbell(['check', '-c', file])).out;
    };
    expect(await checked(`${folder}/a/b/c.db`)).toMatch(/^ok {4}state: .* will be made$/m);
    expect(existsSync(join(folder, 'a'))).toBe(false);
    expect(await checked(folder)).toMatch(/^FAIL {2}state: .* is a folder; a file is expected$/m);
    expect(await checked(`${file}/a/b.db`)).toMatch(/^FAIL {2}state: .*cowbell\.yaml is no folder$/m);
    writeFileSync(join(folder, 'other.db'), 'garbage'.repeat(99));
    expect(await checked(`${folder}/other.db`)).toMatch(/^FAIL {2}state: .* is not a database/m);
    // Making a folder there never ends; looking at it does.
    expect(await checked('/proc/nowhere/c.db')).toMatch(/^(ok {4}|FAIL {2})state: /m);
  });

  it('check shows no secret, whatever cannot be reached', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const folder = tempDir();
    const file = configIn(folder, `[{type: slack, url: 'https://hooks.slack.com/services/tOkEn'}]`);
    for (const password of ['wr0ng-pa55', redis.password]) {
      const env = { REDISPASS: password };
      const config = `${readFileSync(file, 'utf8').replace(/^redis:.*\n/m, '')}redis: {url: '${redis.url}', password: '\${REDISPASS}'}\n`;
      writeFileSync(file, config);
      const { out, err } = await cowbell(['check', '-c', file], { env });
      expect(out).toMatch(password === redis.password ? /ok {4}redis/ : /FAIL {2}redis: Redis refused the password/);
      expect(out + err).not.toMatch(/tOkEn|wr0ng-pa55/);
      expect(out + err).not.toContain(redis.password);
    }
  });

  it('the example and the schemas it prints are the files in the checkout', async () => {
    expect((await cowbell(['example'])).out).toBe(readFileSync(join(ROOT, 'config.example.yaml'), 'utf8'));
    expect((await cowbell(['schema'])).out).toBe(readFileSync(join(ROOT, 'docs/cowbell.schema.json'), 'utf8'));
    expect((await cowbell(['schema', '--events'])).out).toBe(
      readFileSync(join(ROOT, 'docs/events.schema.json'), 'utf8'),
    );
  });
});

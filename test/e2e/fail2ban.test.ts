import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { composeLabels } from '../support/docker-engine.ts';
import { eventually } from '../support/eventually.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import { shortEvent } from '../support/recorder-harness.ts';
import { tempDir } from '../support/temp-dir.ts';

let stack: NetfilterStack;
beforeEach(async () => {
  stack = await startStack();
});
afterEach(() => stack.close());

/** A real fail2ban, with one jail that reads a log which the test writes, in a container of its own. */
async function startFail2ban(folder: string) {
  const etc = join(folder, 'etc');
  mkdirSync(join(etc, 'filter.d'), { recursive: true });
  mkdirSync(join(etc, 'action.d'), { recursive: true });
  mkdirSync(join(folder, 'run'), { recursive: true });
  writeFileSync(join(folder, 'mail.log'), '');
  writeFileSync(
    join(etc, 'fail2ban.conf'),
    `[Definition]
loglevel = INFO
logtarget = STDOUT
syslogsocket = auto
socket = /f2b/run/f2b.sock
pidfile = /f2b/run/f2b.pid
dbfile = /f2b/run/f2b.sqlite3
dbpurgeage = 1d
dbmaxmatches = 10
[Thread]
`,
  );
  writeFileSync(join(etc, 'filter.d/mail.conf'), '[Definition]\nfailregex = ^.*login failed from <HOST>$\n');
  writeFileSync(join(etc, 'action.d/none.conf'), '[Definition]\nactionban = true\nactionunban = true\n');
  writeFileSync(
    join(etc, 'jail.conf'),
    `[DEFAULT]
backend = polling
usedns = no
[postfix-sasl]
enabled = true
filter = mail
logpath = /f2b/mail.log
action = none
maxretry = 3
findtime = 600
bantime = 3600
`,
  );
  const system = ['/usr', '/lib', '/lib64', '/bin', '/etc'].map((path) => `${path}:${path}:ro`);
  return await stack.engine.run({
    name: 'mailstack-fail2ban-1',
    labels: composeLabels('fail2ban'),
    binds: [...system, `${folder}:/f2b`],
    command: ['/usr/bin/python3', '/usr/bin/fail2ban-server', '-f', '-x', '-c', '/f2b/etc', 'start'],
  });
}

describe('a real fail2ban in a container', () => {
  const told = () => stack.events().map(shortEvent);

  it('is read as it bans, lifts, and comes back after a restart', { timeout: 180_000 }, async () => {
    const folder = tempDir();
    const container = await startFail2ban(folder);
    const output = async () => (await container.logs({ stdout: true, stderr: true })).toString();
    await eventually(async () => expect(await output()).toContain("Jail 'postfix-sasl' started"), {
      timeoutMs: 60_000,
    });
    await stack.startCowbell('watchers: [{type: fail2ban}]');
    const fail = (ip: string) => {
      const now = new Date();
      const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000)
        .toISOString()
        .slice(0, 19)
        .replace('T', ' ');
      appendFileSync(join(folder, 'mail.log'), `${local} mail: login failed from ${ip}\n`.repeat(3));
    };
    fail('203.0.113.7');
    await eventually(() => expect(told()).toEqual(['ban.started 203.0.113.7/32']), { timeoutMs: 60_000 });
    const [event] = stack.events();
    expect(event).toMatchObject({
      ban: { jail: 'postfix-sasl', attempts: 3, services: ['smtp'], confirmed: false, sources: ['fail2ban'] },
    });
    fail('2001:db8:bad::7');
    await eventually(() => expect(told()).toContain('ban.started 2001:db8:bad::7/128'), { timeoutMs: 60_000 });

    // A restart logs an unban for every ban, and then puts them all back: nothing of that is news.
    await container.restart({ t: 10 });
    await eventually(async () => expect(await output()).toContain('Restore Ban 203.0.113.7'), { timeoutMs: 60_000 });
    fail('198.51.100.9');
    await eventually(() => expect(told().at(-1)).toBe('ban.started 198.51.100.9/32'), { timeoutMs: 60_000 });
    expect(told()).toHaveLength(3);

    const unban = await container.exec({
      Cmd: [
        '/usr/bin/python3',
        '/usr/bin/fail2ban-client',
        '-c',
        '/f2b/etc',
        'set',
        'postfix-sasl',
        'unbanip',
        '203.0.113.7',
      ],
      AttachStdout: true,
    });
    await unban.start({ Detach: false });
    await eventually(() => expect(told().at(-1)).toBe('ban.ended 203.0.113.7/32 lifted'), { timeoutMs: 60_000 });
  });
});

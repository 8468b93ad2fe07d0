import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import type { DockerEngine } from './docker-engine.ts';
import { composeLabels } from './docker-engine.ts';
import { eventually } from './eventually.ts';

/** Where fail2ban has its socket inside the container. */
export const FAIL2BAN_SOCKET = '/f2b/run/f2b.sock';
/** Where its client looks for it unless it is told. */
export const USUAL_SOCKET = '/var/run/fail2ban/fail2ban.sock';

export interface Fail2banContainer {
  container: Docker.Container;
  /** Runs the real client, as a person does; returns what it prints. */
  client(...command: string[]): Promise<string>;
  /** Resolves when the server answers. */
  ready(): Promise<void>;
}

/** Debian's fail2ban-server in a container, with jails that only do what they are told; files are kept in `folder`. */
export async function startFail2banContainer(
  engine: DockerEngine,
  folder: string,
  { jails, timeZone, socket = FAIL2BAN_SOCKET }: { jails: Record<string, number>; timeZone: string; socket?: string },
): Promise<Fail2banContainer> {
  const etc = join(folder, 'etc');
  for (const name of ['etc/filter.d', 'etc/action.d', 'run']) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, 'mail.log'), '');
  writeFileSync(
    join(etc, 'fail2ban.conf'),
    `[Definition]
loglevel = INFO
logtarget = STDOUT
syslogsocket = auto
socket = ${socket}
pidfile = /f2b/run/f2b.pid
dbfile = /f2b/run/f2b.sqlite3
dbpurgeage = 1d
dbmaxmatches = 10
[Thread]
`,
  );
  writeFileSync(join(etc, 'filter.d/mail.conf'), '[Definition]\nfailregex = ^.*login failed from <HOST>$\n');
  writeFileSync(join(etc, 'action.d/none.conf'), '[Definition]\nactionban = true\nactionunban = true\n');
  const sections = Object.entries(jails).map(([name, seconds]) => `[${name}]\nenabled = true\nbantime = ${seconds}\n`);
  writeFileSync(
    join(etc, 'jail.conf'),
    `[DEFAULT]
backend = polling
usedns = no
filter = mail
logpath = /f2b/mail.log
action = none
${sections.join('')}`,
  );
  const system = ['/usr', '/lib', '/lib64', '/bin', '/etc'].map((path) => `${path}:${path}:ro`);
  const container = await engine.run({
    name: 'mailstack-fail2ban-1',
    labels: composeLabels('fail2ban'),
    env: [`TZ=${timeZone}`],
    binds: [...system, `${folder}:/f2b`, `${join(folder, 'run')}:/var/run/fail2ban`],
    command: ['/usr/bin/python3', '/usr/bin/fail2ban-server', '-f', '-x', '-c', '/f2b/etc', 'start'],
  });
  const fail2ban: Fail2banContainer = {
    container,
    async client(...command) {
      const Cmd = ['fail2ban-client', '-s', socket, ...command];
      const exec = await container.exec({ Cmd, Tty: true, AttachStdout: true, AttachStderr: true });
      const stream = await exec.start({ Tty: true });
      let output = '';
      for await (const chunk of stream) output += String(chunk);
      return output.trim();
    },
    ready: () =>
      eventually(
        async () => {
          const answer = await fail2ban.client('status');
          if (!answer.includes(`Number of jail:\t${Object.keys(jails).length}`)) throw new Error(answer);
        },
        { timeoutMs: 60_000, everyMs: 100 },
      ),
  };
  return fail2ban;
}

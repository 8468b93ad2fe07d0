import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { eventually } from './eventually.ts';
import { type RunningProgram, startProgram } from './process.ts';
import { freePort } from './redis-server.ts';

export interface DovecotServer {
  /** Complete lines that were logged so far. */
  lines(): string[];
  /** One session of IMAP: each line is sent once the one before is answered. Resolves with all that dovecot said. */
  talk(lines: readonly string[], from?: string): Promise<string>;
  close(): Promise<void>;
}

export const ACCOUNT = { name: 'user@example.org', password: 'correct horse' };

/** Debian's dovecot with folders and a port of its own, one account, logging to its standard error as in a container. */
export async function startDovecot(): Promise<DovecotServer> {
  const folder = mkdtempSync(join(tmpdir(), 'cb-'));
  // dovecot gives its rights away, and must still get at its own files.
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'mail'), { mode: 0o777 });
  chmodSync(join(folder, 'mail'), 0o777);
  const port = await freePort();
  writeFileSync(join(folder, 'users'), `${ACCOUNT.name}:{PLAIN}${ACCOUNT.password}\n`);
  writeFileSync(join(folder, 'dovecot.conf'), configOf(folder, port));
  let program: RunningProgram | undefined;
  const server: DovecotServer = {
    lines: () => (program?.output() ?? '').split('\n').slice(0, -1),
    talk: (lines, from = '127.0.0.1') => talk(port, lines, from),
    async close() {
      await program?.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    program = startProgram('/usr/sbin/dovecot', ['-F', '-c', join(folder, 'dovecot.conf')]);
    await eventually(async () => {
      try {
        await server.talk(['a LOGOUT']);
      } catch (cause) {
        throw new Error(program?.output(), { cause });
      }
    });
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}

async function talk(port: number, lines: readonly string[], localAddress: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  const left = [...lines];
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
    // The greeting, a tagged answer, or a question for more.
    if (!/(?:^|\n)(?:\* OK|\w+ (?:OK|NO|BAD)|\+) ?.*\r\n$/.test(answer)) return;
    const next = left.shift();
    answer = '';
    if (next === undefined) socket.end();
    else socket.write(`${next}\r\n`);
  });
  return await text(socket);
}

/** As in mailcow, but for the log's place; a failed login is answered at once, so that the tests need not wait. */
function configOf(folder: string, port: number): string {
  return `
protocols = imap
listen = 127.0.0.1
base_dir = ${folder}/run
state_dir = ${folder}/run
log_path = /dev/stderr
auth_mechanisms = plain login
auth_verbose = yes
auth_verbose_passwords = sha1:6
auth_failure_delay = 0
disable_plaintext_auth = no
ssl = no
mail_location = maildir:${folder}/mail/%n
first_valid_uid = 1
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
passdb {
  driver = passwd-file
  args = ${folder}/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${folder}/mail/%n
}
`;
}

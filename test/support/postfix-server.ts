import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { type RunningProgram, startProgram } from './process.ts';
import { freePort } from './redis-server.ts';

const run = promisify(execFile);

export interface PostfixServer {
  /** Ports of 127.0.0.1: postscreen with an smtpd behind it, an smtpd by itself, submission, one with a rate limit. */
  ports: { postscreen: number; smtpd: number; submission: number; limited: number };
  /** Path of the file that it logs to. */
  log: string;
  /** Complete lines that were logged so far. */
  lines(): string[];
  close(): Promise<void>;
}

/** Addresses of loopback that postscreen knows: one is refused at once, one is let through at once. */
export const DENIED = '127.0.0.66';
export const ALLOWED = '127.0.0.77';

/**
 * Debian's Postfix with folders, ports and a log file of its own. Nothing is ever
 * delivered; it asks no DNS. Logins are checked by `authSocket`, which speaks Dovecot's protocol.
 */
export async function startPostfix({ authSocket }: { authSocket: string }): Promise<PostfixServer> {
  const folder = mkdtempSync(join(tmpdir(), 'cb-'));
  // Postfix gives its rights away, and must still get at its own files.
  chmodSync(folder, 0o755);
  for (const name of ['etc', 'queue', 'data']) mkdirSync(join(folder, name), { mode: 0o755 });
  const [postscreen, smtpd, submission, limited] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const ports = { postscreen, smtpd, submission, limited };
  const config = join(folder, 'etc');
  const log = join(folder, 'mail.log');
  writeFileSync(join(config, 'main.cf'), mainCf(folder, authSocket));
  writeFileSync(join(config, 'master.cf'), masterCf(ports));
  writeFileSync(join(config, 'access'), `${DENIED} reject\n${ALLOWED} permit\n`);

  let program: RunningProgram | undefined;
  const server: PostfixServer = {
    ports,
    log,
    lines: () => linesOf(log),
    async close() {
      if (program !== undefined) {
        await endMaster(folder, program);
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
  try {
    await run('/usr/bin/chown', ['postfix:', join(folder, 'data')]);
    // Makes the folders that `start-fg` takes for granted.
    await run('/usr/sbin/postfix', ['-c', config, 'check'], { env });
    program = startProgram('/usr/sbin/postfix', ['-c', config, 'start-fg'], { env });
    await eventually(() => {
      if (!server.lines().some((line) => line.includes('daemon started'))) throw new Error(program?.output());
    });
    return server;
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** Ends the master, which ends its daemons; each of them works in the queue's folder. */
async function endMaster(folder: string, program: RunningProgram): Promise<void> {
  const pid = readPid(folder);
  if (pid !== undefined && isRunning(pid)) process.kill(pid, 'SIGTERM');
  await program.exited;
  await eventually(() => {
    const left = readdirSync('/proc').filter((name) => workingFolder(name)?.startsWith(folder));
    // A postscreen with clients would wait for them.
    for (const each of left) process.kill(Number(each), 'SIGKILL');
    if (left.length > 0) throw new Error(`Postfix has left ${left.join(', ')} behind`);
  });
}

function workingFolder(pid: string): string | undefined {
  try {
    return /^\d+$/.test(pid) ? readlinkSync(`/proc/${pid}/cwd`) : undefined;
  } catch {
    return undefined;
  }
}

function linesOf(log: string): string[] {
  return existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : [];
}

function readPid(folder: string): number | undefined {
  try {
    return Number(readFileSync(join(folder, 'queue/pid/master.pid'), 'utf8').trim());
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function mainCf(folder: string, authSocket: string): string {
  const settings = {
    compatibility_level: '3.6',
    queue_directory: join(folder, 'queue'),
    data_directory: join(folder, 'data'),
    maillog_file: join(folder, 'mail.log'),
    maillog_file_prefixes: folder,
    myhostname: 'mail.example.org',
    mydestination: '',
    mynetworks: '127.0.0.250/32',
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    alias_maps: '',
    alias_database: '',
    local_recipient_maps: '',
    virtual_mailbox_domains: 'example.org',
    virtual_mailbox_maps: 'inline:{ { info@example.org = info } }',
    virtual_transport: 'discard:',
    default_transport: 'discard:',
    smtpd_peername_lookup: 'no',
    smtpd_delay_reject: 'yes',
    smtpd_helo_restrictions: 'reject_invalid_helo_hostname',
    smtpd_relay_restrictions: 'permit_sasl_authenticated, reject_unauth_destination',
    smtpd_error_sleep_time: '0',
    smtpd_hard_error_limit: '4',
    smtpd_sasl_type: 'dovecot',
    smtpd_sasl_path: authSocket,
    smtpd_sasl_security_options: 'noanonymous',
    postscreen_access_list: `cidr:${join(folder, 'etc/access')}`,
    postscreen_denylist_action: 'enforce',
    postscreen_greet_action: 'enforce',
    postscreen_greet_wait: '1s',
    postscreen_pipelining_enable: 'yes',
    postscreen_pipelining_action: 'enforce',
    postscreen_non_smtp_command_enable: 'yes',
    postscreen_non_smtp_command_action: 'drop',
    postscreen_bare_newline_enable: 'yes',
    postscreen_bare_newline_action: 'enforce',
    postscreen_command_count_limit: '5',
    postscreen_client_connection_count_limit: '2',
    line_length_limit: '2048',
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('');
}

function masterCf(ports: PostfixServer['ports']): string {
  const limits = '-o smtpd_client_connection_rate_limit=1';
  return `127.0.0.1:${ports.postscreen} inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
127.0.0.1:${ports.smtpd} inet n - n - - smtpd
127.0.0.1:${ports.submission} inet n - n - - smtpd -o syslog_name=postfix/submission -o smtpd_sasl_auth_enable=yes
127.0.0.1:${ports.limited} inet n - n - - smtpd -o syslog_name=postfix-out ${limits}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
`;
}

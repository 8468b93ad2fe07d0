import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Clock } from '../../src/core/clock.ts';
import { parseNetwork } from '../../src/core/network.ts';
import { Secret } from '../../src/core/secret.ts';
import type { MailcowApiAddress } from '../../src/core/watcher.ts';

export const API_KEY = '0123AB-4567CD-89EF01-234567-89ABCD';
/** A key that may only read. */
export const READ_ONLY_KEY = 'FEDCBA-4567CD-89EF01-234567-89ABCD';

export interface RawAnswer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

/** A web server that answers as mailcow's json_api.php does, from what it is told of netfilter. */
export interface MailcowApiServer {
  address: MailcowApiAddress;
  /** `get/fail2ban`, `get/logs/netfilter/100`, in the order of arrival. */
  requests: string[];
  /** Sessions that PHP had to begin. */
  sessions(): number;
  /** Lines in mailcow's API log, and failed logins that netfilter was told of. */
  apiLog(): number;
  failedLogins(): number;
  /** Answers every request with this from now on; undefined to answer as mailcow does. */
  answerWith(answer: RawAnswer | undefined): void;
  /** For how many seconds; netfilter logs whole minutes. */
  ban(network: string, seconds: number): void;
  /** The line that netfilter writes for a failed login by SMTP. */
  fail(ip: string, account: string): void;
  /** As netfilter lifts a ban, or lets it end. */
  unban(...networks: string[]): void;
  /** Killed and started again. */
  restart(): void;
  log(message: string, priority?: string): void;
  /** What the hash F2B_ACTIVE_BANS holds: a field, and an epoch second or anything else. */
  hash: Map<string, number>;
  /** The list NETFILTER_LOG, the newest first. */
  records: unknown[];
  denylist: string[];
  allowlist: string[];
  /** The hash F2B_QUEUE_UNBAN. */
  queue: Set<string>;
  /** Orders that mailcow took for its settings and overwrote them with: there must never be any. */
  disasters: unknown[];
  /** As netfilter works off its queue, every ten seconds in the real one. */
  purge(): void;
  /** Mailcow's own clock is so much ahead. */
  shiftClock(ms: number): void;
  /** There are no logs by this API. */
  withoutLogs: boolean;
  close(): Promise<void>;
}

export async function startMailcowApi({ clock }: { clock: Pick<Clock, 'now'> }): Promise<MailcowApiServer> {
  const sessions = new Set<string>();
  let apiLog = 0;
  let failedLogins = 0;
  let fixed: RawAnswer | undefined;
  let aheadMs = 0;
  const now = () => clock.now() + aheadMs;
  const seconds = () => Math.floor(now() / 1_000);

  function fail2ban() {
    const bans = [...server.hash].map(([network, until]) => ({
      queued_for_unban: server.queue.has(network) ? 1 : 0,
      network,
      ip: network.split('/')[0],
      banned_until: timeLeft(until - seconds()),
    }));
    const denied = server.denylist.map((network) => ({ network, ip: network.split('/')[0] }));
    return {
      ban_time: 1800,
      max_attempts: '10',
      whitelist: server.allowlist.join('\n'),
      blacklist: server.denylist.join('\n'),
      ...(denied.length > 0 && { perm_bans: denied }),
      ...(bans.length > 0 && { active_bans: bans }),
    };
  }

  /** functions.fail2ban.inc.php: without items or an action it goes on to save its settings. */
  function edit(body: string): RawAnswer {
    let order: { items?: string | string[]; attr?: { action?: string } };
    try {
      order = JSON.parse(body);
    } catch {
      return json({ type: 'error', msg: "Request body doesn't contain valid json!" }, 400);
    }
    const items = [order.items ?? []].flat();
    const action = order.attr?.action;
    if (items.length === 0 || action === undefined) {
      server.disasters.push(order);
      return json([{ type: 'success', log: ['fail2ban', 'edit', {}], msg: 'f2b_modified' }]);
    }
    const log = ['fail2ban', 'edit', { network: items, action }];
    return json(
      items.map((item) => {
        const isNetwork = parseNetwork(item) !== undefined && !item.endsWith('/0');
        if (action === 'unban' && isNetwork) server.queue.add(item);
        if (action !== 'unban' && !isNetwork) return { type: 'danger', log, msg: ['network_host_invalid', item] };
        const without = (list: string[]) => list.filter((each) => each !== item);
        if (action === 'whitelist') {
          server.denylist = without(server.denylist);
          server.allowlist = [...without(server.allowlist), item];
          server.queue.add(item);
        }
        if (action === 'blacklist') {
          server.allowlist = without(server.allowlist);
          server.denylist = [...without(server.denylist), item];
        }
        return { type: 'success', log, msg: ['object_modified', item] };
      }),
    );
  }

  function answer(request: IncomingMessage, sent: string): RawAnswer {
    const key = request.headers['x-api-key'];
    if (request.headers['sec-fetch-dest'] !== undefined) return { status: 403 };
    if (key === undefined) return { status: 200 };
    if (key !== API_KEY && key !== READ_ONLY_KEY) {
      failedLogins++;
      return json({ type: 'error', msg: 'authentication failed' }, 401);
    }
    apiLog++;
    const [, version, verb, category, object, extra] = (request.url ?? '').split('/').slice(1);
    if (version === 'v1' && verb === 'edit' && category === 'fail2ban') {
      if (request.method !== 'POST') return json({ type: 'error', msg: 'Cannot find attributes in post data' });
      if (key !== API_KEY) return json({ type: 'error', msg: 'API read/write access denied' }, 403);
      return edit(sent);
    }
    if (version !== 'v1' || verb !== 'get') return json({ type: 'error', msg: 'route not found' }, 404);
    if (request.method !== 'GET') return json({ type: 'error', msg: 'only GET method is allowed' }, 405);
    if (category === 'fail2ban') return json(fail2ban());
    if (category === 'logs' && object === 'netfilter' && !server.withoutLogs) {
      const records = server.records.slice(0, Number(extra));
      return json(records.length === 0 ? {} : records);
    }
    return json({ type: 'error', msg: 'route not found' }, 404);
  }

  const listener = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    const sent = await text(request);
    server.requests.push((request.url ?? '').replace('/api/v1/', ''));
    const { status, headers = {}, body = '' } = fixed ?? answer(request, sent);
    if (fixed?.status === 401) failedLogins++;
    const known = /(?:^|; )MCSESSID=(\w+)/.exec(request.headers.cookie ?? '')?.[1];
    const session = known !== undefined && sessions.has(known) ? known : randomBytes(13).toString('hex');
    sessions.add(session);
    response.writeHead(status, {
      date: new Date(now()).toUTCString(),
      'set-cookie': `MCSESSID=${session}; path=/; HttpOnly; SameSite=Lax`,
      ...headers,
    });
    response.end(body);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;

  const server: MailcowApiServer = {
    address: { url: new Secret(`http://127.0.0.1:${port}`), key: new Secret(API_KEY) },
    requests: [],
    sessions: () => sessions.size,
    apiLog: () => apiLog,
    failedLogins: () => failedLogins,
    answerWith(next) {
      fixed = next;
    },
    hash: new Map(),
    records: [],
    denylist: [],
    allowlist: [],
    queue: new Set(),
    disasters: [],
    purge() {
      for (const network of server.queue) if (server.hash.has(network)) server.unban(network);
      server.queue.clear();
    },
    withoutLogs: false,
    shiftClock(ms) {
      aheadMs = ms;
    },
    log(message, priority = 'info') {
      server.records.unshift({ time: Math.round(now() / 1_000), priority, message });
      server.records.length = Math.min(server.records.length, 10_000);
    },
    fail(ip, account) {
      const line = `warning: unknown[${ip}]: SASL LOGIN authentication failed: (reason unavailable), sasl_username=${account}`;
      server.log(`${ip} matched rule id 3 (${line})`, 'warn');
    },
    ban(network, length) {
      server.log(`Banning ${network} for ${Math.floor(length / 60)} minutes`, 'crit');
      server.hash.set(network, Math.round(now() / 1_000) + length);
    },
    unban(...networks) {
      for (const network of networks) {
        server.log(`Unbanning ${network}`);
        server.hash.delete(network);
      }
    },
    restart() {
      server.hash.clear();
      server.log('Watching Redis channel F2B_CHANNEL');
    },
    async close() {
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return server;
}

function json(value: unknown, status = 200): RawAnswer {
  // As PHP writes it, each slash escaped.
  const body = JSON.stringify(value, undefined, 4).replaceAll('/', '\\/');
  return { status, headers: { 'content-type': status === 401 ? 'text/html' : 'application/json' }, body };
}

/** `sprintf('%02dh %02dm %02ds', …)` of PHP: each part is cut towards zero, and has the sign. */
function timeLeft(left: number): string {
  const two = (value: number) => {
    const whole = Math.trunc(value);
    return whole < 0 ? `-${Math.abs(whole)}` : String(whole).padStart(2, '0');
  };
  return `${two(left / 3_600)}h ${two(Math.trunc(left / 60) % 60)}m ${two(left % 60)}s`;
}

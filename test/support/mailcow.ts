import type { RedisServer } from './redis-server.ts';

const OPTIONS = { ban_time: 1800, max_attempts: 10, retry_window: 600 };

/** mailcow's netfilter as Redis shows it, moved by hand: what is published, logged and kept, in the order of the real one. */
export interface Mailcow {
  /** A failed SMTP login: published, matched, counted; the tenth is a ban. Returns the line as postfix logs it. */
  fail(ip: string, account: string): Promise<string>;
  ban(network: string, seconds?: number): Promise<void>;
  /** Lifts it, or lets it end, as netfilter does. */
  unban(network: string): Promise<void>;
  /** Killed and started again: every ban is gone, and only the first record of the new life says so. */
  restart(): Promise<void>;
  /** Stops listening. */
  end(): void;
}

/** `print` gets netfilter's lines as its container prints them. */
export async function startMailcow({ client }: RedisServer, print?: (line: string) => Promise<void>): Promise<Mailcow> {
  const counts = new Map<string, number>();
  const listener = client.duplicate();
  listener.on('error', () => {});
  await client.set('F2B_OPTIONS', JSON.stringify(OPTIONS));
  await listener.subscribe('F2B_CHANNEL');

  async function log(priority: 'crit' | 'warn' | 'info', message: string): Promise<void> {
    const time = Math.round(Date.now() / 1_000);
    await client.lpush('NETFILTER_LOG', JSON.stringify({ time, priority, message }));
    await print?.(`2026-11-23 12:00:00 ${priority.toUpperCase()}: ${message}`);
  }

  const mailcow: Mailcow = {
    async fail(ip, account) {
      const line = `warning: unknown[${ip}]: SASL LOGIN authentication failed: (reason unavailable), sasl_username=${account}`;
      await client.publish('F2B_CHANNEL', line.replaceAll('/', '_'));
      await log('warn', `${ip} matched rule id 3 (${line.replaceAll('/', '_')})`);
      const count = (counts.get(ip) ?? 0) + 1;
      counts.set(ip, count);
      if (count < OPTIONS.max_attempts) {
        const left = OPTIONS.max_attempts - count;
        await log('warn', `${left} more attempts in the next ${OPTIONS.retry_window} seconds until ${ip}/32 is banned`);
      } else await mailcow.ban(`${ip}/32`);
      return line;
    },
    async ban(network, seconds = OPTIONS.ban_time) {
      await log('crit', `Banning ${network} for ${Math.floor(seconds / 60)} minutes`);
      await client.hset('F2B_ACTIVE_BANS', network, String(Math.ceil(Date.now() / 1_000) + seconds));
    },
    async unban(network) {
      await log('info', `Unbanning ${network}`);
      await client.hdel('F2B_ACTIVE_BANS', network);
    },
    async restart() {
      counts.clear();
      await client.del('F2B_ACTIVE_BANS', 'F2B_PERM_BANS');
      await log('info', 'Watching Redis channel F2B_CHANNEL');
    },
    end: () => listener.disconnect(),
  };
  await log('info', 'Watching Redis channel F2B_CHANNEL');
  return mailcow;
}

import { z } from 'zod';
import { parseIp } from '../core/network.ts';
import type { RateLimited, Statement } from '../core/observation.ts';
import type { LogSource, Watcher, WatcherDefinition } from '../core/watcher.ts';
import { readEach, watchLog } from './log-watcher.ts';
import { accountOf } from './redact.ts';
import { redisOf } from './redis-connection.ts';
import { createRedisList } from './redis-list.ts';

const LIST = 'RL_LOG';
/** Nobody waits for it. */
const POLL_MS = 5_000;
/** One mail has no more recipients than this. */
const MOST_RECIPIENTS = 100_000;

const Options = z.object({});

/** Mail that rspamd held back because an account sends too much, by the list that mailcow keeps of it. */
export const ratelimitsWatcher: WatcherDefinition<typeof Options> = {
  type: 'ratelimits',
  summary: `Rate limits that mailcow applied, by its list ${LIST} in Redis`,
  options: Options,
  reads: 'redis',
  byDefault: true,
  tellsOf: () => false,
  create: (name, _options, tools) => {
    const { clock, logger } = tools;
    const address = redisOf(name, tools);
    const list = createRedisList({ key: LIST, address, clock, logger, pollMs: POLL_MS, textOf: (_, raw) => raw });
    return createRateLimitsWatcher(name, list);
  },
  createParser: () => parseRateLimit,
  createFor: createRateLimitsWatcher,
};

function createRateLimitsWatcher(name: string, source: LogSource): Watcher {
  return watchLog({ name, source, createReader: readEach(parseRateLimit) });
}

/**
 * `rl_info` is `name(key)`; where it is not, the record has `err` for a name.
 * https://github.com/mailcow/mailcow-dockerized/blob/master/data/conf/rspamd/meta_exporter/pipe_rl.php
 */
const Record = z.object({
  user: z.string().nullish(),
  from: z.string().nullish(),
  rcpt: z.string().nullish(),
  ip: z.string().nullish(),
  rl_name: z.string(),
});

/** What one record of the list says: JSON, with the subject and recipients of a mail in it that are not passed on. */
export function parseRateLimit(text: string): Extract<Statement, { kind: 'rate-limited' }> | undefined {
  if (!text.startsWith('{')) return undefined;
  const record = Record.safeParse(parseJson(text));
  if (!record.success) return undefined;
  const { user, from, rcpt, ip: address, rl_name } = record.data;
  const limit = rl_name === 'err' || rl_name === '' ? 'unknown' : rl_name.slice(0, 64);
  const ip = parseIp(address ?? '');
  const account = accountOf(user && user !== 'unknown' ? user : (from ?? undefined));
  const recipients = (rcpt ?? '').split(',', MOST_RECIPIENTS).filter((one) => one.trim() !== '').length;
  return {
    kind: 'rate-limited',
    ...(ip !== undefined && { ip }),
    ...(account !== undefined && { account }),
    limit,
    ...(recipients > 0 && { recipients }),
  } satisfies Omit<RateLimited, 'at'>;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

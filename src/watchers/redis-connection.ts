import type { Redis } from 'ioredis';
import { messageOf, TransientError } from '../core/errors.ts';
import type { RedisAddress } from '../core/watcher.ts';

const TIMEOUT_MS = 5_000;
/** A wrong password does not become right by trying. */
const REFUSED_RETRY_MS = 60_000;

/**
 * A connection that fails instead of waiting: no retries, no queue, every command bounded in time. The caller ends it
 * with `disconnect()`. Throws `TransientError` that says what to do.
 */
export async function connectRedis(address: RedisAddress): Promise<Redis> {
  const { Redis } = await import('ioredis');
  const url = new URL(address.url.reveal());
  const client = new Redis({
    ...(url.protocol === 'unix:'
      ? { path: decodeURIComponent(url.pathname) }
      : { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 6379) }),
    ...(url.protocol === 'rediss:' && { tls: { servername: url.hostname } }),
    ...(url.username !== '' && { username: decodeURIComponent(url.username) }),
    password: address.password?.reveal() || decodeURIComponent(url.password) || undefined,
    db: Number(/^\/(\d{1,3})$/.exec(url.protocol === 'unix:' ? '' : url.pathname)?.[1] ?? 0),
    protocol: 2,
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
  });
  // Failures come from the commands; an event nobody listens to would end the process.
  let lastError: unknown;
  client.on('error', (error) => {
    lastError = error;
  });
  try {
    await client.connect();
    await client.ping();
    return client;
  } catch (error) {
    client.disconnect();
    throw explainRedisError(lastError ?? error, 'Redis cannot be reached');
  }
}

/** What a failure of Redis means; `what` begins the message. */
export function explainRedisError(error: unknown, what: string): TransientError {
  if (error instanceof TransientError) return error;
  const text = messageOf(error);
  if (/NOAUTH|WRONGPASS|invalid password|without any password/i.test(text)) {
    return new TransientError('Redis refused the password; give redis.password the REDISPASS of mailcow.conf', {
      retryAfterMs: REFUSED_RETRY_MS,
    });
  }
  if (/NOPERM/.test(text)) {
    return new TransientError(`Redis does not permit the user to read: ${text}`, { retryAfterMs: REFUSED_RETRY_MS });
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  return new TransientError(`${what}: ${code ?? text}`, { cause: error });
}

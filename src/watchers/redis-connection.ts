import type { Redis } from 'ioredis';
import { messageOf, PermanentError, TransientError } from '../core/errors.ts';
import type { RedisAddress, WatcherTools } from '../core/watcher.ts';

const TIMEOUT_MS = 5_000;
/** Nothing is under way that the far side would have to take in. */
const DISCONNECT_MS = 100;
/** A wrong password does not become right by trying. */
const REFUSED_RETRY_MS = 60_000;

/**
 * A connection that fails instead of waiting: no retries, no queue, every command bounded in time. The caller ends it
 * with `disconnect()`; `signal` ends the attempt. Throws `TransientError` that says what to do, and holds no secret.
 */
export async function connectRedis(address: RedisAddress, signal?: AbortSignal): Promise<Redis> {
  const { Redis } = await import('ioredis');
  const place = readPlace(address);
  const client = new Redis({
    ...place.options,
    protocol: 2,
    lazyConnect: true,
    enableOfflineQueue: false,
    // What is asked at the same moment goes out at once.
    enableAutoPipelining: true,
    // It would wait, without end and without a word, for a Redis that loads its data.
    enableReadyCheck: false,
    disableClientInfo: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_MS,
  });
  // Failures come from the commands; an event nobody listens to would end the process.
  let lastError: unknown;
  client.on('error', (error) => {
    lastError = error;
  });
  const end = () => client.disconnect();
  signal?.addEventListener('abort', end, { once: true });
  try {
    signal?.throwIfAborted();
    await client.connect();
    await logIn(client, place);
    // Not PING, which a Redis that cannot save refuses although it can be read.
    await client.exists('F2B_OPTIONS');
    return client;
  } catch (error) {
    client.disconnect();
    throw explainRedisError(lastError ?? error, `Redis cannot be reached at ${place.name}`);
  } finally {
    signal?.removeEventListener('abort', end);
  }
}

/** Where Redis is, for a watcher of this name. Throws `PermanentError` when the configuration does not say. */
export function redisOf(name: string, { redis }: Pick<WatcherTools, 'redis'>): RedisAddress {
  if (redis === undefined) throw new PermanentError(`the watcher ${name} needs \`redis\` in the configuration`);
  return redis;
}

interface Place {
  /** Where it is, for a person: no password. */
  name: string;
  options: object;
  username: string;
  password: string;
  db: number;
}

function readPlace(address: RedisAddress): Place {
  const url = new URL(address.url.reveal());
  const isSocket = url.protocol === 'unix:';
  const path = decode(url.pathname);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || 6379);
  return {
    name: isSocket ? path : `${url.hostname}:${port}`,
    options: isSocket ? { path } : { host, port, ...(url.protocol === 'rediss:' && { tls: { servername: host } }) },
    username: decode(url.username),
    password: address.password?.reveal() || decode(url.password),
    db: Number(/^\/(\d{1,3})$/.exec(isSocket ? '' : path)?.[1] ?? 0),
  };
}

/** A `%` that encodes nothing is itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Done here and not by ioredis, which writes to the console when no password is needed. */
async function logIn(client: Redis, { username, password, db }: Place): Promise<void> {
  if (password !== '') {
    try {
      await (username === '' ? client.auth(password) : client.auth(username, password));
    } catch (error) {
      // https://redis.io/docs/latest/commands/auth/: there is no password, so there is nothing to refuse.
      if (!/without any password configured|no password is set/.test(messageOf(error))) throw error;
    }
  }
  if (db !== 0) await client.select(db);
}

/** What a failure of Redis means; `what` begins the message where there is no more to say. Faults of ours stay as they are. */
export function explainRedisError(error: unknown, what: string): unknown {
  if (error instanceof TransientError || BUGS.some((kind) => error instanceof kind)) return error;
  const text = messageOf(error);
  if (/\b(?:NOAUTH|WRONGPASS)\b|invalid password/.test(text)) {
    return new TransientError('Redis refused the password; give redis.password the REDISPASS of mailcow.conf', {
      retryAfterMs: REFUSED_RETRY_MS,
    });
  }
  if (/\bNOPERM\b/.test(text)) {
    return new TransientError(`Redis does not permit the user to read: ${text}`, { retryAfterMs: REFUSED_RETRY_MS });
  }
  if (/\bLOADING\b/.test(text)) return new TransientError('Redis has started and is still loading its data');
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  const plain = PLAIN.find(([said]) => text.startsWith(said))?.[1];
  // An error of ioredis carries the command that failed, and with AUTH the password: it is no cause to pass on.
  return new TransientError(`${what}: ${code ?? plain ?? text}`);
}

const BUGS = [TypeError, RangeError, ReferenceError, SyntaxError];

/** How ioredis begins what it says, and the same for a person. */
const PLAIN = [
  ['Connection is closed', 'the connection was cut'],
  ["Stream isn't writeable", 'the connection was cut'],
  ['Command timed out', `no answer within ${TIMEOUT_MS / 1000} s`],
] as const;

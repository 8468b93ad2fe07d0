import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { TransientError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { AuthFailed, Observation, Statement } from '../core/observation.ts';
import type { Batch, Cursor, RedisAddress, Watcher, WatcherDefinition } from '../core/watcher.ts';
import { parseDovecotMessage } from './dovecot-message.ts';
import { LONGEST_LINE } from './log-watcher.ts';
import { parsePostfixMessage } from './postfix-line.ts';
import { connectRedis, explainRedisError, redisOf } from './redis-connection.ts';
import { parseSogoMessage } from './sogo-message.ts';
import { parseUiMessage } from './ui-message.ts';

const CHANNEL = 'F2B_CHANNEL';
/** What arrives within this time is one batch. */
const GATHER_MS = 20;
/** Silence is made sure of this often: a connection can be dead without a word. */
const PING_MS = 15_000;
/** Failures that wait to be recorded; the channel has no memory, so what comes on top is lost, and told. */
const MOST_WAITING = 20_000;

const Options = z.object({});

/**
 * What mailcow's services publish for netfilter: failed logins as they happen, those of the web interface among them. The
 * rest of the mail log, which comes the same way, is left to the logs themselves: they have the program's name.
 */
export const f2bChannelWatcher: WatcherDefinition<typeof Options> = {
  type: 'f2b-channel',
  summary: `Failed logins as mailcow's services publish them on ${CHANNEL} in Redis`,
  options: Options,
  reads: 'redis',
  byDefault: true,
  tellsOf: () => false,
  create: (name, _options, tools) => new ChannelWatcher(name, redisOf(name, tools), tools.clock, tools.logger),
  createParser: () => parseChannelMessage,
};

/** A failed login in one message of the channel: a whole line of a service, without the front that syslog gives it. */
export function parseChannelMessage(text: string): Omit<AuthFailed, 'at'> | undefined {
  if (text.length > LONGEST_LINE) return undefined;
  const said: Statement | undefined =
    parseUiMessage(text) ?? parsePostfixMessage(text) ?? parseDovecotMessage(text) ?? parseSogoMessage(text);
  return said?.kind === 'auth-failed' ? said : undefined;
}

class ChannelWatcher implements Watcher {
  readonly name: string;
  readonly authority = 'log';
  readonly #address: RedisAddress;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(name: string, address: RedisAddress, clock: Clock, logger: Logger) {
    this.name = name;
    this.#address = address;
    this.#clock = clock;
    this.#logger = logger;
  }

  async *watch(_from: Cursor | undefined, signal: AbortSignal): AsyncIterable<Batch> {
    let client: Redis | undefined;
    const end = () => client?.disconnect();
    signal.addEventListener('abort', end, { once: true });
    try {
      client = await connectRedis(this.#address, signal);
      yield* this.#listen(client, signal);
    } catch (error) {
      if (!signal.aborted) throw explainRedisError(error, `${CHANNEL} cannot be listened to`);
    } finally {
      signal.removeEventListener('abort', end);
      client?.disconnect();
    }
  }

  async *#listen(client: Redis, signal: AbortSignal): AsyncIterable<Batch> {
    let waiting: Observation[] = [];
    let read = 0;
    let lost = 0;
    let wake = new AbortController();
    let isClosed = false;
    client.on('close', () => {
      isClosed = true;
      wake.abort();
    });
    client.on('pmessage', (_pattern: string, _channel: string, text: string) => {
      read++;
      const said = parseChannelMessage(text);
      if (said === undefined) return;
      if (waiting.length >= MOST_WAITING) lost++;
      else waiting.push({ ...said, at: this.#clock.now() });
      wake.abort();
    });
    // As a pattern, although it is none: netfilter's own health shows in the number of those who subscribe by name.
    await client.psubscribe(CHANNEL);
    yield { observations: [] };
    while (!signal.aborted) {
      if (waiting.length === 0 && !isClosed) {
        await this.#clock.sleep(PING_MS, AbortSignal.any([signal, wake.signal]));
      }
      wake = new AbortController();
      if (signal.aborted) return;
      if (isClosed) throw new TransientError('the connection to Redis was cut');
      if (waiting.length === 0) {
        await client.ping();
        yield { observations: [], read };
      } else {
        // Many fail together; what is recorded together costs less.
        await this.#clock.sleep(GATHER_MS, signal);
        const observations = waiting;
        waiting = [];
        yield { observations, read };
      }
      read = 0;
      if (lost > 0)
        this.#logger.warn({ lost }, 'failed logins came faster than they can be recorded; some are not counted');
      lost = 0;
    }
  }
}

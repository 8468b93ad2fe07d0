import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TransientError } from '../../src/core/errors.ts';
import type { Batch } from '../../src/core/watcher.ts';
import { f2bChannelWatcher, parseChannelMessage } from '../../src/watchers/f2b-channel.ts';
import { readForgeries, VICTIM } from '../fixtures/forgery.build.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingLogger } from '../support/recording-logger.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { watcherTools } from '../support/watcher-tools.ts';

const SASL =
  'warning: unknown[185.36.81.23]: SASL LOGIN authentication failed: (reason unavailable), sasl_username=info@example.org';

describe('a message of F2B_CHANNEL', () => {
  it.each([
    [SASL, { ip: '185.36.81.23', service: 'smtp', account: 'info@example.org', mechanism: 'LOGIN' }],
    [
      'mailcow UI: Invalid password for anna@example.org by 5.188.206.14',
      { ip: '5.188.206.14', service: 'ui', account: 'anna@example.org' },
    ],
    ['Rspamd UI: Invalid password by 5.188.206.14', { ip: '5.188.206.14', service: 'rspamd-ui' }],
    [
      "SOGoRootPage Login from '5.188.206.14' for user 'anna@example.org' might not have worked - password policy: 65535  grace: -1  expire: -1  bound: 0",
      { ip: '5.188.206.14', service: 'sogo', account: 'anna@example.org' },
    ],
    [
      'imap-login: Disconnected: Connection closed (auth failed, 3 attempts in 12 secs): user=<anna@example.org>, method=PLAIN, rip=5.188.206.14, lip=172.22.1.250, TLS, session=<x>',
      { ip: '5.188.206.14', service: 'imap', account: 'anna@example.org', attempts: 3 },
    ],
  ])('%s', (message, expected) => {
    expect(parseChannelMessage(message)).toMatchObject({ kind: 'auth-failed', ...expected });
  });

  it.each([
    'NOQUEUE: reject: RCPT from unknown[45.142.120.9]: 454 4.7.1 <x@y>: Relay access denied; from=<a@b> to=<x@y> proto=ESMTP helo=<z>',
    'AB75C21C350: client=unknown[5.188.206.14], sasl_method=PLAIN, sasl_username=anna@example.org',
    'imap-login: Login: user=<anna@example.org>, method=PLAIN, rip=5.188.206.14, lip=172.22.1.250, mpid=7, TLS',
    'connect from unknown[45.142.120.9]',
    'Banning 8.8.8.8/32 for 30 minutes',
    '',
    `x${SASL}`,
    `hello\n${SASL}`,
  ])('that is no failed login says nothing: %s', (message) => {
    expect(parseChannelMessage(message)).toBeUndefined();
  });

  it('of the forgery corpus puts no failure on somebody else', () => {
    const believed = readForgeries().filter(({ lines }) => {
      const said = parseChannelMessage(lines.join('\n'));
      return said !== undefined && said.ip === VICTIM && said.claimed !== true;
    });
    expect(believed.map(({ id }) => id)).toEqual([]);
  });

  it('property: of arbitrary text it neither throws nor says anything, and what it says is a failure', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => parseChannelMessage(text) === undefined),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 120 }), (account) => {
        const said = parseChannelMessage(
          `warning: unknown[185.36.81.23]: SASL PLAIN authentication failed: x, sasl_username=${account}`,
        );
        return said === undefined || said.ip === '185.36.81.23';
      }),
    );
  });
});

describe('the channel', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.close());

  async function listen() {
    const logger = createRecordingLogger();
    const watcher = f2bChannelWatcher.create('f2b-channel', {}, watcherTools({ redis: redis.address, logger }));
    const batches: Batch[] = [];
    const stop = new AbortController();
    const running = (async () => {
      for await (const batch of watcher.watch(undefined, stop.signal)) batches.push(batch);
    })();
    running.catch(() => {});
    await eventually(() => expect(batches).toHaveLength(1));
    return {
      logger,
      running,
      said: () => batches.flatMap(({ observations }) => [...observations]),
      read: () => batches.reduce((sum, { read = 0 }) => sum + read, 0),
      async end() {
        stop.abort();
        await running;
      },
    };
  }

  it('gives failures as they are published, with the time they came, and counts what else there was', async () => {
    const channel = await listen();
    const before = Date.now();
    await redis.client.publish('F2B_CHANNEL', 'connect from unknown[45.142.120.9]');
    await redis.client.publish('F2B_CHANNEL', SASL);
    await redis.client.publish('OTHER', SASL);
    await eventually(() => expect(channel.said()).toHaveLength(1));
    const at = channel.said()[0]?.at ?? 0;
    expect(at >= before && at <= Date.now()).toBe(true);
    expect(channel.read()).toBe(2);
    await channel.end();
  });

  it('does not look as if netfilter were listening', async () => {
    const channel = await listen();
    expect(await redis.client.pubsub('NUMSUB', 'F2B_CHANNEL')).toEqual(['F2B_CHANNEL', 0]);
    await channel.end();
  });

  it('keeps a flood in bounds: what is more than can wait is dropped, and said', async () => {
    const channel = await listen();
    const pipeline = redis.client.pipeline();
    for (let n = 0; n < 60_000; n++) pipeline.publish('F2B_CHANNEL', SASL);
    await pipeline.exec();
    await eventually(() => expect(channel.read()).toBe(60_000), { timeoutMs: 60_000 });
    await eventually(() => {
      const lost = channel.logger.records.reduce((sum, { fields }) => sum + Number(fields.lost ?? 0), 0);
      expect(channel.said().length + lost).toBe(60_000);
    });
    await channel.end();
  });

  it('fails with a reason when Redis goes', async () => {
    const channel = await listen();
    await redis.stop('SIGKILL');
    const failure = await channel.running.catch((error: unknown) => error);
    await redis.start();
    expect(failure).toBeInstanceOf(TransientError);
    expect(String(failure)).toContain('the connection to Redis was cut');
  });
});

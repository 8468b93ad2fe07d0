import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { messageOf, PermanentError, TransientError } from '../../src/core/errors.ts';
import type { BanEvent } from '../../src/core/event.ts';
import { Secret } from '../../src/core/secret.ts';
import { SourceHealth } from '../../src/pipeline/source-health.ts';
import { superviseWatcher } from '../../src/pipeline/supervise.ts';
import { otherShape, readAnswer } from '../../src/watchers/mailcow-api-answer.ts';
import { eventually } from '../support/eventually.ts';
import { API_KEY, type RawAnswer } from '../support/mailcow-api-server.ts';
import { createRecordingLogger } from '../support/recording-logger.ts';
import { runWatcher } from '../support/run-watcher.ts';
import { type ApiRig, createApiRig } from './mailcow-api-rig.ts';

const TRANSCRIPT = readFileSync(join(import.meta.dirname, '..', 'fixtures', 'api', 'answers.txt'), 'utf8');

/** Answers that mailcow really gave: status, type and body, by what they were recorded for. */
const RECORDED = new Map(
  TRANSCRIPT.split(/^### /m)
    .slice(1)
    .map((text): [string, RawAnswer] => {
      const title = text.slice(0, text.indexOf('\n'));
      const http = text.slice(text.indexOf('HTTP/1.1'));
      const [head = '', ...body] = http.split('\n\n');
      const contentType = /^Content-type: (.+)$/im.exec(head)?.[1] ?? 'text/html';
      return [
        title,
        { status: Number(head.slice(9, 12)), headers: { 'content-type': contentType }, body: body.join('\n\n') },
      ];
    }),
);

function recorded(start: string): RawAnswer {
  for (const [title, answer] of RECORDED) if (title.startsWith(start)) return answer;
  throw new Error(`nothing was recorded for ${start}`);
}

let rig: ApiRig;
beforeEach(async () => {
  rig = await createApiRig();
});
afterEach(() => rig.close());

/** What the watcher fails with when it gets this answer. */
async function failureFor(answer: RawAnswer): Promise<PermanentError | TransientError> {
  rig.server.answerWith(answer);
  const error = await runWatcher(rig.watcher(), rig.clock).failure();
  if (!(error instanceof PermanentError || error instanceof TransientError)) throw error;
  expect(messageOf(error)).not.toContain(API_KEY);
  return error;
}

describe('an answer that refuses the key', () => {
  it('is final, and says why nothing is tried again', async () => {
    for (const title of ['wrong key', 'inactive key']) {
      const error = await failureFor(recorded(title));
      expect(error).toMatchObject({ name: 'PermanentError', isFinal: true });
      expect(error.message).toContain('refuses the API key');
      expect(error.message).toContain('mailcow_api.key');
      expect(error.message).toContain('counts as a failed login');
    }
  });

  it('names the address that is not allowed', async () => {
    const error = await failureFor(recorded('right key'));
    expect(error).toMatchObject({ isFinal: true });
    expect(error.message).toContain('does not take this API key from 80.94.96.1: add that address');
  });

  it('is final whoever gives it, and in whatever form', async () => {
    for (const answer of [
      { status: 401, body: '<html><title>401 Authorization Required</title></html>' },
      { status: 401 },
      { status: 200, body: '{"type":"error","msg":"authentication failed"}' },
      { status: 403, body: '[{"type":"error","msg":"api access denied for ip 2a01:4f8::2"}]' },
    ]) {
      expect(await failureFor(answer)).toMatchObject({ name: 'PermanentError', isFinal: true });
    }
  });
});

describe('an answer that is none', () => {
  const cases: [string, RawAnswer, 'PermanentError' | 'TransientError', RegExp][] = [
    ['no key reached mailcow', recorded('no key at all'), 'PermanentError', /no API key reached it.*X-API-Key/],
    ['a route that is not there', recorded('unknown route'), 'PermanentError', /^HTTP 404 \(route not found\): .*url/],
    ['another method', recorded('POST to get'), 'PermanentError', /^HTTP 405 \(only GET method is allowed\)/],
    ['a refused origin', recorded('Sec-Fetch-Dest'), 'PermanentError', /^HTTP 403: .*[Rr]ead access is enough/],
    ['an error with 200', recorded('GET to edit'), 'TransientError', /Cannot find attributes in post data$/],
    ['a broken request', recorded('broken json'), 'PermanentError', /^HTTP 400/],
    [
      'a danger of Redis',
      { status: 200, body: '[{"type":"danger","log":["fail2ban"],"msg":["redis_error",{"a":"gone away"}]}]' },
      'TransientError',
      /^mailcow answers: redis_error \{"a":"gone away"\}$/,
    ],
    [
      'a login page',
      { status: 200, body: '<!DOCTYPE html><html><head><title>mailcow UI</title></head></html>' },
      'TransientError',
      /a web page answers .*“mailcow UI”.*mailcow_api\.url/,
    ],
    ['no JSON', { status: 200, body: 'Warning: Undefined key' }, 'TransientError', /is not JSON: Warning: Undefined/],
    ['half of it', { status: 200, body: '{"active_bans": [' }, 'TransientError', /is not JSON/],
    ['nothing known', { status: 200, body: '{}' }, 'TransientError', /but not with the bans: \{\}$/],
    ['a list', { status: 200, body: '[1, 2]' }, 'TransientError', /but not with the bans: \[1,2\]$/],
    ['null', { status: 200, body: 'null' }, 'TransientError', /but not with the bans: null$/],
    ['a text', { status: 200, body: '"ok"' }, 'TransientError', /but not with the bans/],
    ['a number in place of a list', { status: 200, body: '{"ban_time":1,"active_bans":7}' }, 'TransientError', /bans/],
    [
      'a redirect',
      { status: 301, headers: { location: 'https://mail.example.org/' }, body: '<html></html>' },
      'PermanentError',
      /^HTTP 301: mailcow_api\.url redirects elsewhere/,
    ],
    ['a bad gateway', { status: 502, body: '<html>nginx</html>' }, 'TransientError', /^HTTP 502: .*just starting$/],
    ['an upstream that is away', { status: 503, headers: { 'retry-after': '120' } }, 'TransientError', /^HTTP 503/],
    ['too many', { status: 429, headers: { 'retry-after': '1' } }, 'TransientError', /^HTTP 429: .*too often$/],
    ['a teapot', { status: 418, body: `no tea for ${API_KEY}` }, 'PermanentError', /^HTTP 418/],
    ['not implemented', { status: 501 }, 'PermanentError', /^HTTP 501/],
  ];

  it.each(cases)('is told with what to do: %s', async (_what, answer, name, message) => {
    const error = await failureFor(answer);
    expect(error).toMatchObject({ name, message: expect.stringMatching(message) });
    expect(error instanceof PermanentError && error.isFinal).toBe(false);
    if (error instanceof TransientError) expect(error.retryAfterMs).toBeGreaterThanOrEqual(10_000);
  });

  it('is waited out as long as it asks', async () => {
    const answer = { status: 503, headers: { 'retry-after': '120' } };
    expect(await failureFor(answer)).toMatchObject({ retryAfterMs: 120_000 });
    expect(await failureFor({ status: 503, headers: { 'retry-after': '99999' } })).toMatchObject({
      retryAfterMs: 3_600_000,
    });
  });

  it('is told where it is longer than can be read', async () => {
    const body = `{"ban_time": 1800, "active_bans": [${' '.repeat(17_000_000)}]}`;
    expect((await failureFor({ status: 200, body })).message).toBe("mailcow's list of bans is longer than can be read");
  });

  it('quotes nothing that acts on a terminal', async () => {
    const error = await failureFor({ status: 200, body: '{"type":"danger","msg":"\\u001b[31m\\u202ered"}' });
    expect(error.message).toBe('mailcow answers: [31m red');
  });

  it('may be an answer all the same: none of the words of mailcow in it is an error', async () => {
    rig.server.answerWith(recorded('no active bans'));
    const { last } = await rig.watch();
    expect(last()).toMatchObject({
      bans: [],
      denylist: ['45.9.20.0/24'],
      allowlist: ['8.8.4.4/32', 'mail.partner.example'],
    });
  });
});

describe('a server that is away', () => {
  it('is a transient failure, and an end that was asked for is none', async () => {
    await rig.server.close();
    const error = await runWatcher(rig.watcher(), rig.clock).failure();
    expect(error).toMatchObject({ name: 'TransientError', message: 'no connection: ECONNREFUSED' });
    rig = await createApiRig();
    const run = await rig.watch();
    await run.stop();
    expect(rig.server.requests).toHaveLength(1);
  });
});

describe('under supervision', () => {
  function supervise() {
    const stop = new AbortController();
    const logger = createRecordingLogger();
    const told: BanEvent[] = [];
    const { clock } = rig;
    const health = new SourceHealth({ host: 'mail', clock, down: [], announce: (event) => told.push(event) });
    let cursor: string | undefined;
    const done = superviseWatcher(
      {
        ...{ watcher: rig.watcher(), clock, logger, health, graceMs: 30_000, random: () => 0.5 },
        cursor: () => cursor,
        record: (batch) => {
          cursor = batch.cursor ?? cursor;
        },
      },
      stop.signal,
    );
    onTestFinished(async () => {
      stop.abort();
      health.stop();
      await done;
    });
    return { told, logger, done, stop, health };
  }

  it('a refused key is told at once, and never sent again: one request in a week', async () => {
    rig.server.answerWith(recorded('wrong key'));
    const { told, logger, done } = supervise();
    await done;
    await rig.clock.advance(7 * 86_400_000);
    expect(rig.server.requests).toEqual(['get/fail2ban']);
    expect(rig.server.failedLogins()).toBe(1);
    expect(told).toMatchObject([{ type: 'source.down', source: { name: 'mailcow-api' } }]);
    const [event] = told;
    if (event?.type !== 'source.down') throw new Error('it was not told');
    expect(event.source.reason).toMatch(/refuses the API key.*; not tried again until cowbell is restarted$/);
    expect(logger.told()).toEqual([
      'error: a source cannot be read, and is not tried again until cowbell is restarted',
    ]);
  });

  it('any other failure is tried again, gently, and is over with the next good answer', async () => {
    rig.server.answerWith({ status: 502 });
    const { told, health } = supervise();
    for (let second = 0; second < 60; second++) {
      await eventually(() => expect(rig.clock.waits().length).toBeGreaterThan(0));
      await rig.clock.advance(1_000);
    }
    expect(rig.server.requests.length).toBeLessThanOrEqual(7);
    expect(told).toMatchObject([{ type: 'source.down' }]);
    rig.server.answerWith(undefined);
    await eventually(async () => {
      await rig.clock.advance(5_000);
      expect(health.isReady('mailcow-api')).toBe(true);
    });
    expect(told.map(({ type }) => type)).toEqual(['source.down', 'source.up']);
  });
});

it('an answer that is nested too deep to be shown is refused like any other', () => {
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
  expect(otherShape('the bans', JSON.parse(deep)).message).toMatch(/^mailcow's API answers, but not with the bans: /);
  const refusal = { status: 200, headers: {}, body: `{"type":"danger","msg":[${deep}]}` };
  expect(() => readAnswer(refusal, { now: 0, key: new Secret(API_KEY) })).toThrow(TransientError);
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { messageOf, PermanentError, TransientError } from '../../src/core/errors.ts';
import type { HttpClient } from '../../src/core/http.ts';
import type { Network } from '../../src/core/network.ts';
import { Secret } from '../../src/core/secret.ts';
import type { ListingUnbanner } from '../../src/core/unbanner.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { createMailcowApiUnbanner } from '../../src/reputation/unbanners/mailcow-api.ts';
import { createMailcowApi, type Fail2banAction } from '../../src/watchers/mailcow-api-client.ts';
import { API_KEY, type MailcowApiServer, READ_ONLY_KEY, startMailcowApi } from '../support/mailcow-api-server.ts';
import { net } from '../support/recorder-harness.ts';
import { createTestClock } from '../support/test-clock.ts';

const never = new AbortController().signal;
const clock = createTestClock();
let server: MailcowApiServer;
let http: HttpClient & { close(): Promise<void> };
let unbanner: ListingUnbanner;
beforeEach(async () => {
  server = await startMailcowApi({ clock });
  http = createHttpClient({ userAgent: 'cowbell/test' });
  unbanner = createMailcowApiUnbanner({ address: server.address, http, clock });
});
afterEach(async () => {
  expect(server.disasters).toEqual([]);
  await http.close();
  await server.close();
});

const withKey = (key: string) =>
  createMailcowApiUnbanner({ address: { ...server.address, key: new Secret(key) }, http, clock });

async function failure(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    expect(messageOf(error)).not.toContain(API_KEY);
    return error as Error;
  }
  throw new Error('it did not fail');
}

describe('mailcow by its API', () => {
  it('sees a ban as the server has it', async () => {
    server.ban('185.36.81.23/32', 1_800);
    const seen = await unbanner.look('netfilter', net('185.36.81.23/32'), never);
    expect(Math.abs((seen?.until ?? 0) - (clock.now() + 1_800_000))).toBeLessThan(1_500);
    expect(await unbanner.look('netfilter', net('185.36.81.24/32'), never)).toBeUndefined();
    expect(await unbanner.standing(never)).toEqual([{ jail: 'netfilter', network: '185.36.81.23/32' }]);
    expect([unbanner.covers('netfilter'), unbanner.covers('sshd')]).toEqual([true, false]);
  });

  it('orders the unban of what is banned, spelt as it is there, and of nothing else', async () => {
    server.ban('2A01:4f8::/64', 1_800);
    expect(await unbanner.lift('netfilter', net('2a01:4f8::/64'), never)).toBe(true);
    expect([...server.queue]).toEqual(['2A01:4f8::/64']);
    expect(await unbanner.lift('netfilter', net('2a01:4f8::1/128'), never)).toBe(false);
    expect([...server.queue]).toEqual(['2A01:4f8::/64']);
    server.purge();
    expect(await unbanner.look('netfilter', net('2a01:4f8::/64'), never)).toBeUndefined();
    expect(server.requests.filter((each) => each === 'edit/fail2ban')).toHaveLength(1);
  });

  it('adds to the lists what is not there', async () => {
    server.allowlist.push('8.8.4.4', 'mail.partner.example');
    let absent = 0;
    const allow = (network: Network) => unbanner.allow('netfilter', network, never, () => absent++);
    expect(await allow(net('8.8.4.4/32'))).toBe(false);
    expect(await allow(net('8.8.8.0/24'))).toBe(true);
    expect(absent).toBe(1);
    expect(server.allowlist).toEqual(['8.8.4.4', 'mail.partner.example', '8.8.8.0/24']);
    expect(await unbanner.deny('netfilter', net('45.9.20.0/24'), never)).toBe(true);
    expect(await unbanner.deny('netfilter', net('45.9.20.0/24'), never)).toBe(false);
    expect(server.denylist).toEqual(['45.9.20.0/24']);
  });

  it('cannot take off the allowlist, says so beforehand, and asks mailcow nothing', async () => {
    expect(unbanner.cannotDisallow).toMatch(/or give cowbell `redis`/);
    const error = await failure(unbanner.disallow('netfilter', net('8.8.4.4/32'), never));
    expect(error).toBeInstanceOf(PermanentError);
    expect(server.requests).toEqual([]);
  });

  it('reads a refusal that comes with the status 200', async () => {
    const error = await failure(unbanner.deny('netfilter', net('0.0.0.0/0'), never));
    expect(error).toMatchObject({ name: 'PermanentError', message: 'mailcow refuses: network_host_invalid 0.0.0.0/0' });
    expect(server.denylist).toEqual([]);
  });

  it.each([
    ['two, the second of them refused', [{ type: 'success' }, { type: 'danger', msg: ['no', 'no'] }], /refuses: no no/],
    ['a refusal that quotes the key', [{ type: 'danger', msg: ['no', API_KEY] }], /refuses: no …$/],
    ['nothing done', [], /but not with what came of an order/],
    ['another kind of element', [{ type: 'odd' }], /but not with what came of an order/],
    ['settings', { ban_time: 1 }, /but not with what came of an order/],
  ])('takes no answer for a success that is none: %s', async (_what, body, message) => {
    server.ban('185.36.81.23/32', 1_800);
    const answers = createMailcowApi({
      address: server.address,
      http: { send: async () => ({ status: 200, headers: {}, body: JSON.stringify(body) }) },
      clock,
    });
    expect((await failure(answers.order('unban', '185.36.81.23/32', never))).message).toMatch(message);
  });

  it('says what kind of key is needed, and that a wrong one is not to be tried again', async () => {
    server.ban('185.36.81.23/32', 1_800);
    const readOnly = await failure(withKey(READ_ONLY_KEY).lift('netfilter', net('185.36.81.23/32'), never));
    expect(readOnly).toMatchObject({ name: 'PermanentError', isFinal: false });
    expect(readOnly.message).toContain('a key with read-write access is needed');
    const stranger = withKey('wrong');
    const calls = [stranger.look, stranger.lift, stranger.allow, stranger.deny].map(
      (call) => () => call('netfilter', net('185.36.81.23/32'), never),
    );
    for (const call of [...calls, () => stranger.standing(never), ...calls]) {
      expect(await failure(call())).toMatchObject({ name: 'PermanentError', isFinal: true });
    }
    // Each would count as a failed login.
    expect(server.failedLogins()).toBe(1);
  });

  it('is worth another try where mailcow does not answer', async () => {
    server.answerWith({ status: 502 });
    expect(await failure(unbanner.look('netfilter', net('1.1.1.1/32'), never))).toBeInstanceOf(TransientError);
  });
});

describe('an order without a network or an action', () => {
  it('cannot be written, and is refused before it is sent', async () => {
    const api = createMailcowApi({ address: server.address, http, clock });
    // @ts-expect-error mailcow would take it for its settings
    const wrong: Fail2banAction = 'save';
    const order = api.order as (...args: unknown[]) => Promise<void>;
    for (const args of [
      [wrong, '1.1.1.1/32'],
      [undefined, '1.1.1.1/32'],
      ['unban', ''],
      ['unban', 'nonsense'],
      ['unban', undefined],
      ['unban', []],
      ['unban', ['1.1.1.1/32']],
    ]) {
      await expect(order(...args, never)).rejects.toThrow(TypeError);
    }
    expect(server.requests).toEqual([]);
  });

  it('would be a disaster', async () => {
    const send = (body: object) =>
      fetch(`${server.address.url.reveal()}/api/v1/edit/fail2ban`, {
        method: 'POST',
        headers: { 'x-api-key': API_KEY },
        body: JSON.stringify(body),
      });
    for (const body of [{ items: [], attr: { action: 'unban' } }, { items: ['1.1.1.1/32'] }, {}]) {
      expect(await (await send(body)).text()).toContain('f2b_modified');
    }
    expect(server.disasters.splice(0)).toHaveLength(3);
  });
});

import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { PermanentError } from '../core/errors.ts';
import type { HttpClient } from '../core/http.ts';
import { parseNetwork } from '../core/network.ts';
import { Secret } from '../core/secret.ts';
import { safeText } from '../core/text.ts';
import type { MailcowApiAddress, WatcherTools } from '../core/watcher.ts';
import { otherShape, readAnswer } from './mailcow-api-answer.ts';

/** Ten thousand bans take less than two of them, the ten thousand records of a log mostly less than four. */
const LONGEST_ANSWER_BYTES = 16_777_216;
/** Mailcow may have ten thousand records to write out. */
const TIMEOUT_MS = 20_000;
/** The session of PHP, https://github.com/mailcow/mailcow-dockerized/blob/master/data/web/inc/sessions.inc.php */
const SESSION = /(?:^|,\s*)(\w{0,32}SESSID=[\w,%.~+/=-]{1,256})(?:;|$)/;

export interface ApiAnswer {
  json: unknown;
  /** When it was asked for, and when it was there, in ms since the epoch. */
  askedAt: number;
  answeredAt: number;
  /** So much mailcow's clock is ahead of ours, in ms; good to a second. */
  aheadMs: number;
}

export interface MailcowApi {
  /**
   * One GET of `/api/v1/get/…`; undefined if the answer is longer than can be taken. Throws `TransientError` or
   * `PermanentError` with what to do; a final one where to ask again would get this host banned.
   */
  get(path: string, signal: AbortSignal): Promise<ApiAnswer | undefined>;
  /**
   * One POST of `/api/v1/edit/fail2ban` for one network, spelt as mailcow has it. Resolves when mailcow says that it was
   * done, which it also says of what it does not know; throws as `get` does.
   */
  order(action: Fail2banAction, network: string, signal: AbortSignal): Promise<void>;
}

/** https://github.com/mailcow/mailcow-dockerized/blob/master/data/web/inc/functions.fail2ban.inc.php */
export const FAIL2BAN_ACTIONS = ['unban', 'whitelist', 'blacklist'] as const;
export type Fail2banAction = (typeof FAIL2BAN_ACTIONS)[number];

/** Mailcow's API with one key. It keeps its session: every call without one makes mailcow begin another. */
export function createMailcowApi({
  address,
  http,
  clock,
}: {
  address: MailcowApiAddress;
  http: HttpClient;
  clock: Clock;
}): MailcowApi {
  let session: string | undefined;
  const send = async (path: string, signal: AbortSignal, body?: object) => {
    const response = await http.send(
      {
        method: body === undefined ? 'GET' : 'POST',
        url: urlOf(address, path),
        headers: {
          'x-api-key': address.key.reveal(),
          accept: 'application/json',
          ...(session !== undefined && { cookie: session }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        timeoutMs: TIMEOUT_MS,
        maxBodyBytes: LONGEST_ANSWER_BYTES,
      },
      signal,
    );
    session = SESSION.exec(response.headers['set-cookie'] ?? '')?.[1] ?? session;
    return response;
  };
  return {
    async get(path, signal) {
      const askedAt = clock.now();
      const response = await send(`get/${path}`, signal);
      const answeredAt = clock.now();
      if (response.isCut === true && response.status === 200) return undefined;
      const json = readAnswer(response, { now: answeredAt, key: address.key });
      const madeAt = Date.parse(response.headers.date ?? '');
      return { json, askedAt, answeredAt, aheadMs: Number.isNaN(madeAt) ? 0 : madeAt - answeredAt };
    },
    async order(action, network, signal) {
      // Without a network, or with an action that it does not know, mailcow takes it for its settings, and overwrites them.
      if (!FAIL2BAN_ACTIONS.includes(action) || parseNetwork(network) === undefined) {
        throw new TypeError('an order to mailcow without an action or a network');
      }
      const response = await send('edit/fail2ban', signal, { items: [network], attr: { action } });
      if (response.status === 403) throw new PermanentError(READ_ONLY);
      const refusal = readRefusal(response.body.replaceAll(address.key.reveal(), '…'));
      if (refusal !== undefined) throw new PermanentError(`mailcow refuses: ${refusal}`);
      const json = readAnswer(response, { now: clock.now(), key: address.key });
      if (!DONE.safeParse(json).success) throw otherShape('what came of an order', json);
    },
  };
}

const READ_ONLY =
  'mailcow, or a proxy in front of it, does not let this API key change anything: a key with read-write access is needed (System, Configuration, Access, API)';
const DONE = z.array(z.object({ type: z.literal('success') })).min(1);
const REFUSED = z.object({ type: z.enum(['danger', 'warning']), msg: z.unknown() });

/** A refusal has the status 200, too: what an order is worth stands in each element. */
function readRefusal(body: string): string | undefined {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return undefined;
  }
  const each = Array.isArray(json)
    ? json.map((one) => REFUSED.safeParse(one)).find(({ success }) => success)
    : undefined;
  return each?.data === undefined ? undefined : safeText([each.data.msg].flat().map(String).join(' '), 160);
}

/** Where mailcow's API is, for a watcher that cannot do without. */
export function mailcowApiOf(name: string, { mailcowApi }: WatcherTools): MailcowApiAddress {
  if (mailcowApi === undefined) {
    throw new PermanentError(`the watcher ${name} needs \`mailcow_api\` in the configuration`);
  }
  return mailcowApi;
}

/** The address is meant to be that of the web interface; that of its API is as good. */
function urlOf(address: MailcowApiAddress, path: string): Secret {
  const url = URL.parse(address.url.reveal());
  if (url === null) throw new PermanentError('mailcow_api.url is no address');
  url.pathname = `${url.pathname.replace(/\/+$/, '').replace(/\/api(?:\/v1)?$/, '')}/api/v1/${path}`;
  url.search = '';
  url.hash = '';
  return new Secret(url.href);
}

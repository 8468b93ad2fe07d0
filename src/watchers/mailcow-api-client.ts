import type { Clock } from '../core/clock.ts';
import { PermanentError } from '../core/errors.ts';
import type { HttpClient } from '../core/http.ts';
import { Secret } from '../core/secret.ts';
import type { MailcowApiAddress, WatcherTools } from '../core/watcher.ts';
import { readAnswer } from './mailcow-api-answer.ts';

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
}

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
  return {
    async get(path, signal) {
      const askedAt = clock.now();
      const response = await http.send(
        {
          method: 'GET',
          url: urlOf(address, path),
          headers: {
            'x-api-key': address.key.reveal(),
            accept: 'application/json',
            ...(session !== undefined && { cookie: session }),
          },
          timeoutMs: TIMEOUT_MS,
          maxBodyBytes: LONGEST_ANSWER_BYTES,
        },
        signal,
      );
      const answeredAt = clock.now();
      session = SESSION.exec(response.headers['set-cookie'] ?? '')?.[1] ?? session;
      if (response.isCut === true && response.status === 200) return undefined;
      const json = readAnswer(response, { now: answeredAt, key: address.key });
      const madeAt = Date.parse(response.headers.date ?? '');
      return { json, askedAt, answeredAt, aheadMs: Number.isNaN(madeAt) ? 0 : madeAt - answeredAt };
    },
  };
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
  url.pathname = `${url.pathname.replace(/\/+$/, '').replace(/\/api(?:\/v1)?$/, '')}/api/v1/get/${path}`;
  url.search = '';
  url.hash = '';
  return new Secret(url.href);
}

import { PermanentError, TransientError } from '../core/errors.ts';
import type { HttpResponse } from '../core/http.ts';
import { parseRetryAfter } from '../core/http-outcome.ts';
import type { Secret } from '../core/secret.ts';
import { safeText } from '../core/text.ts';

/** What answers, but not as it should, is left alone for a while: every call costs mailcow a line in its log. */
const PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 3_600_000;
/** So much of an answer is quoted. */
const QUOTED = 160;

/**
 * The JSON of an answer of mailcow's API. Throws with what is wrong and what to do about it; the wording is mailcow's:
 * https://github.com/mailcow/mailcow-dockerized/blob/master/data/web/json_api.php
 */
export function readAnswer(response: HttpResponse, { now, key }: { now: number; key: Secret }): unknown {
  const { status } = response;
  const body = response.body.replaceAll(key.reveal(), '…').trim();
  const json = parseJson(body);
  const problem = readProblem(json);
  if (status === 401 || (problem !== undefined && REFUSAL.test(problem))) throw explainRefusal(problem);
  if (status < 200 || status >= 300) {
    throw explainStatus(status, problem ?? quote(body), pauseOf(response.headers['retry-after'], now));
  }
  if (body === '') {
    throw new PermanentError(
      'mailcow answers with nothing: no API key reached it. Does a proxy in between take the header X-API-Key away?',
    );
  }
  if (problem !== undefined) throw transient(`mailcow answers: ${problem}`);
  if (json !== undefined) return json;
  if (/^(?:<|\uFEFF<)/.test(body)) {
    throw transient(
      `a web page answers in place of mailcow's API (${titleOf(body)}): mailcow_api.url must be the address of its web interface, with no login of a proxy in front of it`,
    );
  }
  throw transient(`the answer of mailcow's API is not JSON: ${quote(body)}`);
}

/** The answer is JSON, but not what was asked for. */
export function otherShape(what: string, json: unknown): TransientError {
  return transient(`mailcow's API answers, but not with ${what}: ${quote(textOf(json))}`);
}

/** What is nested too deep to be written out is named. */
function textOf(json: unknown): string {
  try {
    return JSON.stringify(json) ?? '';
  } catch {
    return 'JSON that is nested too deep';
  }
}

const REFUSAL = /^(?:authentication failed$|api access denied for ip )/;

/** It counts as a failed login: ten of them, and mailcow bans this host. */
function explainRefusal(problem: string | undefined): PermanentError {
  const why = 'each call with a refused key counts as a failed login and would get this host banned';
  const ip = problem === undefined ? undefined : /^api access denied for ip ([0-9a-f.:]{2,45})/i.exec(problem)?.[1];
  if (ip !== undefined) {
    return new PermanentError(
      `mailcow does not take this API key from ${ip}: add that address to those allowed for the key; ${why}`,
      { final: true },
    );
  }
  const said = problem === undefined || problem === 'authentication failed' ? '' : ` (${problem})`;
  return new PermanentError(
    `mailcow refuses the API key${said}: it is wrong, or the API is switched off. Set mailcow_api.key to the key shown under System, Configuration, Access, API; ${why}`,
    { final: true },
  );
}

function explainStatus(status: number, detail: string, retryAfterMs: number): Error {
  const said = `HTTP ${status}${detail === '' ? '' : ` (${detail})`}`;
  if (status >= 300 && status < 400) {
    return new PermanentError(
      `${said}: mailcow_api.url redirects elsewhere. Set it to the final address, with https:// and the name that mailcow has`,
    );
  }
  if (status === 403) {
    return new PermanentError(
      `${said}: mailcow, or a proxy in front of it, does not allow this. Read access is enough for the key; is this host allowed to get at the web interface?`,
    );
  }
  if (status === 404 || status === 405) {
    return new PermanentError(
      `${said}: there is no mailcow API here. mailcow_api.url must be the address of mailcow's web interface, such as https://mail.example.org`,
    );
  }
  if (status === 429) return transient(`${said}: mailcow, or a proxy in front of it, is asked too often`, retryAfterMs);
  if (status === 408 || status === 425 || (status >= 500 && status !== 501)) {
    return transient(`${said}: mailcow's web interface is in trouble, or just starting`, retryAfterMs);
  }
  return new PermanentError(`${said}: mailcow's API does not take this request`);
}

function transient(message: string, retryAfterMs = PAUSE_MS): TransientError {
  return new TransientError(message, { retryAfterMs });
}

function pauseOf(retryAfter: string | undefined, now: number): number {
  return Math.min(Math.max(parseRetryAfter(retryAfter, now) ?? 0, PAUSE_MS), LONGEST_PAUSE_MS);
}

/** `{type: 'danger', msg: 'text'}`, a list of those, or with a list of words for a message; undefined for anything else. */
function readProblem(json: unknown): string | undefined {
  const first: unknown = Array.isArray(json) ? json[0] : json;
  if (typeof first !== 'object' || first === null || !('type' in first) || !('msg' in first)) return undefined;
  if (first.type !== 'danger' && first.type !== 'error') return undefined;
  const words = Array.isArray(first.msg) ? first.msg : [first.msg];
  return quote(words.map((word) => (typeof word === 'string' ? word : textOf(word))).join(' '));
}

function titleOf(page: string): string {
  const title = /<title[^>]{0,100}>([^<]{1,300})/i.exec(page.slice(0, 10_000))?.[1];
  return title === undefined ? 'without a title' : `“${safeText(title, 80)}”`;
}

function quote(text: string): string {
  return text.startsWith('<') ? '' : safeText(text, QUOTED);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

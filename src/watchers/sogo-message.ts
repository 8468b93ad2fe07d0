import type { Statement } from '../core/observation.ts';
import { ipsOf, type LoginText, loginStatement } from './login-text.ts';

/**
 * SOGo's messages about logins to its web interface.
 * https://github.com/Alinto/sogo/blob/master/UI/MainUI/SOGoRootPage.m (connectAction)
 */

/**
 * What SOGo itself may have put in front, with the pid that syslog-ng leaves to the message because of the blank before it:
 * `sogod [34]: `, `[34]: `, `sogod[34:34] `.
 */
const OWN_TAG = String.raw`(?:(?:\d\d:\d\d:\d\d\.\d{1,6} )?(?:sogod ?)?\[\d{1,10}(?::[\da-fx]{1,18})?\]:? )?`;
const ADDRESSES = String.raw`[\da-fA-F.:]{2,45}(?:, ?[\da-fA-F.:]{2,45}){0,8}`;
const PAGE = String.raw`(?:SOGo\w{0,40}|<0x\w{1,40}\[SOGo\w{0,40}\]>):?`;

const LOGIN = new RegExp(`^${OWN_TAG}${PAGE} (Login|successful login) from '(${ADDRESSES})' for user '`);
const FAILED_END =
  /' might not have worked(?: - password policy: -?\d{0,9} {1,2}grace: -?\d{0,9}(?: {1,2}expire: -?\d{0,9}(?: {1,2}bound: -?\d{0,9})?)?)?\s{0,2}$/;
const GOOD_END = /' - expire = -?\d{1,9} {1,2}grace = -?\d{1,9}\s{0,2}$/;

/** A page that may not be seen. Failed logins are POST requests, and told of by the message above. */
const REFUSED = new RegExp(
  `^${OWN_TAG}(${ADDRESSES}) "GET [/_]SOGo[/_].{0,4096}" 403 \\d{1,12}(?:[/_]\\d{1,12})? .{0,200}$`,
);

/** What a message says of a login; undefined for one that is about something else. `text` may be cut off behind the name. */
export function readSogoMessage(text: string): LoginText | undefined {
  const first = text.charCodeAt(0);
  // S, s, [, <, or a digit or hexadecimal letter of a time or address.
  const mayBeOurs =
    first === 83 || first === 115 || first === 91 || (first >= 48 && first <= 60) || (first >= 97 && first <= 102);
  if (!mayBeOurs) return undefined;
  const login = LOGIN.exec(text);
  if (login !== null) return readLogin(text.slice(login[0].length), login);
  const refused = REFUSED.exec(text);
  return refused === null ? undefined : { outcome: 'failed', service: 'sogo', reason: '403', ...placeOf(refused[1]) };
}

/** A whole message as SOGo logs it, or as it arrives on F2B_CHANNEL. */
export function parseSogoMessage(message: string): Statement | undefined {
  return loginStatement(readSogoMessage(message), message);
}

/** The name goes to the last place where it can end. */
function readLogin(rest: string, [, verb, addresses]: RegExpExecArray): LoginText {
  const isGood = verb === 'successful login';
  const end = (isGood ? GOOD_END : FAILED_END).exec(rest);
  const failed = { reason: 'login failed' };
  if (end === null) return { outcome: 'neither', service: 'sogo', ...(!isGood && failed), ...placeOf(addresses) };
  return {
    outcome: isGood ? 'succeeded' : 'failed',
    service: 'sogo',
    account: rest.slice(0, end.index),
    ...(!isGood && failed),
    ...placeOf(addresses),
  };
}

/** With proxies in between there are several, the client's first. */
function placeOf(text: string | undefined): Pick<LoginText, 'ip' | 'addresses'> {
  const addresses = ipsOf((text ?? '').split(',')[0]?.toLowerCase());
  return { ...(addresses[0] !== undefined && { ip: addresses[0] }), addresses };
}

import type { Statement } from '../core/observation.ts';
import { firstAddress, ipsOf, type LoginText, loginStatement } from './login-text.ts';

/**
 * Failed logins to mailcow's web interface, its API and rspamd's interface, as PHP publishes them on F2B_CHANNEL. What
 * autodiscover publishes beside them is no login.
 * https://github.com/mailcow/mailcow-dockerized/blob/master/data/web/inc/functions.auth.inc.php
 */
const HEAD = /^(mailcow|Rspamd) UI: Invalid password (for )?/;

/** A name may hold ` by `, addresses and line breaks: mailcow's own address is the last thing in the text. */
const TAIL = /(?:^| )by ([0-9a-f.:]{2,45})$/;

/** `text` may be cut off behind the name. */
export function readUiMessage(text: string): LoginText | undefined {
  const head = HEAD.exec(text);
  if (head === null) return undefined;
  const tail = TAIL.exec(text.slice(head[0].length));
  const name = text.slice(head[0].length, tail === null ? undefined : text.length - tail[0].length);
  const own = ipsOf(tail?.[1]);
  const addresses = [...firstAddress(text), ...own];
  return {
    outcome: 'failed',
    service: head[1] === 'mailcow' ? 'ui' : 'rspamd-ui',
    reason: 'Invalid password',
    ...(head[2] !== undefined && { account: name }),
    ...(own[0] !== undefined && (head[2] !== undefined || name === '') && { ip: own[0] }),
    addresses,
    ...(addresses.some((each) => each !== own[0]) && { claimed: true }),
  };
}

/** A whole message of F2B_CHANNEL. One whose name holds another address than the client's is marked as claimed. */
export function parseUiMessage(message: string): Statement | undefined {
  return loginStatement(readUiMessage(message), message);
}

import { parseIp } from '../core/network.ts';
import type { Service, Statement } from '../core/observation.ts';
import { CLIENT } from './postfix-client.ts';
import { accountOf } from './redact.ts';

const SASL = new RegExp(`^${CLIENT}: SASL ([\\w-]{1,32}) authentication failed(?:: ?|$)`);

/**
 * Answers of an authentication server that cannot tell whether the login is right. The first four are Postfix's own, the
 * others Cyrus SASL's and Dovecot's.
 */
const SERVER_FAULTS = [
  'Connection lost to authentication server',
  "Can't connect to authentication server",
  'Authentication backend error',
  'generic failure',
  'out of memory failure',
  'no mechanism available',
  'remote authentication server unavailable',
  'version mismatch',
  'Temporary authentication failure',
  'Internal authentication failure',
];

/** https://www.iana.org/assignments/sasl-mechanisms; the client may write any other word. */
const MECHANISMS =
  /^(?:PLAIN|LOGIN|CRAM-MD5|DIGEST-MD5|NTLM|GSSAPI|GSS-SPNEGO|EXTERNAL|ANONYMOUS|OTP|APOP|RPA|SKEY|XOAUTH2?|OAUTHBEARER|SCRAM-SHA-(?:1|224|256|384|512)(?:-PLUS)?)$/;

const SASL_USERNAME = 'sasl_username=';

/** `unknown[192.0.2.1]: SASL PLAIN …`. The user's name is the last thing in the line: nothing behind it is Postfix's. */
export function readFailure(warning: string, service: Service): Statement | undefined {
  const match = SASL.exec(warning);
  const ip = match === null ? undefined : parseIp(match[2] ?? '');
  if (match === null || ip === undefined || match[1] === '') return undefined;
  const said = warning.slice(match[0].length);
  if (SERVER_FAULTS.some((fault) => said.startsWith(fault))) return undefined;
  const userAt = said.startsWith(SASL_USERNAME) ? 0 : said.indexOf(`, ${SASL_USERNAME}`);
  const user = userAt < 0 ? undefined : said.slice(said.indexOf('=', userAt) + 1);
  const account = user === '(unavailable)' ? undefined : accountOf(user);
  const mechanism = mechanismOf(match[3]);
  return {
    kind: 'auth-failed',
    ip,
    service,
    ...(account !== undefined && { account }),
    ...(mechanism !== undefined && { mechanism }),
    reason: saslReason(match[3]),
  };
}

/** A mechanism that exists, in capitals; undefined for any other word of the client's. */
export function mechanismOf(word: string | undefined): string | undefined {
  const mechanism = word?.toUpperCase();
  return mechanism !== undefined && MECHANISMS.test(mechanism) ? mechanism : undefined;
}

/** What a failed login is called, the same wherever the line is quoted. */
export function saslReason(word: string | undefined): string {
  const mechanism = mechanismOf(word);
  return mechanism === undefined ? 'SASL authentication failed' : `SASL ${mechanism} authentication failed`;
}

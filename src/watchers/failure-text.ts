import type { Ip } from '../core/network.ts';
import type { Service } from '../core/observation.ts';
import { readDovecotMessage } from './dovecot-message.ts';
import { firstAddress, ipsOf } from './login-text.ts';
import { saslReason } from './postfix-sasl.ts';
import { readSogoMessage } from './sogo-message.ts';
import { readUiMessage } from './ui-message.ts';

/**
 * What the text of a failed login says, as mailcow's netfilter quotes it behind `matched rule id`. The service is told
 * by the text, never by the rule's number: the numbers have moved seven times.
 */
export interface FailureText {
  service?: Service;
  /** As the client wrote it, uncut; may be empty. */
  account?: string;
  reason?: string;
  /** Addresses that stand where a program puts the client's. More than one: a client wrote something that looks so. */
  addresses: Ip[];
}

type Reader = (text: string) => FailureText | undefined;

const readers: readonly Reader[] = [readPostfix, readUiMessage, readDovecotMessage, readSogoMessage];

/** `text` is a line without its syslog prefix; unknown lines give their first address at most. */
export function readFailureText(text: string): FailureText {
  const plain = text.replace(/^(?:(?:postfix|haproxy)\/[\w/-]{1,40}\[\d{1,10}\]|dovecot): /, '');
  for (const read of readers) {
    const found = read(plain);
    if (found !== undefined) return found;
  }
  return { ...guessService(plain), addresses: firstAddress(plain) };
}

function readPostfix(text: string): FailureText | undefined {
  const client =
    /^(warning: (?:non-SMTP command from )?|NOQUEUE: reject: RCPT from )([^\s[\]]{0,255})\[([0-9a-f.:]{2,45})\]/i.exec(
      text,
    );
  if (client === null) return undefined;
  const addresses = ipsOf(client[3]);
  const rest = text.slice(client[0].length);
  if (text.startsWith('NOQUEUE')) {
    const postscreen = client[2] === '' && /^:\d/.test(rest);
    const reason = rest.includes('Protocol error') ? { reason: 'Protocol error' } : {};
    return { service: postscreen ? 'postscreen' : 'smtp', ...reason, addresses };
  }
  if (text.startsWith('warning: non-SMTP command')) return { service: 'smtp', reason: 'non-SMTP command', addresses };
  const sasl = /^: SASL ([\w-]{1,20}) authentication failed/.exec(rest);
  if (sasl === null) return { service: 'smtp', addresses };
  const at = rest.indexOf('sasl_username=');
  const user = at < 0 ? undefined : rest.slice(at + 'sasl_username='.length);
  return {
    service: 'smtp',
    reason: saslReason(sasl[1]),
    // Postfix's own words for a name that it could not make out.
    ...(user !== undefined && user !== '(unavailable)' && { account: user }),
    addresses,
  };
}

/** For lines and rules (`regex: …` of March 2020) that none of the readers knows. */
function guessService(text: string): { service?: Service } {
  if (/^regex: /.test(text)) {
    if (text.includes('SASL') || text.includes('non-SMTP')) return { service: 'smtp' };
    if (text.includes('SOGo')) return { service: 'sogo' };
    if (text.includes('Rspamd UI')) return { service: 'rspamd-ui' };
    if (text.includes('mailcow UI')) return { service: 'ui' };
    if (/-login|auth failed|no auth|plaintext/.test(text)) return { service: 'dovecot' };
    return {};
  }
  if (/^(?:auth|auth-worker)\b/.test(text)) return { service: 'dovecot' };
  return /^(?:sogod|SOGo)\b/.test(text) ? { service: 'sogo' } : {};
}

/** The service that the name of a container or a fail2ban jail tells of. */
export function serviceOfName(name: string): Service | undefined {
  const lower = name.toLowerCase();
  for (const [word, service] of NAMES) if (lower.includes(word)) return service;
  return undefined;
}

const NAMES: readonly (readonly [string, Service])[] = [
  ['postscreen', 'postscreen'],
  ['submission', 'submission'],
  ['smtps', 'smtps'],
  ['postfix', 'smtp'],
  ['sendmail', 'smtp'],
  ['exim', 'smtp'],
  ['smtp', 'smtp'],
  ['imap', 'imap'],
  ['pop3', 'pop3'],
  ['sieve', 'sieve'],
  ['dovecot', 'dovecot'],
  ['sogo', 'sogo'],
  ['rspamd', 'rspamd-ui'],
];

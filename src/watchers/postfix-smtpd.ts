import { parseIp } from '../core/network.ts';
import type { Service, Statement } from '../core/observation.ts';
import { CLIENT, QUEUE_ID, STAGE } from './postfix-client.ts';
import { mechanismOf, readFailure } from './postfix-sasl.ts';
import { accountOf } from './redact.ts';

/** Verdicts with a text of the client's behind them, and those that end with the address. */
const WARNED = new RegExp(
  `^(non-SMTP command) from ${CLIENT}(?:: |$)` +
    `|^((?:Connection (?:concurrency|rate)|Message delivery request rate|Recipient address rate|New TLS session rate|AUTH command rate) limit exceeded): \\d{1,9} from ${CLIENT} for service (\\S{1,64}) {0,4}$` +
    `|^(Refusing (?:STARTTLS|TLS service) request) from ${CLIENT} for service (\\S{1,64}) {0,4}$`,
);

const BROKEN_OFF = new RegExp(
  `^(?:${QUEUE_ID})?(lost connection after AUTH|too many errors)(?: after ${STAGE})?(?: \\(\\d{1,12} bytes\\))? from ${CLIENT} {0,4}$` +
    `|^(improper command pipelining) after ${STAGE} from ${CLIENT}(?::|$)`,
);

const LOGGED_IN = new RegExp(
  `^${QUEUE_ID}client=${CLIENT}(?:, sasl_method=([^\\s,]{1,64}))?, sasl_username=(.{1,512}?)(?:, (?:sasl_sender|orig_queue_id|orig_client)=|$)`,
);

/** What smtpd says in one line of a client, other than a reply that turns it away. */
export function readSmtpd(message: string, service: Service): Statement | undefined {
  switch (message.charCodeAt(0)) {
    case 0x77: // warning
      if (!message.startsWith('warning: ')) return undefined;
      return readWarning(message.slice('warning: '.length), service);
    case 0x6c: // lost connection
    case 0x74: // too many errors
    case 0x69: // improper command pipelining
      return readBrokenOff(message, service);
    default: {
      const said = afterQueueId(message);
      if (message.startsWith('client=', said)) return readLogin(message, service);
      return said > 0 && /^[lt]/.test(message.slice(said, said + 1)) ? readBrokenOff(message, service) : undefined;
    }
  }
}

/** Where the message begins behind `4F3B21A0: `; 0 if it has no such front. */
function afterQueueId(message: string): number {
  const colon = message.indexOf(': ');
  return colon < 4 || colon > 24 ? 0 : colon + 2;
}

function readWarning(warning: string, service: Service): Statement | undefined {
  const match = WARNED.exec(warning);
  if (match === null) return warning.includes(': SASL ') ? readFailure(warning, service) : undefined;
  const at = match[1] !== undefined ? 1 : match[4] !== undefined ? 4 : 8;
  return rejected(match, at, at === 1 ? service : (serviceOfLimit(match[at + 3] ?? '') ?? service));
}

function readBrokenOff(message: string, service: Service): Statement | undefined {
  const match = BROKEN_OFF.exec(message);
  return match === null ? undefined : rejected(match, match[1] === undefined ? 4 : 1, service);
}

/** The reason, the host's name and the address are groups `at` and the two behind it. */
function rejected(match: RegExpExecArray, at: number, service: Service): Statement | undefined {
  const ip = parseIp(match[at + 2] ?? '');
  return ip && { kind: 'rejected', ip, service, reason: match[at] ?? '', ...hostname(match[at + 1]) };
}

function readLogin(message: string, service: Service): Statement | undefined {
  const match = LOGGED_IN.exec(message);
  const ip = match === null ? undefined : parseIp(match[2] ?? '');
  const account = accountOf(match?.[4]);
  if (match === null || ip === undefined || account === undefined) return undefined;
  const mechanism = mechanismOf(match[3]);
  return { kind: 'authenticated', ip, service, account, ...(mechanism !== undefined && { mechanism }) };
}

/** Name that the address resolves to, for a statement; nothing for one that it does not resolve to. */
export function hostname(name: string | undefined): { hostname?: string } {
  return name === undefined || name === '' || name === 'unknown' ? {} : { hostname: name };
}

/** `submission`, `[::]:587`, `smtpd`: as master.cf names it. */
function serviceOfLimit(name: string): Service | undefined {
  if (/(?:^|:)(?:submission|587)$/.test(name)) return 'submission';
  if (/(?:^|:)(?:smtps|submissions|urd|465)$/.test(name)) return 'smtps';
  return undefined;
}

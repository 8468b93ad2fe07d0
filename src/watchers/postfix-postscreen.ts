import { parseIp } from '../core/network.ts';
import type { Rejected } from '../core/observation.ts';

type Verdict = Pick<Rejected, 'ip' | 'reason'>;

const CLIENT = String.raw`\[([0-9A-Fa-f:.]{2,45})\]:\d{1,5}`;

/**
 * The tests that a client fails, of every version since 2.8; behind the address stands what the client sent.
 * https://www.postfix.org/POSTSCREEN_README.html
 */
const FAILED = new RegExp(
  `^(?:(PREGREET|HANGUP)(?: \\d{1,9})? after [\\d.]{1,16} from ${CLIENT}(?:: | in tests |$)` +
    `|(?:(DNSBL) rank \\d{1,9} for|(DENY|BLACK)LISTED) ${CLIENT} {0,4}$` +
    `|(BARE NEWLINE|COMMAND (?:PIPELINING|(?:TIME|COUNT|LENGTH) LIMIT)|NON-SMTP COMMAND) from ${CLIENT}(?: |$))`,
);

/** What postscreen says of a client that it turns away before it asks anything; its `NOQUEUE` lines are read as smtpd's. */
export function readPostscreen(message: string): Verdict | undefined {
  if (!mayFail(message)) return undefined;
  const match = FAILED.exec(message);
  if (match === null) return undefined;
  const ip = parseIp(match[2] ?? match[5] ?? match[7] ?? '');
  const reason = match[1] ?? match[3] ?? (match[4] === undefined ? match[6] : 'DENYLISTED');
  return ip === undefined || reason === undefined ? undefined : { ip, reason };
}

/** Most lines of postscreen are CONNECT, PASS and DISCONNECT, and say nothing. */
function mayFail(message: string): boolean {
  switch (message.charCodeAt(0)) {
    case 0x42: // BARE, BLACKLISTED
    case 0x48: // HANGUP
    case 0x4e: // NON-SMTP
      return true;
    case 0x43:
      return message.startsWith('COM');
    case 0x44:
      return message.startsWith('DN') || message.startsWith('DE');
    case 0x50:
      return message.startsWith('PR');
    default:
      return false;
  }
}

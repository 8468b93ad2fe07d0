import { type Ip, parseIp } from '../core/network.ts';
import type { Service, Statement } from '../core/observation.ts';
import { accountOf, evidenceOf } from './redact.ts';

/** What a program's message says of a login; the one reading behind its own watcher and behind what netfilter quotes. */
export interface LoginText {
  outcome: 'failed' | 'succeeded' | 'neither';
  service?: Service;
  /** As the client wrote it, uncut; may be empty. */
  account?: string;
  /** In the program's own words. */
  reason?: string;
  mechanism?: string;
  session?: string;
  /** The message sums up a connection with so many attempts. */
  attempts?: number;
  /** Where the client is, as the program says; left out where the message can be read in two ways. */
  ip?: Ip;
  /** Whatever stands where the program puts the client's address. More than one: a client wrote something that looks so. */
  addresses: Ip[];
  /** The client may have written the address. */
  claimed?: boolean;
}

/** What a whole message says, with `line` for evidence; undefined where it tells of no login, or not for sure of whose. */
export function loginStatement(found: LoginText | undefined, line: string): Statement | undefined {
  if (found === undefined || found.outcome === 'neither' || found.ip === undefined) return undefined;
  const account = accountOf(found.account);
  const { ip, service, reason, mechanism, session, attempts, claimed } = found;
  if (found.outcome === 'succeeded') {
    return account === undefined
      ? undefined
      : {
          kind: 'authenticated',
          ip,
          ...(service && { service }),
          account,
          ...(mechanism && { mechanism }),
          line: evidenceOf(line),
        };
  }
  return {
    kind: 'auth-failed',
    ip,
    ...(service && { service }),
    ...(account !== undefined && { account }),
    ...(reason && { reason }),
    ...(mechanism && { mechanism }),
    ...(session && { session }),
    ...(attempts !== undefined && { attempts }),
    ...(claimed && { claimed }),
    line: evidenceOf(line),
  };
}

/** The address that the text is; none if it is anything else. */
export function ipsOf(text: string | undefined): Ip[] {
  const ip = text === undefined ? undefined : parseIp(text);
  return ip === undefined ? [] : [ip];
}

/** The first thing in the text that is an address by itself, not a part of a host name. */
export function firstAddress(text: string): Ip[] {
  for (const match of text.matchAll(/(?<![\w.:-])[0-9a-f.:]{2,45}(?![\w-])/g)) {
    const ip = parseIp(match[0].replace(/[.:]$/, ''));
    if (ip !== undefined && match[0] !== '::') return [ip];
  }
  return [];
}

import { TransientError } from '../core/errors.ts';
import { addressKey, type Ip } from '../core/network.ts';

/** How a block list is asked. */
export interface DnsListOptions {
  /** `192.0.2.53`, `[2001:db8::53]:5353`; the system's own where there are none. */
  servers: readonly string[];
  /** For all of the questions about one address together. */
  timeoutMs: number;
}

/** Asks zones about an address; the caller calls `close`, after which nothing is waited for any more. */
export interface DnsListClient {
  /**
   * The answers of a zone, none where the address is not on the list. Throws `TransientError` when it does not say: no
   * server answers, or it answers that it was asked in a way that it does not take.
   */
  ask(ip: Ip, zone: string): Promise<string[]>;
  close(): void;
}

/** What stands for an address in front of the zone. https://www.rfc-editor.org/rfc/rfc5782#section-2 */
export function reversedName(ip: Ip): string {
  if (!ip.includes(':')) return ip.split('.').reverse().join('.');
  return [...Buffer.from(addressKey(ip)).toString('hex')].reverse().join('.');
}

/** Loads the resolver with the first question. */
export async function openDnsList({ servers, timeoutMs }: DnsListOptions, signal: AbortSignal): Promise<DnsListClient> {
  const { Resolver } = await import('node:dns/promises');
  if (signal.aborted) throw new TransientError('nobody waits for it any more');
  // Two tries within the time: UDP loses things.
  const resolver = new Resolver({ timeout: Math.ceil(timeoutMs / 3), tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  const cancel = () => resolver.cancel();
  const timer = setTimeout(cancel, timeoutMs);
  signal.addEventListener('abort', cancel, { once: true });
  return {
    async ask(ip, zone) {
      let answers: string[];
      try {
        answers = await resolver.resolve4(`${reversedName(ip)}.${zone}`);
      } catch (error) {
        // Without a cause: it knows the name that was asked, and a key may be part of that.
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
        if (NOT_LISTED.has(code)) return [];
        throw new TransientError(FAILURES[code]?.(timeoutMs) ?? `no answer: ${code}`);
      }
      const refused = answers.find((answer) => !isListing(answer));
      if (refused === undefined) return answers;
      throw new TransientError(`it answers ${refused}: ${refusalOf(refused)}`);
    },
    close() {
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
      resolver.cancel();
    },
  };
}

/** No such name, or a name without an address. */
const NOT_LISTED = new Set(['ENOTFOUND', 'ENODATA']);

const FAILURES: Readonly<Record<string, (timeoutMs: number) => string>> = {
  ETIMEOUT: inTime,
  // By the time, or as nobody waits any more.
  ECANCELLED: inTime,
  ESERVFAIL: () => 'the DNS server cannot find out',
  EREFUSED: () => 'the DNS server refuses to find out',
  ECONNREFUSED: () => 'there is no DNS server',
};

function inTime(timeoutMs: number): string {
  return `no answer within ${timeoutMs / 1000} s`;
}

/**
 * Lists answer with addresses of 127.0.0.0/8; 127.0.0.1 is no listing (https://www.rfc-editor.org/rfc/rfc5782#section-2.3), and
 * lists refuse with it or with 127.255.255.0/24 (https://docs.spamhaus.com/datasets/docs/source/10-data-type-documentation/datasets/040-zones.html).
 */
function isListing(answer: string): boolean {
  return answer.startsWith('127.') && answer !== '127.0.0.1' && !answer.startsWith('127.255.255.');
}

function refusalOf(answer: string): string {
  if (!answer.startsWith('127.')) return 'that is no block list, or a DNS server that makes up answers';
  return REFUSALS[answer] ?? 'it refuses to say';
}

/** https://www.spamhaus.org/faqs/dnsbl-usage/ */
const REFUSALS: Readonly<Record<string, string>> = {
  '127.255.255.252': 'there is no list of this name',
  '127.255.255.254': 'it is not asked by way of a public DNS server',
  '127.255.255.255': 'it was asked too often',
};

import { z } from 'zod';
import { messageOf, TransientError } from '../core/errors.ts';
import { type Ip, isPublic, parseIp } from '../core/network.ts';
import type { ReputationDefinition, ReputationSource, ReputationTools } from '../core/reputation.ts';
import { Secret } from '../core/secret.ts';
import { formatCount, plural } from '../core/text.ts';
import { type DnsListClient, openDnsList } from './dns-list.ts';
import { Gate } from './gate.ts';

const HOUR_MS = 3_600_000;
const SPENT_PAUSE_MS = 60_000;
/** Addresses that are asked about at a time, of each list at once. */
const AT_ONCE = 16;
/** On every list that is alive, and on none. https://www.rfc-editor.org/rfc/rfc5782#section-5 */
const LISTED = '127.0.0.2' as Ip;
const UNLISTED = '127.0.0.1' as Ip;

const ZONE = /^(?=.{1,128}$)(?:[a-z0-9_][a-z0-9_-]{0,62}\.)+[a-z0-9-]{2,63}$/i;
const LABEL = /^[a-z0-9-]{1,63}$/i;
const CODE = /^127(\.\d{1,3}){3}$/;
const SERVER = /^(?<address>[\d.]+|\[[\da-f:.]+\])(?::(?<port>\d{1,5}))?$/i;

const score = () => z.number().min(0).max(100);

const Zone = z.strictObject({
  zone: z.string().regex(ZONE, 'expected the name of a list, such as bl.spamcop.net').describe('Its name'),
  key: z
    .string()
    .regex(LABEL, 'expected letters, digits and `-`, 63 at most')
    .transform((value) => new Secret(value))
    .meta({ secret: true })
    .optional()
    .describe('What stands in front of its name, where the list gives each customer a key'),
  score: score().default(100).describe('What it is worth to be on it'),
  codes: z
    .record(z.string().regex(CODE, 'expected an answer such as 127.0.0.4'), score())
    .default({})
    .describe('What single answers are worth in place of `score`'),
});
type Zone = z.output<typeof Zone>;

export const DnsblOptions = z.strictObject({
  zones: z
    .array(Zone)
    .min(1)
    .max(20)
    .meta({
      examples: [
        [
          { zone: 'zen.spamhaus.org', codes: { '127.0.0.10': 0, '127.0.0.11': 0 } },
          { zone: 'bl.spamcop.net', score: 60 },
        ],
      ],
    })
    .describe(
      'The lists: the `zone` of each, the `score` that it is worth to be on it (100), single answers that are worth ' +
        'something else as `codes`, and a `key` where the list gives you one',
    ),
  servers: z
    .array(z.string().refine(isServer, 'expected 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353'))
    .max(8)
    .default([])
    .describe("DNS servers to ask; the system's own where there are none. Many lists refuse public ones"),
  timeout_seconds: z.number().min(0.1).max(20).default(5).describe('How long an answer is waited for'),
  cache_hours: z.int().min(1).max(720).default(1).describe('What they said of an address is good for so long'),
  daily_lookups: z.int().min(1).max(1_000_000).default(10_000).describe('Addresses that are asked about in a day'),
});

/** Block lists that are asked by DNS. https://www.rfc-editor.org/rfc/rfc5782 */
export const dnsblSource: ReputationDefinition<typeof DnsblOptions> = {
  type: 'dnsbl',
  summary:
    'Block lists, asked by DNS: they learn the addresses of bans that may be lifted, as do the DNS servers between',
  options: DnsblOptions,
  create: createDnsbl,
};

function createDnsbl(
  { zones, servers, timeout_seconds, cache_hours, daily_lookups }: z.output<typeof DnsblOptions>,
  { clock, budget }: ReputationTools,
): ReputationSource {
  const { type: name } = dnsblSource;
  const gate = new Gate(AT_ONCE);
  /** When each list was last seen to be alive. */
  const aliveAt = new Map<Zone, number>();

  const withClient = async <T>(signal: AbortSignal, work: (client: DnsListClient) => Promise<T>): Promise<T> => {
    const client = await openDnsList({ servers, timeoutMs: timeout_seconds * 1000 }, signal);
    try {
      return await work(client);
    } finally {
      client.close();
    }
  };
  /** A list that is misspelt, or was given up, lists nobody or everybody: what it says is worth nothing. */
  const requireAlive = async (zone: Zone, client: DnsListClient) => {
    const seenAt = aliveAt.get(zone) ?? Number.NEGATIVE_INFINITY;
    if (Math.abs(clock.now() - seenAt) < HOUR_MS) return;
    const [listed, unlisted] = await Promise.all([LISTED, UNLISTED].map((ip) => client.ask(ip, nameOf(zone))));
    if (listed?.length === 0) throw new TransientError('it is no block list, or it is dead: 127.0.0.2 is not on it');
    if (unlisted?.length !== 0) throw new TransientError('it is dead: 127.0.0.1 is on it, as everybody may be');
    aliveAt.set(zone, clock.now());
  };
  const listingIn = async (zone: Zone, ip: Ip, client: DnsListClient) => {
    try {
      await requireAlive(zone, client);
      const answers = await client.ask(ip, nameOf(zone));
      return { zone: zone.zone, answers, score: Math.max(0, ...answers.map((answer) => worthOf(answer, zone))) };
    } catch (error) {
      throw new TransientError(`${zone.zone}: ${messageOf(error)}`);
    }
  };

  return {
    name,
    cacheMs: cache_hours * HOUR_MS,
    async lookUp(ip, signal) {
      if (!isPublic(ip)) return undefined;
      if (!budget.take('lookup', daily_lookups))
        throw new TransientError('the daily budget of lookups is spent', { retryAfterMs: SPENT_PAUSE_MS });
      const found = await gate.pass(() =>
        withClient(signal, (client) => Promise.all(zones.map((zone) => listingIn(zone, ip, client)))),
      );
      const listed = found.filter(({ answers }) => answers.length > 0);
      return {
        source: name,
        score: Math.max(...found.map((each) => each.score)),
        reports: listed.length,
        ...(listed.length > 0 && { note: listed.map((each) => `${each.zone} ${each.answers.join(' ')}`).join(', ') }),
        checkedAt: clock.now(),
      };
    },
    async probe(signal) {
      aliveAt.clear();
      await withClient(signal, (client) => Promise.all(zones.map((zone) => listingIn(zone, LISTED, client))));
      const used = `${formatCount(budget.used('lookup'))} of ${formatCount(daily_lookups)}`;
      return `${plural(zones.length, 'list answers', 'lists answer')}; ${used} of today's lookups are used`;
    },
  };
}

function isServer(text: string): boolean {
  const { address = text, port = '53' } = SERVER.exec(text)?.groups ?? {};
  return parseIp(address.replace(/^\[(.*)\]$/, '$1')) !== undefined && Number(port) > 0 && Number(port) <= 65_535;
}

function nameOf({ zone, key }: Zone): string {
  return key === undefined ? zone : `${key.reveal()}.${zone}`;
}

function worthOf(answer: string, { codes, score: usual }: Zone): number {
  return codes[answer] ?? usual;
}

import { z } from 'zod';
import { TransientError } from '../core/errors.ts';
import { type Ip, isPublic, type Network, parseIp, prefixOf } from '../core/network.ts';
import { secretText } from '../core/options.ts';
import type { Opinion, ReputationDefinition, ReputationSource, ReputationTools } from '../core/reputation.ts';
import { formatCount } from '../core/text.ts';
import { createAbuseipdbCall } from './abuseipdb-call.ts';
import { createAbuseipdbReporter } from './abuseipdb-report.ts';

const HOUR_MS = 3_600_000;
/** It answers about this one, and nobody is harmed. https://docs.abuseipdb.com/#check-endpoint */
const HARMLESS = '127.0.0.1' as Ip;

/** The daily limits of each plan: https://www.abuseipdb.com/pricing */
export const AbuseipdbOptions = z.strictObject({
  key: secretText().describe('A key of AbuseIPDB’s API, version 2'),
  url: z
    .url({ protocol: /^https?$/ })
    .default('https://api.abuseipdb.com/api/v2')
    .describe('Where its API is'),
  timeout_seconds: z.number().min(0.1).max(20).default(5).describe('How long an answer is waited for'),
  max_age_days: z.int().min(1).max(365).default(30).describe('Reports before that do not count'),
  cache_hours: z.int().min(1).max(720).default(6).describe('What it said of an address is good for so long'),
  daily_checks: z.int().min(1).max(1_000_000).default(1_000).describe('Addresses that are asked about in a day'),
  daily_blocks: z.int().min(0).max(1_000_000).default(100).describe('Networks that are asked about in a day'),
  widest_block: z
    .int()
    .min(16)
    .max(32)
    .default(24)
    .describe('Prefix length of the widest network that your plan may ask about: 24 without one, 16 with the largest'),
  report: z
    .strictObject({
      daily: z.int().min(1).max(1_000_000).default(1_000).describe('Addresses that it is told of in a day'),
    })
    .optional()
    .describe(
      'Tell it of addresses that the server banned, with the time, the number of failures and the services; not of own users’',
    ),
});

/** https://docs.abuseipdb.com/#check-endpoint; `isWhitelisted` is said there to be no basis for anything. */
const Checked = z.object({
  data: z.object({
    ipAddress: z.string(),
    abuseConfidenceScore: z.number().min(0).max(100),
    totalReports: z.int().nonnegative().optional(),
    countryCode: z
      .string()
      .regex(/^[A-Z]{2}$/)
      .nullish(),
  }),
});
/** https://docs.abuseipdb.com/#check-block-endpoint */
const CheckedBlock = z.object({
  data: z.object({
    networkAddress: z.string(),
    reportedAddress: z.array(z.object({ abuseConfidenceScore: z.number().min(0).max(100) })),
  }),
});

/** AbuseIPDB: what others report of an address. https://docs.abuseipdb.com */
export const abuseipdbSource: ReputationDefinition<typeof AbuseipdbOptions> = {
  type: 'abuseipdb',
  summary: 'AbuseIPDB: what others report of an address. Addresses of bans that may be lifted are sent to it',
  options: AbuseipdbOptions,
  create: createAbuseipdb,
  createReporter: (options, tools) => createAbuseipdbReporter({ ...callOptionsOf(options), ...options.report }, tools),
};

function createAbuseipdb(options: z.output<typeof AbuseipdbOptions>, tools: ReputationTools): ReputationSource {
  const { type: name } = abuseipdbSource;
  const { clock, budget } = tools;
  const call = createAbuseipdbCall(callOptionsOf(options), tools);
  const maxAgeInDays = String(options.max_age_days);
  const check = async (ip: Ip, signal: AbortSignal) => {
    const { data } = await call(
      {
        call: 'check',
        daily: options.daily_checks,
        fields: { ipAddress: ip, maxAgeInDays },
        answer: Checked,
      },
      signal,
    );
    requireAbout(ip, data.ipAddress);
    return data;
  };
  const opinion = (score: number, more: Partial<Opinion>): Opinion => ({
    source: name,
    score,
    checkedAt: clock.now(),
    ...more,
  });

  return {
    name,
    cacheMs: options.cache_hours * HOUR_MS,
    async lookUp(ip, signal) {
      if (!isPublic(ip)) return undefined;
      const { abuseConfidenceScore: score, totalReports: reports, countryCode: country } = await check(ip, signal);
      return opinion(score, { ...(reports !== undefined && { reports }), ...(country && { country }) });
    },
    async lookUpNetwork(network, signal) {
      const ip = network.slice(0, network.indexOf('/')) as Ip;
      if (!mayBeAsked(network, options) || !isPublic(ip)) return undefined;
      const { data } = await call(
        {
          call: 'check-block',
          daily: options.daily_blocks,
          fields: { network, maxAgeInDays },
          answer: CheckedBlock,
        },
        signal,
      );
      requireAbout(ip, data.networkAddress);
      const scores = data.reportedAddress.map((each) => each.abuseConfidenceScore);
      return opinion(Math.max(0, ...scores), { reports: scores.length });
    },
    async probe(signal) {
      await check(HARMLESS, signal);
      const [used, daily] = [budget.used('check'), options.daily_checks].map(formatCount);
      return `answers, and takes the key; this was one of today's checks, ${used} of ${daily} are used`;
    },
  };
}

function callOptionsOf({ key, url, timeout_seconds }: z.output<typeof AbuseipdbOptions>) {
  return { key, url, timeoutMs: timeout_seconds * 1000 };
}

/** Of IPv6 nothing is documented. */
function mayBeAsked(
  network: Network,
  { daily_blocks, widest_block }: Pick<z.output<typeof AbuseipdbOptions>, 'daily_blocks' | 'widest_block'>,
): boolean {
  return !network.includes(':') && prefixOf(network) >= widest_block && daily_blocks > 0;
}

/** What is said of another address is no answer. */
function requireAbout(ip: Ip, told: string): void {
  if (parseIp(told) !== ip) throw new TransientError('the answer is about another address');
}

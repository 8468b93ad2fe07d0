import { z } from 'zod';
import { PermanentError, TransientError } from '../core/errors.ts';
import type { HttpResponse } from '../core/http.ts';
import { parseRetryAfter } from '../core/http-outcome.ts';
import { type Ip, isPublic, type Network, prefixOf } from '../core/network.ts';
import { secretText } from '../core/options.ts';
import type { Opinion, ReputationDefinition, ReputationSource, ReputationTools } from '../core/reputation.ts';
import { Secret } from '../core/secret.ts';
import { safeText } from '../core/text.ts';

const TIMEOUT_MS = 5_000;
/** A /24 with a report of each address has about 40 KB. */
const LARGEST_ANSWER_BYTES = 1_048_576;
/** What a key without a plan is not told wider. https://docs.abuseipdb.com/#check-block-endpoint */
const WIDEST_BLOCK = 24;
const LONGEST_PAUSE_MS = 86_400_000;
const PAUSE_MS = 60_000;

/** What it is told of itself. */
export const AbuseipdbOptions = z.strictObject({
  key: secretText().describe('A key of AbuseIPDB’s API, version 2'),
  url: z
    .url({ protocol: /^https?$/ })
    .default('https://api.abuseipdb.com/api/v2')
    .describe('Where its API is'),
  max_age_days: z.int().min(1).max(365).default(30).describe('Reports before that do not count'),
  daily_checks: z.int().min(1).max(1_000_000).default(1_000).describe('Addresses that are asked about in a day'),
  cache_hours: z.int().min(1).max(720).default(6).describe('What it said of an address is good for so long'),
  daily_blocks: z.int().min(0).max(1_000_000).default(100).describe('Networks that are asked about in a day'),
});

/** https://docs.abuseipdb.com/#check-endpoint; `isWhitelisted` is said there to be no basis for anything. */
const Checked = z.object({
  data: z.object({
    abuseConfidenceScore: z.number().min(0).max(100),
    totalReports: z.int().nonnegative().optional(),
    countryCode: z
      .string()
      .regex(/^[A-Z]{2}$/)
      .nullish(),
  }),
});
const CheckedBlock = z.object({
  data: z.object({ reportedAddress: z.array(z.object({ abuseConfidenceScore: z.number().min(0).max(100) })) }),
});

/** AbuseIPDB: what others report of an address. https://docs.abuseipdb.com */
export const abuseipdbSource: ReputationDefinition<typeof AbuseipdbOptions> = {
  type: 'abuseipdb',
  summary: 'AbuseIPDB: what others report of an address',
  options: AbuseipdbOptions,
  create: (name, options, tools) => createAbuseipdb(name, options, tools),
};

function createAbuseipdb(
  name: string,
  options: z.output<typeof AbuseipdbOptions>,
  tools: ReputationTools,
): ReputationSource {
  const { key, url, max_age_days: maxAge, daily_checks: dailyChecks, daily_blocks: dailyBlocks } = options;
  const { http, clock, budget } = tools;

  const ask = async <T>(
    call: string,
    daily: number,
    query: Record<string, string>,
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ) => {
    if (!budget.take(call, daily))
      throw new TransientError(`the daily budget of ${call} is spent`, { retryAfterMs: PAUSE_MS });
    const target = new Secret(
      `${url.replace(/\/+$/, '')}/${call}?${new URLSearchParams({ ...query, maxAgeInDays: String(maxAge) })}`,
    );
    const headers = { key: key.reveal(), accept: 'application/json' };
    const request = {
      method: 'GET' as const,
      url: target,
      headers,
      timeoutMs: TIMEOUT_MS,
      maxBodyBytes: LARGEST_ANSWER_BYTES,
    };
    const response = await http.send(request, signal);
    const now = clock.now();
    const noneUntil = exhaustedUntil(response, now);
    if (noneUntil !== undefined) budget.spend(call, noneUntil);
    refuse(response, call, now);
    const answer = schema.safeParse(parseJson(response.body));
    if (!answer.success || response.isCut === true)
      throw new TransientError(`the answer to ${call} is not AbuseIPDB's`);
    return answer.data;
  };
  const opinion = (score: number, more: Partial<Opinion>): Opinion => ({
    source: name,
    score,
    checkedAt: clock.now(),
    ...more,
  });

  return {
    name,
    async lookUp(ip: Ip, signal) {
      if (!isPublic(ip)) return undefined;
      const { data } = await ask('check', dailyChecks, { ipAddress: ip }, Checked, signal);
      return opinion(data.abuseConfidenceScore, {
        ...(data.totalReports !== undefined && { reports: data.totalReports }),
        ...(data.countryCode && { country: data.countryCode }),
      });
    },
    async lookUpNetwork(network: Network, signal) {
      if (network.includes(':') || prefixOf(network) < WIDEST_BLOCK || dailyBlocks === 0) return undefined;
      if (!isPublic(network.slice(0, network.indexOf('/')) as Ip)) return undefined;
      const { data } = await ask('check-block', dailyBlocks, { network }, CheckedBlock, signal);
      return opinion(Math.max(0, ...data.reportedAddress.map((each) => each.abuseConfidenceScore)), {
        reports: data.reportedAddress.length,
      });
    },
  };
}

/** Until when no more calls are taken; undefined where there are some left. https://docs.abuseipdb.com/#api-daily-rate-limits */
function exhaustedUntil({ status, headers }: HttpResponse, now: number): number | undefined {
  const remaining = headers['x-ratelimit-remaining'];
  if (status !== 429 && (remaining === undefined || Number(remaining) > 0)) return undefined;
  const reset = Number(headers['x-ratelimit-reset']) * 1000;
  const waitMs = parseRetryAfter(headers['retry-after'], now) ?? (reset > now ? reset - now : PAUSE_MS);
  return now + Math.min(waitMs, LONGEST_PAUSE_MS);
}

/** https://docs.abuseipdb.com/#errors */
function refuse({ status, body, headers }: HttpResponse, call: string, now: number): void {
  if (status === 200) return;
  const detail = z.object({ errors: z.array(z.object({ detail: z.string() })).min(1) }).safeParse(parseJson(body));
  const said = detail.success ? safeText(detail.data.errors[0]?.detail ?? '', 160) : '';
  const message = `HTTP ${status}${said === '' ? '' : `: ${said}`}`;
  if (status === 401 || status === 403) throw new PermanentError(`AbuseIPDB refuses the key: ${message}`);
  if (status === 402)
    throw new PermanentError(`AbuseIPDB wants another plan for ${call}: ${message}`, { payload: true });
  if (status === 422) throw new PermanentError(`AbuseIPDB does not take what was asked: ${message}`, { payload: true });
  throw new TransientError(message, { retryAfterMs: parseRetryAfter(headers['retry-after'], now) });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

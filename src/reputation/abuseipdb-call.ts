import { z } from 'zod';
import { PermanentError, TransientError } from '../core/errors.ts';
import type { HttpResponse } from '../core/http.ts';
import { parseRetryAfter } from '../core/http-outcome.ts';
import type { ReputationTools } from '../core/reputation.ts';
import { Secret } from '../core/secret.ts';
import { safeText } from '../core/text.ts';

/** A /24 with a report of each address has about 40 KB, a /16 has more than anybody needs. */
const LARGEST_ANSWER_BYTES = 4_194_304;
const LONGEST_PAUSE_MS = 86_400_000;
/** Where neither header says when there are calls again. */
const PAUSE_MS = 60_000;

/** One question, or one report. */
export interface AbuseipdbCall<T> {
  /** `check`, `check-block`, `report`: each has a budget of its own. */
  call: string;
  /** Calls of it in a day. */
  daily: number;
  /** Goes with the address, or as a form. */
  fields: Record<string, string>;
  answer: z.ZodType<T>;
  method?: 'GET' | 'POST';
}

/** AbuseIPDB takes no second report of an address in 15 minutes. https://docs.abuseipdb.com/#report-endpoint */
export class ReportedAlready extends Error {
  override readonly name = 'ReportedAlready';
}

/** There are no more calls today, by our own count or by AbuseIPDB's. */
export class BudgetSpent extends TransientError {}

export type CallAbuseipdb = <T>(call: AbuseipdbCall<T>, signal: AbortSignal) => Promise<T>;

/**
 * Calls AbuseIPDB's API within its budgets, and makes errors of what it documents: `TransientError` where there is no answer
 * now, `PermanentError` where there never will be one, for this address (`isPayload`) or for any.
 */
export function createAbuseipdbCall(
  { key, url, timeoutMs }: { key: Secret; url: string; timeoutMs: number },
  { http, clock, budget }: Pick<ReputationTools, 'http' | 'clock' | 'budget'>,
): CallAbuseipdb {
  const base = url.replace(/\/+$/, '');
  return async ({ call, daily, fields, answer, method = 'GET' }, signal) => {
    if (!budget.take(call, daily))
      throw new BudgetSpent(`the daily budget of ${call} is spent`, { retryAfterMs: PAUSE_MS });
    const form = new URLSearchParams(fields).toString();
    const isForm = method === 'POST';
    const response = await http.send(
      {
        method,
        url: new Secret(isForm ? `${base}/${call}` : `${base}/${call}?${form}`),
        headers: {
          key: key.reveal(),
          accept: 'application/json',
          ...(isForm && { 'content-type': 'application/x-www-form-urlencoded' }),
        },
        ...(isForm && { body: form }),
        timeoutMs,
        maxBodyBytes: LARGEST_ANSWER_BYTES,
      },
      signal,
    );
    const now = clock.now();
    const failure = failureIn(response);
    if (call === 'report' && response.status === 429 && failure?.parameter === 'ip')
      throw new ReportedAlready(failure.text);
    const noneUntil = exhaustedUntil(response, now);
    if (noneUntil !== undefined) budget.spend(call, noneUntil);
    if (failure !== undefined) throw errorOf(response, failure.text, call, now);
    const parsed = answer.safeParse(parseJson(response.body));
    if (!parsed.success || response.isCut === true)
      throw new TransientError(`the answer to ${call} is not AbuseIPDB's`);
    return parsed.data;
  };
}

/** https://docs.abuseipdb.com/#errors */
const Errors = z.object({
  errors: z
    .array(z.object({ detail: z.string(), source: z.object({ parameter: z.string().optional() }).optional() }))
    .min(1),
});

/** What it says that is wrong, and with which of the fields; undefined where it answers. */
function failureIn({ status, body }: HttpResponse): { text: string; parameter: string | undefined } | undefined {
  if (status === 200) return undefined;
  const [first] = Errors.safeParse(parseJson(body)).data?.errors ?? [];
  const said = safeText(first?.detail ?? '', 160);
  return { text: `HTTP ${status}${said === '' ? '' : `: ${said}`}`, parameter: first?.source?.parameter };
}

function errorOf({ status, headers }: HttpResponse, text: string, call: string, now: number): Error {
  if (status === 401 || status === 403) return new PermanentError(`AbuseIPDB refuses the key: ${text}`);
  if (status === 402) return new PermanentError(`AbuseIPDB wants another plan for ${call}: ${text}`, { payload: true });
  if (status === 422) return new PermanentError(`AbuseIPDB does not take what was asked: ${text}`, { payload: true });
  const Kind = status === 429 ? BudgetSpent : TransientError;
  return new Kind(text, { retryAfterMs: parseRetryAfter(headers['retry-after'], now) });
}

/** Until when no more calls are taken; undefined where there are some left. https://docs.abuseipdb.com/#api-daily-rate-limits */
function exhaustedUntil({ status, headers }: HttpResponse, now: number): number | undefined {
  const remaining = headers['x-ratelimit-remaining'];
  if (status !== 429 && (remaining === undefined || Number(remaining) > 0)) return undefined;
  const reset = Number(headers['x-ratelimit-reset']) * 1000;
  const waitMs = parseRetryAfter(headers['retry-after'], now) ?? (reset > now ? reset - now : PAUSE_MS);
  return now + Math.min(waitMs, LONGEST_PAUSE_MS);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

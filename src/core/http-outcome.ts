import { z } from 'zod';
import { PermanentError, TransientError } from './errors.ts';
import type { HttpResponse } from './http.ts';
import { safeText } from './text.ts';

/** What may work later; https://www.rfc-editor.org/rfc/rfc9110#section-15 and, for 429, RFC 6585. */
const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);
/** What is said of this request alone: malformed, too long, a type or a content that is not taken. */
const PAYLOAD = new Set([400, 413, 414, 415, 422, 431]);
/** A far side that asks for more is asked again sooner. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;

/** How long JSON asks to wait: Discord's, Telegram's and Matrix's names of it, which others have taken over. */
const Wait = z.object({
  /** Seconds: https://docs.discord.com/developers/topics/rate-limits#exceeding-a-rate-limit */
  retry_after: z.number().nonnegative().optional().catch(undefined),
  /** https://spec.matrix.org/latest/client-server-api/#rate-limiting */
  retry_after_ms: z.number().nonnegative().optional().catch(undefined),
  /** Seconds: https://core.telegram.org/bots/api#responseparameters */
  parameters: z.object({ retry_after: z.number().nonnegative() }).optional().catch(undefined),
});

/**
 * Returns if the answer is 2xx. Throws `TransientError`, with the longest wait that the header `retry-after`, the JSON of
 * the body or `retryAfterMs` asks for, or `PermanentError`; the message has the status and the front of the body, never
 * the address.
 */
export function requireAccepted(response: HttpResponse, now: number, retryAfterMs?: number): void {
  const { status, body, headers } = response;
  if (status >= 200 && status < 300) return;
  const detail = safeText(body.startsWith('<') ? '' : body, 200);
  const message = `HTTP ${status}${detail === '' ? '' : `: ${detail}`}`;
  if (TRANSIENT.has(status)) {
    const asked = Math.max(parseRetryAfter(headers['retry-after'], now) ?? 0, waitIn(body), retryAfterMs ?? 0);
    throw new TransientError(message, {
      retryAfterMs: asked > 0 ? Math.min(asked, LONGEST_RETRY_AFTER_MS) : undefined,
    });
  }
  if (status >= 300 && status < 400) {
    throw new PermanentError(`HTTP ${status}: the address redirects elsewhere; configure the final address`);
  }
  throw new PermanentError(message, { payload: PAYLOAD.has(status) });
}

/** Seconds, also with a fraction as some services send them, or an HTTP date; in milliseconds from now. */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  if (/^\d{1,9}(\.\d{1,9})?$/.test(text)) return Math.ceil(Number(text) * 1000);
  // All its forms begin with the day's name; Date.parse takes much that is no date at all.
  const date = /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** How long a body asks to wait, in ms; 0 where it asks for nothing, or is no JSON. */
export function waitIn(body: string): number {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return 0;
  }
  const { retry_after = 0, retry_after_ms = 0, parameters } = Wait.safeParse(json).data ?? {};
  return Math.ceil(Math.max(retry_after * 1000, retry_after_ms, (parameters?.retry_after ?? 0) * 1000));
}

import type { BanEvent } from './event.ts';
import { cutText, safeText } from './text.ts';

/**
 * Longest line of a log, in bytes. Docker cuts longer ones into pieces that are no JSON any more
 * (https://github.com/moby/moby/blob/master/daemon/logger/copier.go, defaultBufSize is 16 KiB). Loki takes 256 KiB
 * (https://grafana.com/docs/loki/latest/configure/#limits_config, max_line_size).
 */
export const LONGEST_LINE = 16_383;
/** Something is left for what a log adds to an event. */
const EVENT_BYTES = 16_000;
/** Longest texts to try, in UTF-16 units: as they are as a rule, and then as short as the line needs them. */
const TEXTS = [1_000, 200, 50];

/**
 * An event as logs have it, Loki's and cowbell's own: with the names that the webhook has, texts made visible, and cut
 * where its line would be too long.
 */
export function loggedEvent(event: BanEvent): BanEvent {
  return fitTexts(event, EVENT_BYTES);
}

/** A value whose texts are visible, and so short that it is within `bytes` of JSON if texts alone can bring it there. */
export function fitTexts<T>(value: T, bytes: number): T {
  let fitted = value;
  for (const limit of TEXTS) {
    fitted = withTexts(value, limit);
    if (Buffer.byteLength(JSON.stringify(fitted)) <= bytes) break;
  }
  return fitted;
}

function withTexts<T>(value: T, limit: number): T {
  if (typeof value === 'string') return visible(value, limit) as T;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => withTexts(each, limit)) as T;
  const copy: Record<string, unknown> = {};
  for (const [key, each] of Object.entries(value)) copy[key] = withTexts(each, limit);
  return copy as T;
}

/** Most texts are plain ASCII, where nothing is to be looked for. */
function visible(text: string, limit: number): string {
  return /^[\x20-\x7e]*$/.test(text) ? cutText(text, limit) : safeText(text, limit);
}

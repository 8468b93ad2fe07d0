/**
 * Text that an attacker may have written, made fit to be handled: what is visible stays, what acts on a terminal, on a
 * reader's eye or on a parser goes. Escaping for one service (Slack, Discord, HTML) is that notifier's own work.
 */

/**
 * Controls (C0, C1, DEL), line and paragraph separators, bidi controls, zero-width and other invisible format
 * characters, variation selectors, tags, interlinear annotation, noncharacters and lone surrogates.
 */
export const UNSAFE =
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: the joiners and selectors are listed to be removed one by one
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]|\p{Cs}/gu;

/** Replaces every unsafe character by a blank and folds runs of white space, so that the result is one visible line. */
export function sanitizeLine(text: string): string {
  return text.replace(UNSAFE, ' ').replace(/\s+/gu, ' ').trim();
}

/** At most `limit` UTF-16 units, never half a code point; what was cut is shown as `…` (counted in the limit). */
export function cutText(text: string, limit: number): string {
  if (text.length <= limit) return text;
  if (limit <= 0) return '';
  let end = limit - 1;
  const unit = text.charCodeAt(end - 1);
  if (unit >= 0xd800 && unit <= 0xdbff) end--;
  return `${text.slice(0, end)}…`;
}

/** `sanitizeLine` and `cutText` in one, without the cost of scanning what will be cut anyway. */
export function safeText(text: string, limit: number): string {
  return cutText(sanitizeLine(text.length > limit * 4 ? text.slice(0, limit * 4) : text), limit);
}

/** `1 ban`, `3 bans`, `10,000 bans`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** 10000 → `10,000`, the same in every locale and with every Node build. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** 1800000 → `30 min`, 5400000 → `1 h 30 min`, 604800000 → `7 d`; two units at most, rounded to the smaller one. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const units: [number, string][] = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  const first = units.findIndex(([size]) => seconds >= size);
  if (first < 0) return '0 s';
  const [big, bigName] = units[first] as [number, string];
  const next = units[first + 1];
  const small = next === undefined ? 0 : Math.round((seconds % big) / next[0]);
  const carry = next !== undefined && small * next[0] === big;
  const whole = Math.floor(seconds / big) + (carry ? 1 : 0);
  const largest = `${formatCount(whole)} ${bigName}`;
  return next === undefined || small === 0 || carry ? largest : `${largest} ${small} ${next[1]}`;
}

const REDACTED = '[secret]';
/** Shorter pieces are words such as `api`, not secrets. */
const SHORTEST = 6;
/** Headers that say nothing secret. */
const OPEN_HEADERS = new Set(['content-type', 'accept', 'user-agent', 'webhook-id', 'webhook-timestamp']);

/**
 * An answer's body without the secrets of its request: servers like to quote the path, the query or the headers they
 * did not understand, and what they say ends up in errors and logs.
 */
export function scrubSecrets(body: string, url: URL, headers: Readonly<Record<string, string>>): string {
  const pieces = new Set<string>();
  const add = (text: string) => {
    for (const form of [text, decode(text)]) if (form.length >= SHORTEST) pieces.add(form);
  };
  add(url.href);
  add(url.pathname + url.search);
  for (const part of [...url.pathname.split('/'), url.username, url.password]) add(part);
  for (const pair of url.search.slice(1).split('&')) add(pair.slice(pair.indexOf('=') + 1));
  for (const [name, value] of Object.entries(headers)) {
    if (OPEN_HEADERS.has(name.toLowerCase())) continue;
    add(value);
    for (const word of value.split(' ')) add(word);
    const [, pair] = /^Basic (.+)$/i.exec(value) ?? [];
    if (pair !== undefined) for (const part of Buffer.from(pair, 'base64').toString('utf8').split(':')) add(part);
  }
  // The longest first: a piece of a longer one would leave the rest of that standing.
  const longestFirst = [...pieces].sort((a, b) => b.length - a.length);
  return longestFirst.reduce((text, piece) => text.replaceAll(piece, REDACTED), body);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

import { Secret } from '../core/secret.ts';

const REDACTED = '[secret]';
/** Shorter pieces of an address are words, not secrets. */
const SHORTEST = 6;

/** Takes the secrets of a part of the configuration out of a text that is to be shown. */
export function createRedactor(config: unknown): (text: string) => string {
  // The longest first: a piece of a longer one would leave the rest of that standing.
  const pieces = secretsIn(config)
    .flatMap(piecesOf)
    .sort((a, b) => b.length - a.length);
  return (text) => pieces.reduce((shown, piece) => shown.replaceAll(piece, REDACTED), text);
}

function secretsIn(value: unknown): string[] {
  if (value instanceof Secret) return [value.reveal()];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(secretsIn) : [];
}

/** Of an address, what is secret in it: services have it at the end of the path, in the query, or as a login. */
function piecesOf(secret: string): string[] {
  const url = URL.parse(secret);
  if (url === null || !/^https?:$/.test(url.protocol)) return secret === '' ? [] : [secret];
  const last = url.pathname.split('/').findLast((part) => part !== '') ?? '';
  const parts = [last, ...url.searchParams.values(), url.username, url.password];
  return [secret, ...parts.filter((part) => part.length >= SHORTEST)];
}

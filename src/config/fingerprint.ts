import { createHash } from 'node:crypto';
import { Secret } from '../core/secret.ts';

/** A digest of a configuration, or a part of it: two that differ in anything, secrets included, have two of them. */
export function fingerprintOf(value: unknown): string {
  const text = JSON.stringify(value, (_key, item: unknown) => item ?? null);
  const secrets = secretsIn(value).map((secret) => secret.reveal());
  return createHash('sha256')
    .update(JSON.stringify([text, secrets]))
    .digest('hex');
}

function secretsIn(value: unknown): Secret[] {
  if (value instanceof Secret) return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(secretsIn) : [];
}

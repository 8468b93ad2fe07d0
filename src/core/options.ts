import { z } from 'zod';
import { Secret } from './secret.ts';

/** Building blocks for the options that adapters declare. The schema is the single source: types, JSON Schema, example and defaults follow. */

/**
 * A value that must not be shown. Beside `x` the config takes `x_file`, a path whose content (less the last line end)
 * is the value.
 */
export const secretText = () =>
  z
    .string()
    .min(1)
    .transform((value) => new Secret(value))
    .meta({ secret: true });

/** An http or https address that is itself a secret, as webhook URLs are. */
export const secretUrl = () =>
  z
    .string()
    .refine(isHttpUrl, 'expected an address that begins with https:// or http://')
    .transform((value) => new Secret(value))
    .meta({ secret: true });

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:') && url.hostname !== '';
}

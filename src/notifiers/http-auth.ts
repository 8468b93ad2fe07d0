import { z } from 'zod';
import { secretText } from '../core/options.ts';
import type { Secret } from '../core/secret.ts';

/** How a receiver knows who sends: a bearer token, or a user with a password (RFC 6750, RFC 7617). */

interface Auth {
  user?: string | undefined;
  token?: Secret | undefined;
}

export const authOptions = {
  user: z
    .string()
    .regex(/^[^\p{C}:]{1,200}$/u, 'expected a user name, which has no colon')
    .optional()
    .describe('User, for basic authentication with `token` as the password')
    .meta({ examples: ['cowbell'] }),
  token: secretText()
    .refine((token) => /^[^\p{C}]+$/u.test(token.reveal()), 'expected one line')
    .optional()
    .describe('Sent as a bearer token; beside a `user`, the password of that user'),
};

/** For the options as a whole. */
export function checkAuth({ user, token }: Auth, context: z.RefinementCtx): void {
  if (user !== undefined && token === undefined)
    context.addIssue({ code: 'custom', path: ['user'], message: 'a user needs a password: give it as token' });
  if (user === undefined && token !== undefined && !/^[\x21-\x7e]+$/.test(token.reveal()))
    context.addIssue({ code: 'custom', path: ['token'], message: 'a bearer token has neither blanks nor umlauts' });
}

export function authHeaders({ user, token }: Auth): Record<string, string> {
  if (token === undefined) return {};
  if (user === undefined) return { authorization: `Bearer ${token.reveal()}` };
  return { authorization: `Basic ${Buffer.from(`${user}:${token.reveal()}`).toString('base64')}` };
}

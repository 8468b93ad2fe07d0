import { cutText } from '../core/text.ts';

/** Longest line that is kept as evidence, in UTF-16 units. */
const EVIDENCE_LENGTH = 512;

/** Longest account name that is kept; a name may be as long as the client likes. */
const ACCOUNT_LENGTH = 128;

/**
 * Takes out what dovecot prints of the tried password: the digest (`SHA1 of given password: a4b48a`), and with
 * `auth_verbose_passwords = plain` the password itself, which may contain anything and so goes to the end of the line.
 */
export function redact(text: string): string {
  if (!text.includes('given password: ')) return text;
  return text
    .replace(/(\bof given password: )[0-9a-f]{1,128}(?![\w/+=])/gi, '$1[redacted]')
    .replace(/(\bgiven password: )(?!\[redacted\]).*/s, '$1[redacted]');
}

/** The line as it may be kept and shown to people: without passwords, cut. Control characters are still in it. */
export function evidenceOf(text: string): string {
  return cutText(
    redact(text.length > EVIDENCE_LENGTH * 4 ? text.slice(0, EVIDENCE_LENGTH * 4) : text),
    EVIDENCE_LENGTH,
  );
}

/** An account as it may be kept; undefined for the empty name. */
export function accountOf(text: string | undefined): string | undefined {
  return text === undefined || text === ''
    ? undefined
    : cutText(redact(text.slice(0, ACCOUNT_LENGTH + 1)), ACCOUNT_LENGTH);
}

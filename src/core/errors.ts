/** One mistake in a configuration, with the place to mend. */
export interface ConfigIssue {
  /** Where the value stands, `notifiers[0].url`; empty for the file as a whole. */
  path: string;
  /** What is wrong, what was expected, and what to do. Never contains a secret. */
  message: string;
  file?: string;
  /** 1-based. */
  line?: number;
  /** 1-based. */
  column?: number;
}

/** The configuration cannot be used; carries every issue at once. Exit code 78. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly issues: readonly ConfigIssue[];

  constructor(issues: readonly ConfigIssue[]) {
    super(issues.map(formatConfigIssue).join('\n'));
    this.issues = issues;
  }
}

/** `cowbell.yaml:12:5: notifiers[0].url: …`, as compilers print it. */
export function formatConfigIssue(issue: ConfigIssue): string {
  const place = [issue.file, issue.line, issue.column].filter((part) => part !== undefined).join(':');
  return [place, issue.path, issue.message].filter((part) => part !== '').join(': ');
}

/** It may work later: network trouble, 429, 5xx, a missing container. */
export class TransientError extends Error {
  override readonly name = 'TransientError';
  /** How long the far side asked to be left alone, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The far side has said no: what it was asked for is not done. Else nobody knows whether it is. */
  readonly isRefusal: boolean;

  constructor(
    message: string,
    options: { retryAfterMs?: number | undefined; refusal?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
    this.isRefusal = options.refusal === true;
  }
}

/** It will not work however often it is tried: a revoked webhook, a refused payload, a wrong password. */
export class PermanentError extends Error {
  override readonly name = 'PermanentError';
  /** To try again would do harm: it is left alone until cowbell is restarted. */
  readonly isFinal: boolean;
  /** It was this payload that was refused: another may be taken. Else the far side takes nothing until a person acts. */
  readonly isPayload: boolean;

  constructor(message: string, options: { cause?: unknown; final?: boolean; payload?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.isFinal = options.final === true;
    this.isPayload = options.payload === true;
  }
}

/** The message of anything thrown, with the messages of its causes: `cannot connect: ECONNREFUSED`. */
export function messageOf(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at !== undefined && at !== null && parts.length < 5; ) {
    const text = at instanceof Error ? at.message || at.name : String(at);
    if (text !== '' && !parts.includes(text)) parts.push(text);
    at = at instanceof Error ? at.cause : undefined;
  }
  return parts.join(': ');
}

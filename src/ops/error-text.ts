/** What is logged of an error: what it says and where it was thrown, and nothing that a library hung on it. */
export interface ErrorText {
  type: string;
  message: string;
  code?: string;
  stack?: string;
  cause?: ErrorText;
  errors?: ErrorText[];
}

const DEEPEST_CAUSE = 4;
const MOST_ERRORS = 5;

/**
 * Libraries hang requests on their errors, with passwords: ioredis the arguments of AUTH, Node the input that is no
 * URL. Only type, message, code, stack and causes are taken, with addresses cut behind their host.
 */
export function describeError(error: Error, depth = 0): ErrorText {
  const { name, message, stack, cause } = error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const errors = error instanceof AggregateError ? error.errors.filter((each) => each instanceof Error) : [];
  const isDeep = depth >= DEEPEST_CAUSE;
  return {
    type: name,
    message: hideAddresses(message),
    ...(code !== undefined && { code }),
    ...(stack !== undefined && { stack: hideAddresses(stack) }),
    ...(cause instanceof Error && !isDeep && { cause: describeError(cause, depth + 1) }),
    ...(errors.length > 0 &&
      !isDeep && { errors: errors.slice(0, MOST_ERRORS).map((each) => describeError(each, depth + 1)) }),
  };
}

/** Cuts addresses behind their host, `https://hooks.slack.com/…`, and wholly where a user or password may stand in front. */
export function hideAddresses(text: string): string {
  return text.replace(/\b(https?|rediss?|wss?|tcp):\/\/([^\s"'<>]*)/gi, (_whole, scheme: string, rest: string) => {
    const host = rest.includes('@') ? '' : (/^[^/?#\\]*/.exec(rest)?.[0] ?? '');
    if (host === rest) return `${scheme}://${rest}`;
    return `${scheme}://${host === '' ? '' : `${host}/`}…`;
  });
}

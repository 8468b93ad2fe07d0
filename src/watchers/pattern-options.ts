import { z } from 'zod';
import { PatternError } from './pattern-notation.ts';
import { type CompiledPattern, compilePattern } from './pattern-regex.ts';

const KINDS = ['auth-failed', 'rejected', 'authenticated', 'banned', 'unbanned'] as const;

export const SERVICES = [
  ...(['smtp', 'submission', 'smtps', 'postscreen', 'imap', 'pop3', 'sieve', 'dovecot', 'sogo', 'ui'] as const),
  'rspamd-ui',
] as const;

/** What a kind of observation cannot be without: one of the groups, or the option beside the pattern. */
const NEEDED: Readonly<Record<(typeof KINDS)[number], readonly (readonly string[])[]>> = {
  'auth-failed': [['ip']],
  rejected: [['ip'], ['service']],
  authenticated: [['ip'], ['account']],
  banned: [['ip', 'network'], ['jail']],
  unbanned: [['ip', 'network'], ['jail']],
};

const Regex = z.string().min(1).max(4_096);

const Pattern = z
  .strictObject({
    name: z
      .string()
      .regex(/^[\w.-]{1,64}$/, 'expected letters, digits, `_`, `.` or `-`, 64 at most')
      .optional()
      .describe('What it is called by `explain` and `check`'),
    kind: z.enum(KINDS).describe('What a line that matches says'),
    regex: Regex.describe(
      'Regular expression in the syntax of RE2, which matches from the first character of the line on. Its groups ip, ' +
        'network, service, account and jail give the facts: (?P<ip>…). The tags of fail2ban, <HOST>, <ADDR>, <IP4>, ' +
        '<IP6>, <SUBNET>, <CIDR>, <F-USER>…</F-USER> and <F-ID>…</F-ID>, may be used',
    ),
    ignore: z.array(Regex).max(64).optional().describe('Lines that match one of these say nothing'),
    jail: z
      .string()
      .regex(/^[^\s[\]]{1,64}$/, 'expected a name without blanks, 64 characters at most')
      .optional()
      .describe('Jail, where no group tells it'),
    service: z.enum(SERVICES).optional().describe('Service, where no group tells it'),
    account: z.string().min(1).max(128).optional().describe('Account, where no group tells it'),
  })
  .superRefine(checkPattern);
export type Pattern = z.output<typeof Pattern>;

export const PatternOptions = z.object({
  service: z.string().min(1).optional().describe('Compose service whose log is read'),
  container: z
    .string()
    .min(1)
    .optional()
    .describe('Name of a container that compose did not make, in place of the service'),
  patterns: z
    .array(Pattern)
    .min(1)
    .max(64)
    .describe('What its lines say: a list of {kind, regex}, of which the first that matches counts'),
});
export type PatternOptions = z.output<typeof PatternOptions>;

/** The groups by the facts that they give: fail2ban's tags have some of their own. */
function factsOf(groups: readonly string[]): Set<string> {
  const facts = groups.map((group) => (/^ip[46]$/.test(group) ? 'ip' : group.replace(/_\d+$/, '')));
  return new Set(facts);
}

/** Tells of a pattern that cannot be used when the configuration is read, with its place. */
function checkPattern(pattern: Pattern, context: z.RefinementCtx): void {
  const compiled = tryCompile(pattern.regex, ['regex'], context);
  for (const [index, ignored] of (pattern.ignore ?? []).entries()) tryCompile(ignored, ['ignore', index], context);
  if (compiled === undefined) return;
  const facts = factsOf(compiled.groups);
  for (const needed of NEEDED[pattern.kind]) {
    const isGiven = needed.some((fact) => facts.has(fact) || pattern[fact as keyof Pattern] !== undefined);
    if (!isGiven) context.addIssue({ code: 'custom', path: ['regex'], message: lack(pattern.kind, needed) });
  }
}

function lack(kind: string, needed: readonly string[]): string {
  const option = needed[0] === 'ip' ? ', or <HOST>' : `, or \`${needed[0]}\` beside the pattern`;
  return `expected a group named ${needed.join(' or ')}${option}, which ${kind} needs`;
}

function tryCompile(regex: string, path: (string | number)[], context: z.RefinementCtx): CompiledPattern | undefined {
  try {
    return compilePattern(regex);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    const message = `expected a regular expression of RE2; at character ${error.at + 1}: ${error.message}`;
    context.addIssue({ code: 'custom', path, message });
    return undefined;
  }
}

import { z } from 'zod';
import { toRfc3339 } from '../core/clock.ts';
import { messageOf, PermanentError } from '../core/errors.ts';
import type { AbuseReport, AbuseReporter, ReputationTools } from '../core/reputation.ts';
import type { Secret } from '../core/secret.ts';
import { cutText, plural } from '../core/text.ts';
import { BudgetSpent, createAbuseipdbCall, ReportedAlready } from './abuseipdb-call.ts';

/** https://docs.abuseipdb.com/#report-endpoint */
const LONGEST_COMMENT = 1_024;

const Reported = z.object({ data: z.object({ ipAddress: z.string() }) });

/** https://www.abuseipdb.com/categories */
const EMAIL_SPAM = 11;
const BRUTE_FORCE = 18;
const WEB_APP_ATTACK = 21;
const SSH = 22;

/** What else it is than guessing passwords, by the service that was attacked. */
const CATEGORIES: ReadonlyMap<string, readonly number[]> = new Map([
  // What it bans talks before its turn: that is no login.
  ['postscreen', [EMAIL_SPAM]],
  ['sogo', [BRUTE_FORCE, WEB_APP_ATTACK]],
  ['ui', [BRUTE_FORCE, WEB_APP_ATTACK]],
  ['rspamd-ui', [BRUTE_FORCE, WEB_APP_ATTACK]],
  ['sshd', [BRUTE_FORCE, SSH]],
]);
/** A name, and no text of anybody's. */
const SERVICE = /^[a-z][a-z0-9-]{0,31}$/;

/** Tells AbuseIPDB of addresses. */
export function createAbuseipdbReporter(
  { daily = 1_000, ...options }: { key: Secret; url: string; timeoutMs: number; daily?: number },
  tools: ReputationTools,
): AbuseReporter {
  const call = createAbuseipdbCall(options, tools);
  return {
    name: 'abuseipdb',
    async report(report, signal) {
      const fields = {
        ip: report.ip,
        categories: categoriesOf(report.services).join(','),
        comment: commentOn(report),
        timestamp: toRfc3339(report.at),
      };
      try {
        await call({ call: 'report', method: 'POST', daily, fields, answer: Reported }, signal);
        return { kind: 'taken' };
      } catch (error) {
        if (error instanceof ReportedAlready) return { kind: 'known' };
        if (error instanceof BudgetSpent) return { kind: 'spent', reason: messageOf(error) };
        if (error instanceof PermanentError && error.isPayload) return { kind: 'refused', reason: messageOf(error) };
        throw error;
      }
    },
  };
}

function categoriesOf(services: readonly string[]): number[] {
  const found = services.flatMap((service) => CATEGORIES.get(service) ?? [BRUTE_FORCE]);
  return [...new Set(found.length > 0 ? found : [BRUTE_FORCE])].sort((a, b) => a - b);
}

/** Made of numbers and names of services: what the attacker sent has the accounts in it, and its own text. */
function commentOn({ attempts, services }: AbuseReport): string {
  const named = services.filter((service) => SERVICE.test(service));
  const where = named.length > 0 ? ` (${named.join(', ')})` : '';
  return cutText(`${plural(attempts, 'failed attempt')} at a mail server${where}, which banned it`, LONGEST_COMMENT);
}

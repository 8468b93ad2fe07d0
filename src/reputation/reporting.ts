import type { Clock } from '../core/clock.ts';
import { hostOf, type Ip, isPublic, type Network, networkContains, parseNetwork } from '../core/network.ts';
import type { Delivery, Notifier } from '../core/notifier.ts';
import type { AbuseReport, AbuseReporter } from '../core/reputation.ts';
import { formatDuration, plural } from '../core/text.ts';
import type { BanRecord } from '../ledger/bans.ts';
import type { Ledger } from '../ledger/ledger.ts';

/** What is older is nobody's business any more. */
const OLDEST_REPORT_MS = 86_400_000;
/** So often at most is an address reported. https://docs.abuseipdb.com/#report-endpoint */
const AGAIN_AFTER_MS = 900_000;

export interface ReportingOptions {
  ledger: Ledger;
  clock: Clock;
  reporter: AbuseReporter;
  /** Nothing that lies in one of these is reported, whatever it did. */
  spared: readonly Network[];
  /** A login makes a user a known one for this long. */
  knownUsersMs: number;
}

/**
 * Reports the offenders of each ban that the server itself has confirmed. Each report, and what was not reported and why, is
 * in the audit trail, in one transaction with the note that it is done with. A crash between an answer and that note repeats
 * the report, which the far side then knows.
 */
export function createReporting(options: ReportingOptions): Notifier {
  const { ledger, clock, reporter } = options;

  const settle = (ban: BanRecord, subject: Ip | Network, reason: string, isReported = false) =>
    ledger.transaction(() => {
      const at = clock.now();
      ledger.abuseReports.add({ banId: ban.id, subject, at, isReported });
      const { network, jail, id: banId } = ban;
      const action = isReported ? 'report' : 'no-report';
      const details = { reason, to: reporter.name, ...(subject !== network && { ip: subject }) };
      ledger.audit.add({ at, by: 'reports', action, network, jail, banId, details });
    });

  /** False where none of the others will be taken either. */
  const reportOne = async (ban: BanRecord, report: AbuseReport, signal: AbortSignal): Promise<boolean> => {
    const { ip } = report;
    if (ledger.abuseReports.has(ban.id, ip)) return true;
    const against = reasonAgainst(ip, options) ?? tooSoon(ledger.abuseReports.lastAt(ip), clock.now());
    if (against !== undefined) {
      settle(ban, ip, `${ip} ${against}`);
      return true;
    }
    const outcome = await reporter.report(report, signal);
    if (outcome.kind === 'spent') settle(ban, ban.network, outcome.reason);
    else if (outcome.kind === 'refused') settle(ban, ip, `${ip}: ${outcome.reason}`);
    else if (outcome.kind === 'known') settle(ban, ip, `${ip}: ${reporter.name} has a report of ours already`, true);
    else settle(ban, ip, `${ip}: ${reporter.name} was told of ${plural(report.attempts, 'failed attempt')}`, true);
    return outcome.kind !== 'spent';
  };

  return {
    async notify({ events }: Delivery, signal) {
      for (const event of events) {
        if (event.type !== 'ban.started' || event.test === true) continue;
        const ban = ledger.bans.byId(event.ban.id);
        if (ban === undefined || ledger.abuseReports.has(ban.id, ban.network)) continue;
        const against = reasonAgainstBan(ban, options);
        if (against !== undefined) settle(ban, ban.network, against);
        else for (const report of reportsOf(ban)) if (!(await reportOne(ban, report, signal))) break;
      }
    },
  };
}

/** Why nothing of a ban is reported; undefined where something may be. */
function reasonAgainstBan(ban: BanRecord, { ledger, clock, knownUsersMs }: ReportingOptions): string | undefined {
  if (!ban.confirmed) return 'only a log line says that there is a ban';
  if (ban.claimed) return 'the address stands in what the client wrote';
  if (clock.now() - ban.startedAt >= OLDEST_REPORT_MS) return 'it is too long ago';
  if (ban.endReason === 'lifted' || ban.endReason === 'lifted-by-cowbell' || ledger.decisions.isLifted(ban.id))
    return 'the ban was lifted';
  if (ledger.knownUsers.inside(ban.network, clock.now() - knownUsersMs).length > 0)
    return 'own users log in from this network';
  return reportsOf(ban).length > 0 ? undefined : 'what the offenders did is not known';
}

/** Why an address is not reported. */
function reasonAgainst(ip: Ip, { ledger, spared }: ReportingOptions): string | undefined {
  if (!isPublic(ip)) return 'is private';
  const holds = (network: Network | undefined) => network !== undefined && networkContains(network, ip);
  if (spared.some(holds)) return 'lies in a network of `never` or `always`';
  // Names of hosts may be on the list, too: those are no networks.
  const allowed = [...ledger.allowlist.entries(), ...ledger.allowances.standing().map(({ network }) => network)];
  return allowed.some((entry) => holds(parseNetwork(entry))) ? "is on the server's allowlist" : undefined;
}

/** A clock that is set back makes nobody wait for longer. */
function tooSoon(lastAt: number | undefined, now: number): string | undefined {
  if (lastAt === undefined || Math.abs(now - lastAt) >= AGAIN_AFTER_MS) return undefined;
  return `was reported ${formatDuration(Math.abs(now - lastAt))} ago`;
}

/** Each offender with what it did; never the network. */
function reportsOf({ network, jail, startedAt, reasons }: BanRecord): AbuseReport[] {
  const known = reasons?.services ?? [];
  // fail2ban names jails after what they guard; netfilter has but one.
  const services = known.length > 0 || jail === 'netfilter' ? known : [jail];
  const offenders = (reasons?.offenders ?? []).map(({ ip, attempts }) => ({ ip: ip as Ip, attempts }));
  const host = hostOf(network);
  const mine = host === undefined ? offenders : offenders.filter(({ ip }) => ip === host);
  return mine.filter(({ attempts }) => attempts > 0).map((each) => ({ ...each, at: startedAt, services }));
}

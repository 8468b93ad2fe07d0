import type { Offender } from '../core/event.ts';
import { hostOf, type Ip, type Network } from '../core/network.ts';
import type { OriginOf } from '../core/origin.ts';
import type { BanReasons } from '../ledger/bans.ts';

/** Lines that one ban shows. */
const LINES = 5;
/** So much of a message is enough to see that another line quotes it. */
const QUOTED = 60;

/** Failed logins, and beside them what was refused from the same network: its lines fill the places that are free. */
export function joinReasons(failed: BanReasons, refused: { count: number; lines: readonly string[] }): BanReasons {
  if (refused.count === 0) return failed;
  const known = failed.evidence.map(plain);
  const more = refused.lines.filter((line) => {
    const said = plain(messageOfLine(line)).slice(0, QUOTED);
    return !known.some((other) => other.includes(said));
  });
  return {
    ...failed,
    rejects: refused.count,
    evidence: [...more.slice(0, Math.max(0, LINES - failed.evidence.length)).reverse(), ...failed.evidence],
  };
}

/** What is known of a ban grows; what was known is not given up when part of it is pruned. */
export function weightOf({ attempts, rejects = 0 }: BanReasons): number {
  return attempts + rejects;
}

/**
 * Reasons that say where each offender is from. A banned host is an offender, also where nobody saw what it did. What was
 * known of one before stands where nothing is known now: a database may be away for a while.
 */
export function withOrigins(
  reasons: BanReasons,
  network: Network,
  before: BanReasons | undefined,
  originOf: OriginOf,
): BanReasons {
  const host = hostOf(network);
  const alone = host === undefined ? [] : [{ ip: host, attempts: 0 }];
  const offenders = reasons.offenders.length > 0 ? reasons.offenders : alone;
  const known = new Map(before?.offenders.map((each) => [each.ip, each]));
  const placed = offenders.map(({ ip, attempts }): Offender => {
    const { country, asn, asName } = originOf(ip as Ip);
    const { country: oldCountry, asn: oldAsn, as_name: oldName } = known.get(ip) ?? {};
    const newest = asn === undefined ? { asn: oldAsn, as_name: oldName } : { asn, as_name: asName };
    return { ip, attempts, ...defined({ country: country ?? oldCountry, ...newest }) };
  });
  // Nothing is known of a host that did nothing.
  const isEmpty = reasons.offenders.length === 0 && placed.every((each) => Object.keys(each).length === 2);
  return { ...reasons, offenders: isEmpty ? [] : placed };
}

function defined<T extends Record<string, unknown>>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: NonNullable<T[K]> };
}

/** What stands behind the name of the program. */
function messageOfLine(line: string): string {
  const end = line.indexOf(']: ');
  return end < 0 ? line : line.slice(end + 3);
}

/** As netfilter quotes it: syslog-ng turns every `/` into `_`. */
function plain(text: string): string {
  return text.replaceAll('/', '_');
}

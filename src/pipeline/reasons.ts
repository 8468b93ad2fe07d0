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

/** What stands behind the name of the program. */
function messageOfLine(line: string): string {
  const end = line.indexOf(']: ');
  return end < 0 ? line : line.slice(end + 3);
}

/** As netfilter quotes it: syslog-ng turns every `/` into `_`. */
function plain(text: string): string {
  return text.replaceAll('/', '_');
}

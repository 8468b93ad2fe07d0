import type { Statement } from '../core/observation.ts';
import { unwrapLine } from './unwrap.ts';

/** What one line says, as `explain` prints it: keys in this order, absent ones left out. */
export interface Explanation {
  /** 1-based. */
  line: number;
  observation: Explained | null;
}

export interface Explained {
  kind: string;
  network?: string;
  ip?: string;
  jail?: string;
  service?: string;
  minutes?: number;
  /** A ban without an end. */
  permanent?: true;
  /** The server put the ban back after its own restart. */
  restored?: true;
  rule?: string;
  account?: string;
  mechanism?: string;
  /** A line about a whole connection: so many attempts. */
  attempts?: number;
  reason?: string;
  /** Status of the reply, `550 5.7.1`. */
  code?: string;
  dnsbl?: string;
  sender?: string;
  recipient?: string;
  helo?: string;
  hostname?: string;
  /** Name of a rate limit. */
  limit?: string;
  recipients?: number;
  /** The address may be one that the client wrote. */
  claimed?: true;
  /** The admin's own pattern that the line matched. */
  pattern?: string;
}

export interface LineParser {
  parseLine: (text: string) => Statement | undefined;
  /** Fronts that a pasted line may have lost. */
  lostPrefixes?: readonly string[];
}

/**
 * One explanation for each line, in order. Lines are taken as people paste them; the first reading that says something
 * counts, with the line as it is before any wrapping is taken off.
 */
export function* explainLines(parser: LineParser, lines: Iterable<string>): Generator<Explanation> {
  let line = 0;
  for (const text of lines) yield { line: ++line, observation: explainLine(parser, text) };
}

/** `explainLines` for one line: the observation, or null if it says nothing. */
export function explainLine({ parseLine, lostPrefixes = [] }: LineParser, text: string): Explained | null {
  const written = text.replace(/\r?\n?$/, '');
  // What an editor or a mail program puts around a line; a blank at the end may be the program's own, too.
  const begun = written.replace(/^[\uFEFF \t]{1,32}/, '');
  const pasted = [...new Set([written, begun, begun.replace(/[ \t]{1,32}$/, '')])].map(unwrapLine);
  const readings = pasted.flat();
  const bare = pasted.map((each) => each.at(-1) ?? '');
  for (const prefix of lostPrefixes) readings.push(...bare.map((each) => prefix + each));
  for (const reading of readings) {
    const statement = parseLine(reading);
    if (statement !== undefined) return explained(statement);
  }
  return null;
}

function explained(statement: Statement): Explained {
  const said = statement as Partial<Record<keyof Explained | 'until', unknown>> & { kind: string };
  return {
    kind: said.kind,
    ...pick(said, 'network'),
    ...pick(said, 'ip'),
    ...pick(said, 'jail'),
    ...pick(said, 'service'),
    ...pick(said, 'minutes'),
    ...(said.until === Number.POSITIVE_INFINITY && { permanent: true as const }),
    ...pick(said, 'restored'),
    ...pick(said, 'rule'),
    ...pick(said, 'account'),
    ...pick(said, 'mechanism'),
    ...pick(said, 'attempts'),
    ...pick(said, 'reason'),
    ...pick(said, 'code'),
    ...pick(said, 'dnsbl'),
    ...pick(said, 'sender'),
    ...pick(said, 'recipient'),
    ...pick(said, 'helo'),
    ...pick(said, 'hostname'),
    ...pick(said, 'limit'),
    ...pick(said, 'recipients'),
    ...pick(said, 'claimed'),
    ...pick(said, 'pattern'),
  };
}

function pick(from: Partial<Record<string, unknown>>, key: keyof Explained): Partial<Explained> {
  return from[key] === undefined ? {} : { [key]: from[key] };
}

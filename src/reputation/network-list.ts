import { addressKey, type Ip, type Network, networkRange, parseNetwork, prefixOf } from '../core/network.ts';
import { formatCount, safeText } from '../core/text.ts';

/** Who needs more wants a service that is asked. */
const MOST_NETWORKS = 100_000;
/** Mistakes that are listed; a file of another kind would have one in each line. */
const LISTED_MISTAKES = 5;

const SCORE = /^\d{1,3}(?:\.\d{1,3})?$/;

/** Networks with what each is worth. */
export class NetworkList {
  readonly #scores: ReadonlyMap<Network, number>;
  /** Prefix lengths that there are, the longest first, of IPv4 and of IPv6. */
  readonly #prefixes: { ipv4: number[]; ipv6: number[] };

  constructor(scores: ReadonlyMap<Network, number>) {
    this.#scores = scores;
    const lengths = (isWanted: (network: Network) => boolean) =>
      [...new Set([...scores.keys()].filter(isWanted).map(prefixOf))].sort((a, b) => b - a);
    this.#prefixes = { ipv4: lengths((each) => !isIpv6(each)), ipv6: lengths(isIpv6) };
  }

  get size(): number {
    return this.#scores.size;
  }

  /** The narrowest of them that holds all of this network. */
  around(network: Network): { network: Network; score: number } | undefined {
    const own = prefixOf(network);
    const lengths = isIpv6(network) ? this.#prefixes.ipv6 : this.#prefixes.ipv4;
    for (const length of lengths.filter((each) => each <= own)) {
      const wider = parseNetwork(`${frontOf(network)}/${length}`);
      const score = wider && this.#scores.get(wider);
      if (wider !== undefined && score !== undefined) return { network: wider, score };
    }
    return undefined;
  }

  /** The worst of them that lie inside of this network, and are not all of it. */
  worstInside(network: Network): { network: Network; score: number } | undefined {
    const own = prefixOf(network);
    const { first, last } = networkRange(network);
    let worst: { network: Network; score: number } | undefined;
    for (const [inner, score] of this.#scores) {
      if (score <= (worst?.score ?? -1) || isIpv6(inner) !== isIpv6(network) || prefixOf(inner) <= own) continue;
      const key = addressKey(frontOf(inner));
      if (Buffer.compare(first, key) <= 0 && Buffer.compare(key, last) <= 0) worst = { network: inner, score };
    }
    return worst;
  }
}

/**
 * A network in each line, with a score behind it where it is not worth `usualScore`; what is behind `#` or `;` is a comment.
 * The mistakes are for a person, each with its line.
 */
export function parseNetworkList(text: string, usualScore: number): { list: NetworkList; mistakes: string[] } {
  const scores = new Map<Network, number>();
  const lines = new Map<Network, number>();
  const mistakes: string[] = [];
  let number = 0;
  for (const line of text.split(/\r?\n/)) {
    number++;
    const [entry = '', given, ...rest] = (line.split(/[#;]/, 1)[0] ?? '').trim().split(/\s+/);
    if (entry === '') continue;
    const complain = (what: string) => mistakes.push(`line ${number}: ${what}`);
    const network = parseNetwork(entry);
    const score = given === undefined ? usualScore : SCORE.test(given) ? Number(given) : Number.NaN;
    if (network === undefined) complain(`"${safeText(entry, 60)}" is no address, and no network such as 192.0.2.0/24`);
    else if (rest.length > 0 || !(score <= 100))
      complain('expected a score from 0 to 100 behind the network, or nothing');
    else if (lines.has(network) && scores.get(network) !== score)
      complain(`${network} stands in line ${lines.get(network)} with another score`);
    else if (!lines.has(network)) {
      scores.set(network, score);
      lines.set(network, number);
    }
  }
  if (scores.size > MOST_NETWORKS) mistakes.push(`there are more than ${formatCount(MOST_NETWORKS)} networks`);
  const more = mistakes.length - LISTED_MISTAKES;
  const shown = more > 0 ? [...mistakes.slice(0, LISTED_MISTAKES), `and ${formatCount(more)} more mistakes`] : mistakes;
  return { list: new NetworkList(scores), mistakes: shown };
}

function isIpv6(network: Network): boolean {
  return network.includes(':');
}

function frontOf(network: Network): Ip {
  return network.slice(0, network.indexOf('/')) as Ip;
}

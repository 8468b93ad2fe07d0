import ipaddr from 'ipaddr.js';

/**
 * A network in canonical spelling: `203.0.113.7/32`, `2001:db8::/64`. Host bits are cleared, IPv6 is compressed and
 * lower case, IPv4-mapped IPv6 is IPv4. Two spellings of one network are the same string.
 */
export type Network = string & { readonly __network: never };

/** A single address in canonical spelling, without a prefix length. */
export type Ip = string & { readonly __ip: never };

/** Longest text that can be an address with a prefix length: anything longer is refused before it is parsed. */
const LONGEST = 64;

function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (text.length === 0 || text.length > LONGEST) return undefined;
  // IPv4 only in four decimal parts: `1.2`, `0x7f.1` and `010.0.0.1` are read differently by different programs.
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  return ipaddr.IPv6.parse(text);
}

/** IPv4 as it is spelled canonically: there is nothing to parse, and nearly every address that is read is one. */
const CANONICAL_IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.|$)){4}(?<!\.)$/;

const IPV6_CHARACTERS = /^[\da-fA-F:]{2,39}$/;
const MAPPED_IPV4 = /^\[::ffff:[\da-f]{1,4}:[\da-f]{1,4}\]$/;

/** The canonical address, or undefined if `text` is not exactly one address (no zone, no port, no prefix). */
export function parseIp(text: string): Ip | undefined {
  if (CANONICAL_IPV4.test(text)) return text as Ip;
  if (!text.includes(':') || !IPV6_CHARACTERS.test(text)) return parseSlowly(text);
  // URLs spell IPv6 as RFC 5952 has it, and Node parses them twenty times as fast as the library does an address.
  const host = URL.parse(`http://[${text}]`)?.hostname;
  return host === undefined || MAPPED_IPV4.test(host) ? parseSlowly(text) : (host.slice(1, -1) as Ip);
}

function parseSlowly(text: string): Ip | undefined {
  const address = parseAddress(text);
  if (address === undefined) return undefined;
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress()) return address.toIPv4Address().toString() as Ip;
  return address.toString() as Ip;
}

/** The canonical network of `1.2.3.4`, `1.2.3.4/24`, `2001:db8::1/64`; undefined if `text` is anything else. */
export function parseNetwork(text: string): Network | undefined {
  const slash = text.indexOf('/');
  if ((slash < 0 || text.endsWith('/32')) && CANONICAL_IPV4.test(slash < 0 ? text : text.slice(0, -3))) {
    return (slash < 0 ? `${text}/32` : text) as Network;
  }
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const length = address instanceof ipaddr.IPv4 ? 32 : 128;
  const prefixText = slash < 0 ? String(length) : text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(prefixText)) return undefined;
  const prefix = Number(prefixText);
  if (prefix > length) return undefined;
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && prefix >= 96) {
    return canonical(address.toIPv4Address(), prefix - 96);
  }
  return canonical(address, prefix);
}

function canonical(address: ipaddr.IPv4 | ipaddr.IPv6, prefix: number): Network {
  const bytes = address.toByteArray();
  for (let index = 0; index < bytes.length; index++) {
    const keep = Math.min(8, Math.max(0, prefix - index * 8));
    bytes[index] = (bytes[index] ?? 0) & (0xff << (8 - keep)) & 0xff;
  }
  return `${ipaddr.fromByteArray(bytes).toString()}/${prefix}` as Network;
}

/** The network that holds this one address. */
export function networkOf(ip: Ip): Network {
  return `${ip}/${ip.includes(':') ? 128 : 32}` as Network;
}

/** The address of a network of one host, undefined for a wider one. */
export function hostOf(network: Network): Ip | undefined {
  const [address, prefix] = network.split('/') as [string, string];
  return prefix === (address.includes(':') ? '128' : '32') ? (address as Ip) : undefined;
}

export function prefixOf(network: Network): number {
  return Number(network.slice(network.indexOf('/') + 1));
}

/**
 * The first and last address of a network as 16 bytes each (IPv4 in its IPv4-mapped form), in an order that compares
 * bytewise: `first <= addressKey(ip) <= last` holds exactly for the addresses inside.
 */
export function networkRange(network: Network): { first: Uint8Array; last: Uint8Array } {
  const address = network.slice(0, network.indexOf('/'));
  const first = addressKey(address as Ip);
  const hostBits = (address.includes(':') ? 128 : 32) - prefixOf(network);
  const last = Uint8Array.from(first);
  for (let bit = 0; bit < hostBits; bit++) {
    const index = 15 - (bit >> 3);
    last[index] = (last[index] ?? 0) | (1 << (bit & 7));
  }
  return { first, last };
}

/** An address as 16 bytes that sort as addresses do; IPv4 as `::ffff:a.b.c.d`. */
export function addressKey(ip: Ip): Uint8Array {
  // Canonical spelling makes four numbers of it as they stand; IPv6 is left to the library.
  if (!ip.includes(':')) return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...ip.split('.').map(Number));
  return Uint8Array.from(ipaddr.parse(ip).toByteArray());
}

export function networkContains(network: Network, ip: Ip): boolean {
  const { first, last } = networkRange(network);
  const key = addressKey(ip);
  return Buffer.compare(first, key) <= 0 && Buffer.compare(key, last) <= 0;
}

/** Whether all of `inner` lies in `outer`; IPv4 lies in no IPv6. */
export function networkWithin(inner: Network, outer: Network): boolean {
  if (inner.includes(':') !== outer.includes(':')) return false;
  const small = networkRange(inner);
  const large = networkRange(outer);
  return Buffer.compare(large.first, small.first) <= 0 && Buffer.compare(small.last, large.last) <= 0;
}

/** Whether one of them lies in the other. */
export function networksOverlap(a: Network, b: Network): boolean {
  return networkWithin(a, b) || networkWithin(b, a);
}

/** What whoever has these addresses has at least: of IPv6 a /64, in which he may take another address for each attempt. */
export function holdingOf(network: Network): Network {
  if (!network.includes(':') || prefixOf(network) <= 64) return network;
  return parseNetwork(`${network.slice(0, network.indexOf('/'))}/64`) ?? network;
}

/** Whether an address belongs to somebody on the internet: it is none that is private, reserved, or for documentation. */
export function isPublic(ip: Ip): boolean {
  return ipaddr.parse(ip).range() === 'unicast';
}

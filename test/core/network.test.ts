import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import {
  addressKey,
  holdingOf,
  hostOf,
  type Ip,
  networkContains,
  networkOf,
  networkRange,
  networksOverlap,
  parseIp,
  parseNetwork,
} from '../../src/core/network.ts';

describe('parseNetwork', () => {
  it.each([
    ['185.36.81.23', '185.36.81.23/32'],
    ['185.36.81.23/32', '185.36.81.23/32'],
    ['193.56.28.77/24', '193.56.28.0/24'],
    ['10.255.1.2/9', '10.128.0.0/9'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2A01:04f8:c17:b8f:0:0:0:2', '2a01:4f8:c17:b8f::2/128'],
    ['2a01:4f8:c17:b8f::2/64', '2a01:4f8:c17:b8f::/64'],
    ['::ffff:5.188.206.14', '5.188.206.14/32'],
    ['::ffff:5.188.206.14/120', '5.188.206.0/24'],
    ['::ffff:5bc:ce0e/128', '5.188.206.14/32'],
    ['::/0', '::/0'],
  ])('reads %s as %s', (text, network) => {
    expect(parseNetwork(text)).toBe(network);
  });

  it.each([
    ['nothing', ''],
    ['a name', 'not-an-ip'],
    ['a short address', '1.2'],
    ['an octal part', '010.0.0.1'],
    ['a hexadecimal part', '0x7f.0.0.1'],
    ['a number', '3232235777'],
    ['a part that is too large', '1.2.3.256'],
    ['a prefix that is too long', '1.2.3.4/33'],
    ['a prefix that is too long for IPv6', '2001:db8::/129'],
    ['an empty prefix', '1.2.3.4/'],
    ['a signed prefix', '1.2.3.4/+8'],
    ['a port', '1.2.3.4:25'],
    ['a zone', 'fe80::1%eth0'],
    ['a blank in front', ' 1.2.3.4'],
    ['a line end', '1.2.3.4\n'],
    ['two addresses', '1.2.3.4 5.6.7.8'],
    ['a very long text', '1'.repeat(100_000)],
  ])('refuses %s', (_what, text) => {
    expect(parseNetwork(text)).toBeUndefined();
  });

  it('is canonical: reading its own output changes nothing', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), (address, bits) => {
        const network = parseNetwork(`${address}/${Math.min(bits, address.includes(':') ? 128 : 32)}`);
        if (network !== undefined) expect(parseNetwork(network)).toBe(network);
      }),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        parseNetwork(text);
        parseIp(text);
      }),
    );
  });
});

describe('ranges', () => {
  it.each([
    ['193.56.28.0/24', '193.56.28.0', '193.56.28.255'],
    ['2a01:4f8:c17:b8f::/64', '2a01:4f8:c17:b8f::', '2a01:4f8:c17:b8f:ffff:ffff:ffff:ffff'],
    ['10.128.0.0/9', '10.128.0.0', '10.255.255.255'],
    ['1.2.3.4/32', '1.2.3.4', '1.2.3.4'],
  ])('%s spans %s to %s', (network, first, last) => {
    const range = networkRange(parseNetwork(network) as never);
    expect(range.first).toEqual(addressKey(first as Ip));
    expect(range.last).toEqual(addressKey(last as Ip));
  });

  it('hold what is inside and nothing else', () => {
    const network = parseNetwork('193.56.28.0/24') as never;
    expect(networkContains(network, '193.56.28.0' as Ip)).toBe(true);
    expect(networkContains(network, '193.56.28.255' as Ip)).toBe(true);
    expect(networkContains(network, '193.56.29.0' as Ip)).toBe(false);
    expect(networkContains(network, '193.56.27.255' as Ip)).toBe(false);
    expect(networkContains(parseNetwork('::/0') as never, '2001:db8::1' as Ip)).toBe(true);
  });

  it('of one host lead back to the host', () => {
    expect(hostOf(networkOf('2001:db8::1' as Ip))).toBe('2001:db8::1');
    expect(hostOf(parseNetwork('193.56.28.0/24') as never)).toBeUndefined();
  });
});

describe('parseIp', () => {
  it('property: spells every address as the library for addresses does, and takes nothing that it refuses', () => {
    const group = fc.constantFrom('0', '0', '0000', '1', 'ffff', 'B8F', '0db8', '12345', '');
    const octet = fc.constantFrom('0', '1', '10', '255', '256', '01', '', 'x');
    const text = fc.oneof(
      fc.array(group, { minLength: 2, maxLength: 9 }).map((groups) => groups.join(':')),
      fc.array(octet, { minLength: 3, maxLength: 5 }).map((octets) => octets.join('.')),
      fc
        .tuple(fc.array(group, { maxLength: 7 }), fc.array(octet, { minLength: 4, maxLength: 4 }))
        .map(([groups, octets]) => `${groups.join(':')}:${octets.join('.')}`),
      fc.ipV6(),
      fc.ipV4(),
    );
    fc.assert(
      fc.property(text, (address) => {
        expect([address, parseIp(address)]).toEqual([address, spelled(address)]);
      }),
      { numRuns: 3_000 },
    );
  });
});

/** The same by the library alone. */
function spelled(text: string): string | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text).toString();
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return (address.isIPv4MappedAddress() ? address.toIPv4Address() : address).toString();
}

it.each([
  ['2a01:4f8:1:2:3::7/128', '2a01:4f8:1:2::/64'],
  ['2a01:4f8:1:2::/64', '2a01:4f8:1:2::/64'],
  ['2a01:4f8::/32', '2a01:4f8::/32'],
  ['185.36.81.23/32', '185.36.81.23/32'],
])('whoever has %s has %s', (network, holding) => {
  expect(holdingOf(parse(network))).toBe(holding);
});

it('networks overlap where one holds the other, either way', () => {
  const of = (a: string, b: string) => networksOverlap(parse(a), parse(b));
  expect([of('10.0.0.0/8', '10.1.2.3'), of('10.1.2.3', '10.0.0.0/8'), of('10.0.0.0/9', '10.128.0.0/9')]).toEqual([
    true,
    true,
    false,
  ]);
});

function parse(text: string) {
  const network = parseNetwork(text);
  if (network === undefined) throw new Error(text);
  return network;
}

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { Reader } from 'mmdb-lib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { addressKey, type Ip, parseIp } from '../../src/core/network.ts';
import { Mmdb } from '../../src/origins/mmdb.ts';
import { originOfRecord } from '../../src/origins/mmdb-record.ts';
import { shippedDatabase } from '../../src/origins/shipped.ts';
import { largeOrigin, writeLargeMmdb } from '../support/large-mmdb.ts';
import { type MmdbOptions, mmdbOf, type Written } from '../support/mmdb-writer.ts';
import { tempDir } from '../support/temp-dir.ts';

/** The database in a file of its own, read by us and by mmdb-lib. */
function open(content: Buffer) {
  const path = join(tempDir(), 'test.mmdb');
  writeFileSync(path, content);
  return openFile(path);
}

function openFile(path: string) {
  const own = new Mmdb(path);
  onTestFinished(() => own.close());
  const theirs = new Reader(readFileSync(path));
  return {
    own,
    find: (ip: string) => own.find(bytesOf(ip), () => true),
    expected: (ip: string) => theirs.get(ip) ?? undefined,
  };
}

function bytesOf(ip: string): Uint8Array {
  const key = addressKey(parseIp(ip) as Ip);
  return ip.includes(':') ? key : key.subarray(12);
}

const ipv4 = fc.ipV4();
const ipv6 = fc.ipV6().filter((ip) => parseIp(ip)?.includes(':') === true);

const EVERYTHING: Written = {
  text: 'Zürich',
  empty: '',
  long: 'x'.repeat(300),
  longer: 'y'.repeat(66_000 - 1_000),
  numbers: [0, 1, 255, 65_536, 4_294_967_295, -1, -2_147_483_648, 1.5, -0.25],
  big: 18_446_744_073_709_551_615n,
  flags: [true, false],
  bytes: Uint8Array.of(0, 255, 7),
  nested: { text: 'Zürich', list: [{ text: 'Zürich' }, []], none: {} },
};

describe('a database in MaxMind’s format', () => {
  it.each<MmdbOptions>(
    ([24, 28, 32] as const).flatMap((recordSize) => ([4, 6] as const).map((ipVersion) => ({ recordSize, ipVersion }))),
  )('is read as mmdb-lib reads it: %j', (options) => {
    const own =
      options.ipVersion === 6
        ? ([
            ['2001:db8::/32', { name: 'v6' }],
            ['2a00::/12', 'wide'],
          ] as const)
        : [];
    const { find, expected } = open(
      mmdbOf(
        [['45.0.0.0/8', { name: 'a' }], ['45.10.0.0/16', EVERYTHING], ['45.10.2.9/32', { name: 'c' }], ...own],
        options,
      ),
    );
    const some = ['45.0.0.1', '45.10.2.8', '45.10.2.9', '45.255.0.0', '46.0.0.0', '0.0.0.0', '255.255.255.255'];
    const more = options.ipVersion === 6 ? ['2001:db8::1', '2001:db9::', '2a0f::1', '::1'] : [];
    for (const ip of [...some, ...more]) expect([ip, find(ip)]).toEqual([ip, expected(ip)]);
    expect(find('45.10.2.9')).toEqual({ name: 'c' });
    if (options.ipVersion === 4) expect(find('2001:db8::1')).toBeUndefined();
  });

  it('is read so where its data is larger than what short pointers reach', () => {
    const entries = Array.from({ length: 40_000 }, (_, n): [string, Written] => [
      `45.${n >> 8}.${n & 255}.0/24`,
      { name: `network ${n} of forty thousand`, last: n > 39_000 ? `network ${n - 500} of forty thousand` : '' },
    ]);
    const { find, expected } = open(mmdbOf(entries));
    for (let n = 0; n < 40_000; n += 97) {
      const ip = `45.${n >> 8}.${n & 255}.1`;
      expect(find(ip)).toEqual(expected(ip));
    }
    expect(find('45.155.200.1')).toMatchObject({ last: expect.stringMatching(/^network \d+ of/) });
  });

  it('is read so where it is the one that comes with cowbell, for any address', () => {
    const { find, expected } = openFile(shippedDatabase());
    fc.assert(
      fc.property(fc.oneof(ipv4, ipv6), (ip) => {
        expect(find(ip)).toEqual(expected(ip));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is read so where each network has a record of its own', () => {
    const path = join(tempDir(), 'large.mmdb');
    writeLargeMmdb(path, 14);
    const { find, expected } = openFile(path);
    fc.assert(
      fc.property(ipv4, (ip) => {
        expect(find(ip)).toEqual(expected(ip));
        expect(originOfRecord(find(ip) ?? '')).toEqual(largeOrigin(bytesOf(ip), 14));
      }),
      { numRuns: 500 },
    );
  });

  it('gives only the keys that are wanted, at every depth', () => {
    const { own } = open(mmdbOf([['45.0.0.0/8', { a: { b: 1, c: [2, { d: 3 }] }, big: EVERYTHING, b: 'x' }]]));
    expect(own.find(bytesOf('45.1.1.1'), (key) => ['a', 'b'].includes(key))).toEqual({ a: { b: 1 }, b: 'x' });
  });

  it('says what it is and when it was made', () => {
    const { own } = open(mmdbOf([['45.0.0.0/8', {}]], { type: 'GeoLite2-Country', builtAt: 1_795_000_000_000 }));
    expect([own.type, own.builtAt]).toEqual(['GeoLite2-Country', 1_795_000_000_000]);
  });
});

describe('a damaged database', () => {
  const good = mmdbOf([
    ['45.0.0.0/8', EVERYTHING],
    ['2001:db8::/32', { country: { iso_code: 'DE' } }],
  ]);
  const openOnly = (content: Buffer) => {
    const path = join(tempDir(), 'test.mmdb');
    writeFileSync(path, content);
    return () => new Mmdb(path).close();
  };

  it.each<[string, Buffer, string]>([
    ['empty', Buffer.alloc(0), 'it is no MMDB file, or not all of it'],
    ['something else', Buffer.from('<html>404</html>'.repeat(1_000)), 'it is no MMDB file, or not all of it'],
    ['cut off', good.subarray(0, good.length - 300), 'it is no MMDB file, or not all of it'],
    ['cut off within the metadata', good.subarray(0, good.length - 20), 'the file ends before what it refers to'],
    ['without its beginning', good.subarray(-400), 'the file is not all there'],
  ])('is refused where it is %s', (_, content, reason) => {
    expect(openOnly(content)).toThrow(reason);
  });

  it.each<[string, Written]>([
    ['another version', { binary_format_major_version: 3 }],
    ['a record size of 7', { record_size: 7 }],
    ['no nodes', { node_count: 0 }],
    ['more nodes than there are', { node_count: 4_000_000_000 }],
    ['IP version 5', { ip_version: 5 }],
  ])('is refused with %s', (_, wrong) => {
    const metadata = {
      ...{ binary_format_major_version: 2, node_count: 1, record_size: 24, ip_version: 4 },
      ...(wrong as object),
    };
    const tail = mmdbOf([['45.0.0.0/8', metadata]], { ipVersion: 4 });
    const data = tail.subarray(
      tail.indexOf(Buffer.alloc(16)) + 16,
      tail.lastIndexOf('\xab\xcd\xef', undefined, 'latin1'),
    );
    const marker = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
    expect(openOnly(Buffer.concat([Buffer.alloc(64), marker, data]))).toThrow(/unknown kind|not all there/);
  });

  it('is read as far as it can be or throws, whatever byte is another, and never runs on', () => {
    const path = join(tempDir(), 'test.mmdb');
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(255), (at, byte, next) => {
        const content = Buffer.from(good);
        content[at] = byte;
        content[(at + 1) % content.length] = next;
        writeFileSync(path, content);
        const startedAt = performance.now();
        try {
          const db = new Mmdb(path);
          try {
            for (const ip of ['45.1.1.1', '2001:db8::1', '9.9.9.9']) db.find(bytesOf(ip), () => true);
          } finally {
            db.close();
          }
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
          expect((error as Error).message).not.toMatch(/undefined|null|NaN|not a function/);
        }
        expect(performance.now() - startedAt).toBeLessThan(2_000);
      }),
      { numRuns: 500 },
    );
  });

  it('does not follow a pointer round in circles, nor a map that claims millions of entries', () => {
    const map = mmdbOf([['45.0.0.0/8', { a: { b: { c: 'd' } } }]]);
    const at = map.indexOf(Buffer.from([0xe1, 0x41, 0x61, 0xe1]));
    const circle = Buffer.from(map);
    // `a` is what it is in.
    circle.set([0x20, 0x00], at + 3);
    const { own } = openQuietly(circle);
    expect(() => own.find(bytesOf('45.1.1.1'), () => true)).toThrow('a record has more in it than any has');
    const crowd = Buffer.from(map);
    crowd.set([0xff, 0xff, 0xff, 0xff], at);
    expect(() => openQuietly(crowd).own.find(bytesOf('45.1.1.1'), () => true)).toThrow();
  });

  function openQuietly(content: Buffer) {
    const path = join(tempDir(), 'test.mmdb');
    writeFileSync(path, content);
    const own = new Mmdb(path);
    onTestFinished(() => own.close());
    return { own };
  }
});

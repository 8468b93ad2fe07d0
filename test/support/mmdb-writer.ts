import { addressKey, type Ip, type Network, prefixOf } from '../../src/core/network.ts';

/** What a record may hold: text, whole numbers (32 bits), bigints (64 bits), fractions, flags, bytes, lists and maps. */
export type Written = string | number | bigint | boolean | Uint8Array | Written[] | { [key: string]: Written };

export interface MmdbOptions {
  type?: string;
  /** In ms since the epoch. */
  builtAt?: number;
  ipVersion?: 4 | 6;
  recordSize?: 24 | 28 | 32;
  /** What the metadata says of the tree. Default: as it is. */
  nodes?: number;
}

/**
 * A database in MaxMind's format, by its specification: of nested networks the narrower one decides, texts that come again
 * are pointers. https://maxmind.github.io/MaxMind-DB/
 */
export function mmdbOf(entries: readonly (readonly [string, Written])[], options: MmdbOptions = {}): Buffer {
  const { type = 'Test', builtAt = 1_795_000_000_000, ipVersion = 6, recordSize = 28 } = options;
  const data = new DataWriter();
  const tree = new Tree();
  const wideFirst = [...entries].sort(([a], [b]) => prefixOf(a as Network) - prefixOf(b as Network));
  for (const [network, record] of wideFirst) tree.put(bitsOf(network as Network, ipVersion), data.add(record));
  const metadata = new DataWriter();
  metadata.add({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: BigInt(Math.floor(builtAt / 1_000)),
    database_type: type,
    description: { en: 'for tests' },
    ip_version: ipVersion,
    languages: ['en'],
    node_count: options.nodes ?? tree.nodes.length,
    record_size: recordSize,
  });
  const marker = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
  return Buffer.concat([tree.bytes(recordSize), Buffer.alloc(16), data.bytes(), marker, metadata.bytes()]);
}

/** IPv4 begins behind 96 zeros where there is IPv6. */
function bitsOf(network: Network, ipVersion: 4 | 6): number[] {
  const [address = ''] = network.split('/');
  const isIpv4 = !address.includes(':');
  const key = [...addressKey(address as Ip)].slice(isIpv4 ? 12 : 0);
  const bits = key.flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((bit) => (byte >> bit) & 1));
  const own = bits.slice(0, prefixOf(network));
  return isIpv4 && ipVersion === 6 ? [...Array<number>(96).fill(0), ...own] : own;
}

type Branch = { node: number } | { data: number } | undefined;

class Tree {
  readonly nodes: [Branch, Branch][] = [[undefined, undefined]];

  put(bits: readonly number[], data: number): void {
    let node = 0;
    for (const [depth, bit] of bits.entries()) {
      const branches = this.nodes[node] as [Branch, Branch];
      if (depth === bits.length - 1) branches[bit as 0 | 1] = { data };
      else {
        const branch = branches[bit as 0 | 1];
        if (branch !== undefined && 'node' in branch) node = branch.node;
        else {
          node = this.nodes.push([branch, branch]) - 1;
          branches[bit as 0 | 1] = { node };
        }
      }
    }
  }

  bytes(recordSize: 24 | 28 | 32): Buffer {
    const recordOf = (branch: Branch): number => {
      if (branch === undefined) return this.nodes.length;
      return 'node' in branch ? branch.node : this.nodes.length + 16 + branch.data;
    };
    return Buffer.concat(this.nodes.map(([left, right]) => nodeBytes(recordOf(left), recordOf(right), recordSize)));
  }
}

function nodeBytes(left: number, right: number, recordSize: 24 | 28 | 32): Buffer {
  const bytes = Buffer.alloc(recordSize / 4);
  if (recordSize === 28) {
    bytes.writeUIntBE(left & 0xffffff, 0, 3);
    bytes[3] = ((left >>> 24) << 4) | (right >>> 24);
    bytes.writeUIntBE(right & 0xffffff, 4, 3);
    return bytes;
  }
  bytes.writeUIntBE(left, 0, recordSize / 8);
  bytes.writeUIntBE(right, recordSize / 8, recordSize / 8);
  return bytes;
}

class DataWriter {
  readonly #parts: Buffer[] = [];
  readonly #texts = new Map<string, number>();
  #length = 0;

  /** Where it begins. */
  add(value: Written): number {
    const at = this.#length;
    this.#value(value);
    return at;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #value(value: Written): void {
    if (typeof value === 'string') return this.#text(value);
    if (typeof value === 'bigint') return this.#scalar(9, Buffer.from(hexOf(value), 'hex'));
    if (typeof value === 'boolean') return this.#control(14, value ? 1 : 0);
    if (typeof value === 'number') return this.#number(value);
    if (value instanceof Uint8Array) return this.#scalar(4, Buffer.from(value));
    if (Array.isArray(value)) {
      this.#control(11, value.length);
      for (const each of value) this.#value(each);
      return;
    }
    this.#control(7, Object.keys(value).length);
    for (const [key, each] of Object.entries(value)) {
      this.#text(key);
      this.#value(each);
    }
  }

  #number(value: number): void {
    if (Number.isInteger(value) && value >= 0) return this.#scalar(6, Buffer.from(hexOf(BigInt(value)), 'hex'));
    const bytes = Buffer.alloc(Number.isInteger(value) ? 4 : 8);
    if (Number.isInteger(value)) bytes.writeInt32BE(value);
    else bytes.writeDoubleBE(value);
    this.#scalar(Number.isInteger(value) ? 8 : 3, bytes);
  }

  #text(text: string): void {
    const known = this.#texts.get(text);
    if (known !== undefined) return this.#push(pointerTo(known));
    this.#texts.set(text, this.#length);
    this.#scalar(2, Buffer.from(text));
  }

  #scalar(type: number, bytes: Buffer): void {
    this.#control(type, bytes.length);
    this.#push(bytes);
  }

  #control(type: number, size: number): void {
    const [short, rest] =
      size < 29
        ? [size, []]
        : size < 285
          ? [29, [size - 29]]
          : size < 65_821
            ? [30, [(size - 285) >> 8, (size - 285) & 255]]
            : [31, [(size - 65_821) >> 16, ((size - 65_821) >> 8) & 255, (size - 65_821) & 255]];
    this.#push(Buffer.from([type < 8 ? (type << 5) | short : short, ...(type < 8 ? [] : [type - 7]), ...rest]));
  }

  #push(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }
}

function pointerTo(at: number): Buffer {
  if (at < 2_048) return Buffer.from([0x20 | (at >> 8), at & 255]);
  if (at < 526_336) return Buffer.from([0x28 | ((at - 2_048) >> 16), ((at - 2_048) >> 8) & 255, (at - 2_048) & 255]);
  const bytes = Buffer.alloc(5);
  bytes[0] = 0x38;
  bytes.writeUInt32BE(at, 1);
  return bytes;
}

function hexOf(value: bigint): string {
  const hex = value === 0n ? '' : value.toString(16);
  return hex.length % 2 === 1 ? `0${hex}` : hex;
}
